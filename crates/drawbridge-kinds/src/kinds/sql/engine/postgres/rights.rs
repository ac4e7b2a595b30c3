//! What the account can do in PostgreSQL, compared with what the file says.

mod beyond;
mod roles;
mod tables;

use drawbridge_core::{answer::Failure, connector::Problem};

use super::super::{
    super::{
        cell::Cell,
        dialect::Dialect,
        link::Link,
        part::{Own, TableScope},
        shape::{integer_at, text_at},
        statement::Statement,
    },
    Rights,
    excess::{Excess, missing},
};
use roles::Roles;

/// The account, whether it is a superuser, and which server this is.
const ACCOUNT: &str = "SELECT current_user, rolsuper, current_setting('server_version') \
     FROM pg_roles WHERE rolname = current_user";
/// Each table of the schemas that it may use, and what it can do with it, by whatever way: schema,
/// name, whether it may remove rows, and the columns that it cannot read, set in a new row, and
/// change.
const CAN: &str = "SELECT n.nspname, c.relname, has_table_privilege(c.oid, 'DELETE'), \
     array_to_string(ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 \
       AND NOT attisdropped AND NOT has_column_privilege(c.oid, attnum, 'SELECT')), E'\\n'), \
     array_to_string(ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 \
       AND NOT attisdropped AND NOT has_column_privilege(c.oid, attnum, 'INSERT')), E'\\n'), \
     array_to_string(ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 \
       AND NOT attisdropped AND NOT has_column_privilege(c.oid, attnum, 'UPDATE')), E'\\n') \
     FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' \
     AND has_schema_privilege(n.oid, 'USAGE')";

pub(super) async fn rights(link: &mut dyn Link, own: &Own) -> Result<Rights, Failure> {
    let account = Statement::new(ACCOUNT).rows(link).await?;
    let superuser = integer_at(account.first(), 1) != 0;
    let name = text_at(account.first(), 0);
    let mut excess = Excess::default();
    roles::attributes(link, &name, &mut excess).await?;
    let mut problems = Vec::new();
    // A superuser has every right there is; one by one they would say nothing more.
    if !superuser {
        let mut roles = Roles::of(link, name, own).await?;
        tables::rights(link, own, (&mut roles, &mut excess)).await?;
        beyond::rights(link, own, (&mut roles, &mut excess)).await?;
        roles.told(&mut excess);
        let can = Statement::new(CAN).rows(link).await?;
        // Where it takes roles, what they lack is told to who asks.
        for scope in own.tables.values().filter(|_| !own.takes_role()) {
            problems.extend(lacks(scope, own, &can));
        }
    }
    Ok(Rights {
        engine: format!("PostgreSQL {}", text_at(account.first(), 2)),
        problems,
        excess: excess.told(),
    })
}

/// What the file needs of a table, and the account cannot do.
fn lacks(scope: &TableScope, own: &Own, can: &[Vec<Cell>]) -> Option<Problem> {
    let (place, need) = (&scope.place, own.need(scope));
    let row = can
        .iter()
        .find(|row| text_at(Some(row), 0) == place.schema && text_at(Some(row), 1) == place.name);
    let mut lacks: Vec<String> = Vec::new();
    for (word, at) in [("SELECT", 3), ("INSERT", 4), ("UPDATE", 5)] {
        let needed = need.columns(word);
        let not = text_at(row, at);
        let lacking = not.lines().any(|column| needed.has(column));
        if !needed.is_none() && (row.is_none() || lacking) {
            lacks.push(word.to_owned());
        }
    }
    if need.delete && integer_at(row, 2) == 0 {
        lacks.push("DELETE".to_owned());
    }
    missing(&scope.name, &lacks)
}

/// A name, as it stands in a statement.
fn quoted(name: &str) -> String {
    Dialect::Postgres.quoted(name)
}

/// Who holds a right, as it stands in a statement; nobody's name is everybody.
fn holder(name: &str) -> String {
    if name.is_empty() {
        "PUBLIC".to_owned()
    } else {
        quoted(name)
    }
}
