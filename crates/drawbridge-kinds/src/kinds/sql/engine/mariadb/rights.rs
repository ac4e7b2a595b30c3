//! What the account can do in MariaDB or MySQL, compared with what the file says.

mod beyond;

use std::collections::BTreeMap;

use drawbridge_core::{answer::Failure, connector::Problem};

use super::super::{
    super::{
        cell::Cell,
        dialect::Dialect,
        link::Link,
        part::{APPLIED_TABLE, Columns, Need, Own, TableScope},
        shape::{Place, text_at},
        statement::Statement,
    },
    Rights,
    excess::{Excess, Right, few, missing, too_much},
};

/// What is said of a right that everybody has.
const NOTHING: &str = "USAGE";

/// The account, as the server knows it and as it stands in statements.
struct Account {
    known: String,
    written: String,
}

/// Everything that is granted to the account itself.
#[derive(Default)]
struct Granted {
    server: Vec<Right>,
    databases: BTreeMap<String, Vec<Right>>,
    tables: BTreeMap<(String, String), Vec<Right>>,
}

/// The columns of a table that the account can see.
#[derive(Default)]
struct Seen {
    all: Vec<String>,
    /// Those that the server itself gives another value when the row is changed.
    touched: Vec<String>,
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
    let account = Account {
        known: format!("'{name}'@'{host}'"),
        written: format!("{}@{}", quoted(name), quoted(host)),
    };
    let granted = granted(link, &account.known).await?;
    let mut excess = Excess::default();
    beyond::of_server(&granted, &account, &mut excess);
    let mut roles = beyond::everybody(link, database, &mut excess).await?;
    // Roles that it takes for people are theirs, and what they lack is told to who asks.
    roles |= match own.takes_role() {
        true => true,
        false => beyond::roles(link, &account, &mut excess).await?,
    };
    beyond::routines(link, &granted, (&account, &mut excess)).await?;
    let mut problems = Vec::new();
    let needs = needs(link, own, database).await?;
    of_tables((&granted, &needs), &account, &mut excess);
    for scope in own.tables.values() {
        // What comes by roles is not looked into, so nobody knows what is missing.
        if let (false, Some((need, seen))) = (roles, needs.get(&key(&scope.place))) {
            problems.extend(lacks((scope, need, seen), &granted, &scope.place));
        }
    }
    let brand = if version.contains("MariaDB") {
        "MariaDB"
    } else {
        "MySQL"
    };
    let number = version.split('-').next().unwrap_or_default();
    Ok(Rights {
        engine: format!("{brand} {number}"),
        problems,
        excess: excess.told(),
    })
}

async fn granted(link: &mut dyn Link, account: &str) -> Result<Granted, Failure> {
    let grantee = Cell::text(account);
    let rows = Statement::new(
        "SELECT '', '', '', PRIVILEGE_TYPE, IS_GRANTABLE \
         FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = ",
    )
    .value(&grantee)
    .words(
        " UNION SELECT TABLE_SCHEMA, '', '', PRIVILEGE_TYPE, IS_GRANTABLE \
         FROM information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE = ",
    )
    .value(&grantee)
    .words(
        " UNION SELECT TABLE_SCHEMA, TABLE_NAME, '', PRIVILEGE_TYPE, IS_GRANTABLE \
         FROM information_schema.TABLE_PRIVILEGES WHERE GRANTEE = ",
    )
    .value(&grantee)
    .words(
        " UNION SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, PRIVILEGE_TYPE, IS_GRANTABLE \
         FROM information_schema.COLUMN_PRIVILEGES WHERE GRANTEE = ",
    )
    .value(&grantee)
    .words(" ORDER BY 1, 2, 3, 4")
    .rows(link)
    .await?;
    let mut granted = Granted::default();
    for row in &rows {
        let at = |index| text_at(Some(row), index);
        let right = Right {
            word: at(3),
            column: Some(at(2)).filter(|name| !name.is_empty()),
            grantable: at(4) == "YES",
        };
        match (at(0), at(1)) {
            _ if right.word == NOTHING && !right.grantable => {}
            (schema, _) if schema.is_empty() => granted.server.push(right),
            (schema, table) if table.is_empty() => {
                granted.databases.entry(schema).or_default().push(right);
            }
            table => granted.tables.entry(table).or_default().push(right),
        }
    }
    Ok(granted)
}

type Needs = BTreeMap<(String, String), (Need, Seen)>;

fn key(place: &Place) -> (String, String) {
    (place.schema.clone(), place.name.clone())
}

