//! What the account can do in PostgreSQL, compared with what the file says.

use drawbridge_core::{answer::Failure, connector::Problem};

use super::{
    super::{
        super::{
            cell::Cell,
            link::Link,
            part::{Own, TableScope},
            shape::{integer_at, text_at},
            statement::Statement,
        },
        Rights,
        excess::{Excess, missing},
    },
    PUBLIC,
};

/// What a role can be, and what that lets it do.
const ROLE: &str = "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, \
     current_user, current_setting('server_version') FROM pg_roles WHERE rolname = current_user";
/// Roles of PostgreSQL itself that reach beyond single tables.
const ROLES: &str = "SELECT rolname FROM pg_roles WHERE rolname ~ '^pg_' \
     AND pg_has_role(current_user, oid, 'USAGE') ORDER BY 1";
/// Each table that the account can do something with: schema, name, whether it owns it, what it can
/// do, and the columns that it can read and change.
const TABLES: &str = "SELECT n.nspname, c.relname, pg_has_role(current_user, c.relowner, 'USAGE'), \
     array_to_string(ARRAY(SELECT p FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', \
       'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p WHERE has_table_privilege(c.oid, p)), ', '), \
     array_to_string(ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 \
       AND NOT attisdropped AND has_column_privilege(c.oid, attnum, 'SELECT')), E'\\n'), \
     array_to_string(ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 \
       AND NOT attisdropped AND has_column_privilege(c.oid, attnum, 'UPDATE')), E'\\n'), \
     has_any_column_privilege(c.oid, 'INSERT') \
     FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't' \
     AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast' \
     AND has_schema_privilege(n.oid, 'USAGE') \
     AND (has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE, REFERENCES') \
          OR has_table_privilege(c.oid, 'DELETE, TRUNCATE, TRIGGER')) ORDER BY 1, 2";

pub(super) async fn rights(link: &mut dyn Link, own: &Own) -> Result<Rights, Failure> {
    let role = Statement::new(ROLE).rows(link).await?;
    let is = |index| integer_at(role.first(), index) != 0;
    let account = text_at(role.first(), 5);
    let mut excess = Excess::default();
    let attributes = [
        (0, "SUPERUSER", "may do anything in the whole server"),
        (1, "BYPASSRLS", "sees rows that row-level security hides"),
        (2, "CREATEROLE", "can make other accounts"),
        (3, "CREATEDB", "can make databases"),
        (4, "REPLICATION", "can copy the whole server"),
    ];
    for (index, word, told) in attributes {
        if is(index) {
            excess.add(format!("it {told}: `ALTER ROLE {account} NO{word}`"));
        }
    }
    // A superuser has every right there is; one by one they would say nothing more.
    let mut problems = Vec::new();
    if !is(0) {
        for row in Statement::new(ROLES).rows(link).await? {
            let role = text_at(Some(&row), 0);
            excess.add(format!(
                "it is a member of `{role}`: `REVOKE {role} FROM {account}`"
            ));
        }
        let tables = Statement::new(TABLES).rows(link).await?;
        for row in &tables {
            of_table(row, own, &account, &mut excess);
        }
        for scope in own.tables.values() {
            problems.extend(lacks(scope, &tables));
        }
    }
    Ok(Rights {
        engine: format!("PostgreSQL {}", text_at(role.first(), 6)),
        problems,
        excess: excess.told(),
    })
}

fn of_table(row: &Vec<Cell>, own: &Own, account: &str, excess: &mut Excess) {
    let (schema, name) = (text_at(Some(row), 0), text_at(Some(row), 1));
    let shown = if schema == PUBLIC {
        name.clone()
    } else {
        format!("{schema}.{name}")
    };
    if shown == super::APPLIED_TABLE && own.applied_table {
        return;
    }
    let can = text_at(Some(row), 3);
    let scope = own.tables.values().find(|scope| {
        let place = scope.place(PUBLIC);
        place.schema == schema && place.name == name
    });
    let Some(scope) = scope else {
        let can = if can.is_empty() {
            "use some columns of it"
        } else {
            &can
        };
        excess.add(format!(
            "it can reach `{shown}` ({can}), which the file does not name: `REVOKE ALL ON {schema}.{name} FROM {account}`"
        ));
        return;
    };
    if integer_at(Some(row), 2) != 0 {
        excess.add(format!(
            "it owns `{shown}`, and can alter and drop it: `ALTER TABLE {schema}.{name} OWNER TO` another"
        ));
        return;
    }
    let needed: &[&str] = if scope.writable.is_empty() {
        &["SELECT"]
    } else {
        &["SELECT", "INSERT", "UPDATE", "DELETE"]
    };
    let more: Vec<&str> = can
        .split(", ")
        .filter(|word| !word.is_empty() && !needed.contains(word))
        .collect();
    if !more.is_empty() {
        let more = more.join(", ");
        excess.add(format!(
            "it can {more} on `{shown}`: `REVOKE {more} ON {schema}.{name} FROM {account}`"
        ));
    }
    if scope.writable.is_empty() {
        let read = text_at(Some(row), 4);
        let hidden = read
            .lines()
            .filter(|column| !scope.fields.iter().any(|field| field == column));
        excess.hidden(&shown, hidden);
    }
}

/// What the file needs of a table, and the account cannot do.
fn lacks(scope: &TableScope, tables: &[Vec<Cell>]) -> Option<Problem> {
    let place = scope.place(PUBLIC);
    let row = tables
        .iter()
        .find(|row| text_at(Some(row), 0) == place.schema && text_at(Some(row), 1) == place.name);
    let can = text_at(row, 3);
    let read = text_at(row, 4);
    let readable = |field: &&String| !read.lines().any(|column| column == *field);
    let mut lacks: Vec<String> = Vec::new();
    if scope.fields.iter().find(readable).is_some() {
        lacks.push("SELECT".to_owned());
    }
    if !scope.writable.is_empty() {
        let updates = text_at(row, 5);
        let update = scope
            .writable
            .keys()
            .all(|name| updates.lines().any(|column| column == name));
        let insert = integer_at(row, 6) != 0;
        for (word, has) in [
            ("INSERT", insert),
            ("UPDATE", update),
            ("DELETE", can.contains("DELETE")),
        ] {
            if !has {
                lacks.push(word.to_owned());
            }
        }
    }
    missing(&scope.name, &lacks)
}
