//! What the account can do in MariaDB or MySQL, compared with what the file says.

use drawbridge_core::{answer::Failure, connector::Problem};

use super::super::{
    super::{
        cell::Cell,
        link::Link,
        part::{APPLIED_TABLE, Own, TableScope},
        shape::text_at,
        statement::Statement,
    },
    Rights,
    excess::{Excess, missing},
};

/// What is needed to change rows, and to read them.
const CHANGES: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];
/// What is said of a right that everybody has.
const NOTHING: &str = "USAGE";

/// A right of the account: on what, and which.
struct Right {
    schema: String,
    table: String,
    word: String,
}

pub(super) async fn rights(
    link: &mut dyn Link,
    own: &Own,
    database: &str,
) -> Result<Rights, Failure> {
    let who = Statement::new("SELECT CURRENT_USER(), VERSION()")
        .rows(link)
        .await?;
    let (account, version) = (text_at(who.first(), 0), text_at(who.first(), 1));
    let (name, host) = account.rsplit_once('@').unwrap_or((&account, "%"));
    let account = format!("'{name}'@'{host}'");
    let all = all(link, &account).await?;
    let mut excess = Excess::default();
    of_server(&all, &account, &mut excess);
    roles(link, &mut excess).await?;
    of_tables(&all, (own, database), &account, &mut excess);
    let problems = own
        .tables
        .values()
        .filter_map(|scope| lacks(scope, &all, database));
    let brand = if version.contains("MariaDB") {
        "MariaDB"
    } else {
        "MySQL"
    };
    let number = version.split('-').next().unwrap_or_default();
    Ok(Rights {
        engine: format!("{brand} {number}"),
        problems: problems.collect(),
        excess: excess.told(),
    })
}

/// Everything that is granted to the account itself.
async fn all(link: &mut dyn Link, account: &str) -> Result<Vec<Right>, Failure> {
    let grantee = Cell::text(account);
    let rows = Statement::new(
        "SELECT '', '', PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = ",
    )
    .value(&grantee)
    .words(
        " UNION SELECT TABLE_SCHEMA, '', PRIVILEGE_TYPE \
         FROM information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE = ",
    )
    .value(&grantee)
    .words(
        " UNION SELECT TABLE_SCHEMA, TABLE_NAME, PRIVILEGE_TYPE \
         FROM information_schema.TABLE_PRIVILEGES WHERE GRANTEE = ",
    )
    .value(&grantee)
    .words(
        " UNION SELECT TABLE_SCHEMA, TABLE_NAME, PRIVILEGE_TYPE \
         FROM information_schema.COLUMN_PRIVILEGES WHERE GRANTEE = ",
    )
    .value(&grantee)
    .rows(link)
    .await?;
    let right = |row: &Vec<Cell>| Right {
        schema: text_at(Some(row), 0),
        table: text_at(Some(row), 1),
        word: text_at(Some(row), 2),
    };
    let rights = rows.iter().map(right);
    Ok(rights.filter(|right| right.word != NOTHING).collect())
}

/// Rights in the whole server, and in whole databases.
fn of_server(all: &[Right], account: &str, excess: &mut Excess) {
    let words = |schema: &str| {
        let on = all
            .iter()
            .filter(|right| right.schema == schema && right.table.is_empty());
        let words: Vec<&str> = on.map(|right| right.word.as_str()).collect();
        words.join(", ")
    };
    let whole = words("");
    if !whole.is_empty() {
        excess.add(format!(
            "it may {whole} in the whole server: `REVOKE ALL PRIVILEGES, GRANT OPTION FROM {account}`, \
             and grant single tables"
        ));
    }
    let mut schemas: Vec<&str> = all
        .iter()
        .filter(|right| right.table.is_empty() && !right.schema.is_empty())
        .map(|right| right.schema.as_str())
        .collect();
    schemas.dedup();
    for schema in schemas {
        let words = words(schema);
        excess.add(format!(
            "it may {words} on every table of the database `{schema}`: \
             `REVOKE ALL ON {schema}.* FROM {account}`, and grant single tables"
        ));
    }
}

/// What comes through roles is not looked into.
async fn roles(link: &mut dyn Link, excess: &mut Excess) -> Result<(), Failure> {
    let roles = Statement::new(
        "SELECT ROLE_NAME FROM information_schema.ENABLED_ROLES WHERE ROLE_NAME IS NOT NULL",
    );
    match link.attempt(roles).await? {
        Ok(rows) => {
            for row in rows {
                let role = text_at(Some(&row), 0);
                excess.add(format!(
                    "it has the role `{role}`, whose rights are not looked into: grant the \
                     account itself what it needs"
                ));
            }
            Ok(())
        }
        // Some versions have no such table.
        Err(_) => Ok(()),
    }
}

fn of_tables(all: &[Right], (own, database): (&Own, &str), account: &str, excess: &mut Excess) {
    let mut tables: Vec<(&str, &str)> = all
        .iter()
        .filter(|right| !right.table.is_empty())
        .map(|right| (right.schema.as_str(), right.table.as_str()))
        .collect();
    tables.sort_unstable();
    tables.dedup();
    for (schema, table) in tables {
        if own.applied_table && schema == database && table == APPLIED_TABLE {
            continue;
        }
        let here = |right: &&Right| right.schema == schema && right.table == table;
        let scope = own.tables.values().find(|scope| {
            let place = scope.place(database);
            place.schema == schema && place.name == table
        });
        let needed: &[&str] = match scope {
            None => &[],
            Some(scope) if scope.writable.is_empty() => &["SELECT"],
            Some(_) => &CHANGES,
        };
        let more: Vec<&str> = all
            .iter()
            .filter(here)
            .map(|right| right.word.as_str())
            .filter(|word| !needed.contains(word))
            .collect();
        if !more.is_empty() {
            let more = more.join(", ");
            let why = match scope {
                None => ", which the file does not name",
                Some(_) => "",
            };
            excess.add(format!(
                "it may {more} on `{table}`{why}: `REVOKE {more} ON {schema}.{table} FROM {account}`"
            ));
        }
    }
}

/// What the file needs of a table, and the account cannot do.
fn lacks(scope: &TableScope, all: &[Right], database: &str) -> Option<Problem> {
    let place = scope.place(database);
    let covers = |right: &&Right| {
        right.schema.is_empty()
            || right.schema == place.schema && (right.table.is_empty() || right.table == place.name)
    };
    let can = |word: &str| {
        let mut rights = all.iter().filter(covers).filter(|right| right.word == word);
        rights.next().is_some()
    };
    let needed: &[&str] = if scope.writable.is_empty() {
        &["SELECT"]
    } else {
        &CHANGES
    };
    let lacks = needed.iter().filter(|word| !can(word));
    let lacks: Vec<String> = lacks.map(|word| (*word).to_owned()).collect();
    let by_role = all.is_empty();
    if by_role {
        None
    } else {
        missing(&scope.name, &lacks)
    }
}
