//! Acting for a person in MariaDB and MySQL: the role and the variables are the connection's, and are
//! taken away after each transaction.

use sqlx::MySqlConnection;

use super::{
    super::super::{cell::Cell, dialect::Dialect, part::Acting},
    MariaDb,
    failure::number_of,
    query,
};

/// Tells the server for whom the connection goes on; `false` when the account may not take the role.
pub(super) async fn act(
    connection: &mut MySqlConnection,
    acting: &Acting,
) -> Result<bool, sqlx::Error> {
    if !acting.settings.is_empty() {
        let values = acting.settings.iter();
        let values = values.map(|(_, value)| Cell::text(value)).collect();
        let written = (variables(acting, "?"), values);
        query::of(written).execute(&mut *connection).await?;
    }
    let Some(role) = &acting.role else {
        return Ok(true);
    };
    let quoted = Dialect::MariaDb.quoted(role);
    match MariaDb::text(connection, format!("SET ROLE {quoted}")).await {
        // The account was not granted it; or there is none.
        Err(error) if matches!(number_of(&error), Some(1959 | 3530)) => return Ok(false),
        done => done?,
    }
    // The server takes blanks at the end of a name away, and would take another role.
    let now: Option<String> = sqlx::query_scalar("SELECT CURRENT_ROLE()")
        .fetch_one(connection)
        .await?;
    // MySQL tells its host too.
    Ok(now.is_some_and(|now| now == *role || now == format!("{quoted}@`%`")))
}

/// Nobody is acted for on the connection any more.
pub(super) async fn forget(
    connection: &mut MySqlConnection,
    acting: &Acting,
) -> Result<(), sqlx::Error> {
    if !acting.settings.is_empty() {
        MariaDb::text(connection, variables(acting, "NULL")).await?;
    }
    match &acting.role {
        Some(_) => MariaDb::text(connection, "SET ROLE NONE").await,
        None => Ok(()),
    }
}

fn variables(acting: &Acting, value: &str) -> String {
    let set = acting.settings.iter();
    let set = set.map(|(name, _)| format!("@{} = {value}", Dialect::MariaDb.quoted(name)));
    format!("SET {}", set.collect::<Vec<_>>().join(", "))
}