/// What the file needs, table by table.
async fn needs(link: &mut dyn Link, own: &Own, database: &str) -> Result<Needs, Failure> {
    let mut needs = Needs::new();
    for scope in own.tables.values() {
        let place = &scope.place;
        let rows = Statement::new(
            "SELECT COLUMN_NAME, EXTRA FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ",
        )
        .value(&Cell::text(&place.schema))
        .words(" AND TABLE_NAME = ")
        .value(&Cell::text(&place.name))
        .rows(link)
        .await?;
        let (mut seen, mut need) = (Seen::default(), own.need(scope));
        for row in &rows {
            let (name, extra) = (text_at(Some(row), 0), text_at(Some(row), 1));
            if extra.to_ascii_lowercase().contains("on update") {
                seen.touched.push(name.clone());
            }
            seen.all.push(name);
        }
        // What the server changed by itself together with a row is put back with it.
        if let Columns::These(columns) = &mut need.update
            && !columns.is_empty()
        {
            let more = seen.touched.iter().filter(|name| !columns.contains(name));
            let more: Vec<String> = more.cloned().collect();
            columns.extend(more);
        }
        needs.insert(key(place), (need, seen));
    }
    if own.applied_table && own.changes() {
        let mut need = Need::none();
        (need.select, need.insert) = (Columns::Every, Columns::Every);
        let place = Place::new(database, APPLIED_TABLE);
        needs.insert(key(&place), (need, Seen::default()));
    }
    Ok(needs)
}

fn of_tables((granted, needs): (&Granted, &Needs), account: &Account, excess: &mut Excess) {
    for (table, rights) in &granted.tables {
        let (written, by) = (on(table), &account.written);
        let shown = &table.1;
        let held: Vec<Right> = rights
            .iter()
            .filter(|right| right.word != NOTHING)
            .cloned()
            .collect();
        let Some((need, seen)) = needs.get(table) else {
            let (nothing, all) = (Need::none(), []);
            let words = too_much(&held, &nothing, (&all, Dialect::MariaDb)).words;
            let words = if words.is_empty() {
                "hand on rights".to_owned()
            } else {
                few(&words)
            };
            let what = format!("may {words} on `{shown}`, which the file does not name");
            excess.add(&what, &whole(&held, &written, by));
            continue;
        };
        let found = too_much(&held, need, (&seen.all, Dialect::MariaDb));
        if !found.words.is_empty() {
            let mut mend = format!("REVOKE {} ON {written} FROM {by}", found.revoke.join(", "));
            if !found.grant.is_empty() {
                mend += &format!("; GRANT {} ON {written} TO {by}", found.grant.join(", "));
            }
            let words = few(&found.words);
            let what = format!("may {words} on `{shown}`, which the file does not need");
            excess.add(&what, &mend);
        }
        if rights.iter().any(|right| right.grantable) {
            let what = format!("may let others do what it can on `{shown}`");
            excess.add(
                &what,
                &format!("REVOKE GRANT OPTION ON {written} FROM {by}"),
            );
        }
    }
}

/// Takes away every right on a table. `ALL` would leave those on single columns.
fn whole(held: &[Right], written: &str, by: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for right in held {
        words.push(match &right.column {
            Some(column) => format!("{} ({})", right.word, quoted(column)),
            None => right.word.clone(),
        });
    }
    if held.is_empty() || held.iter().any(|right| right.grantable) {
        words.push("GRANT OPTION".to_owned());
    }
    format!("REVOKE {} ON {written} FROM {by}", words.join(", "))
}

/// What the file needs of a table, and the account cannot do.
fn lacks(
    (scope, need, seen): (&TableScope, &Need, &Seen),
    granted: &Granted,
    place: &Place,
) -> Option<Problem> {
    let nothing = Vec::new();
    let here = granted.tables.get(&key(place)).unwrap_or(&nothing);
    let databases = granted.databases.iter();
    let above = databases
        .filter(|(pattern, _)| beyond::like(pattern, &place.schema))
        .flat_map(|(_, rights)| rights);
    let above: Vec<&Right> = granted.server.iter().chain(above).collect();
    let can = |word: &str, columns: &Columns| {
        let whole = |right: &Right| right.word == word && right.column.is_none();
        if above.iter().any(|right| whole(right)) || here.iter().any(whole) {
            return true;
        }
        let has = |name: &String| {
            let mut rights = here.iter().filter(|right| right.word == word);
            rights.any(|right| right.column.as_ref() == Some(name))
        };
        match columns {
            // Columns that it cannot use at all are not seen.
            Columns::Every => false,
            Columns::These(columns) => columns.iter().all(has),
        }
    };
    let mut lacks = Vec::new();
    for word in ["SELECT", "INSERT", "UPDATE", "DELETE"] {
        let mut needed = need.columns(word);
        if let Columns::These(columns) = &mut needed {
            columns.retain(|name| seen.all.is_empty() || seen.all.contains(name));
        }
        if !needed.is_none() && !can(word, &needed) {
            lacks.push(word.to_owned());
        }
    }
    missing(&scope.name, &lacks)
}

/// A name, as it stands in a statement.
fn quoted(name: &str) -> String {
    Dialect::MariaDb.quoted(name)
}

/// A table, as it stands in a statement.
fn on((schema, name): &(String, String)) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}
