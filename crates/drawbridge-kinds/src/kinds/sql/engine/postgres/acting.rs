//! Acting for a person in PostgreSQL: all of it ends with the transaction, whichever way that ends.

use sqlx::PgConnection;

use super::{
    super::super::{cell::Cell, part::Acting},
    failure::code_of,
    query,
};

/// Tells the server for whom the transaction goes on; `false` when the account may not take the role.
pub(super) async fn act(
    connection: &mut PgConnection,
    acting: &Acting,
) -> Result<bool, sqlx::Error> {
    set(connection, &acting.settings).await?;
    let Some(role) = &acting.role else {
        return Ok(true);
    };
    match set(connection, &[("role".to_owned(), role.clone())]).await {
        // The account is no member of it; or there is none.
        Err(error) if matches!(code_of(&error).as_deref(), Some("42501" | "22023")) => {
            return Ok(false);
        }
        done => done?,
    }
    // The server cuts a long name off, and would take the role that is called like its beginning.
    let now: String = sqlx::query_scalar("SELECT current_user::text")
        .persistent(false)
        .fetch_one(connection)
        .await?;
    Ok(now == *role)
}

/// The account itself goes on; what is set stays.
pub(super) async fn step_aside(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    set(connection, &[("role".to_owned(), "none".to_owned())]).await?;
    Ok(true)
}

/// Until the transaction ends.
async fn set(
    connection: &mut PgConnection,
    settings: &[(String, String)],
) -> Result<(), sqlx::Error> {
    if settings.is_empty() {
        return Ok(());
    }
    let (mut set, mut values) = (Vec::new(), Vec::new());
    for (name, value) in settings {
        let at = values.len();
        set.push(format!(
            "pg_catalog.set_config(${}, ${}, true)",
            at + 1,
            at + 2
        ));
        values.extend([Cell::text(name), Cell::text(value)]);
    }
    let written = (format!("SELECT {}", set.join(", ")), values);
    query::of(written).execute(connection).await.map(|_| ())
}
