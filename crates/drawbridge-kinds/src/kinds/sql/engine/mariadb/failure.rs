//! What the error numbers of MariaDB and MySQL say.

use drawbridge_core::answer::Failure;
use sqlx::mysql::MySqlDatabaseError;

use super::super::{remote::Refusal, trouble::Trouble};

/// Two transactions waited for each other.
pub(super) const DEADLOCK: u16 = 1213;

pub(super) fn number_of(error: &sqlx::Error) -> Option<u16> {
    let error = error.as_database_error()?;
    let error = error.try_downcast_ref::<MySqlDatabaseError>()?;
    Some(error.number())
}

/// Whether an error says that the server has ended the connection.
pub(super) fn ended(error: &sqlx::Error) -> bool {
    // Shut down, killed, or silent for too long.
    matches!(number_of(error), Some(1053 | 1927 | 4031))
}

/// What the server refuses of somebody who signs in, if that is what an error says.
pub(super) fn refusal(error: &sqlx::Error) -> Option<Refusal> {
    match number_of(error) {
        // A wrong password, none, or one that is no longer good.
        Some(1045 | 1698 | 1862) => Some(Refusal::Secret),
        // No right to the database, from this host or at all; locked; or to be proved otherwise.
        Some(1044 | 1130 | 1251 | 1524 | 3118 | 4151) => Some(Refusal::Account),
        _ => None,
    }
}

/// The failure that an error is.
pub(super) fn told(error: sqlx::Error) -> Failure {
    let trouble = match number_of(&error) {
        Some(number) => by_number(number, &class_of(&error)),
        None if matches!(error, sqlx::Error::PoolTimedOut) => Trouble::Locked,
        None => Trouble::Unusable,
    };
    trouble.failure(error)
}

/// Whether an error says that whoever acts may not do this.
pub(super) fn forbids(error: &sqlx::Error) -> bool {
    matches!(number_of(error), Some(1044 | 1142 | 1143 | 1227 | 1370))
}

/// The first two letters of the standard's code.
fn class_of(error: &sqlx::Error) -> String {
    let code = error.as_database_error().and_then(|error| error.code());
    code.and_then(|code| Some(code.get(..2)?.to_owned()))
        .unwrap_or_default()
}

fn by_number(number: u16, class: &str) -> Trouble {
    match number {
        1205 => Trouble::Locked,
        DEADLOCK | 1020 => Trouble::Raced,
        1317 | 1969 | 3024 => Trouble::Slow,
        1040 | 1203 | 1226 => Trouble::Busy,
        1044 | 1045 | 1142 | 1143 | 1227 | 1370 => Trouble::Rights,
        1216 | 1217 | 1451 | 1452 => Trouble::Foreign,
        1048 | 1364 => Trouble::Missing,
        1062 | 1586 | 1859 => Trouble::Unique,
        1644 | 3819 | 4025 => Trouble::Rule,
        1264 | 1265 | 1292 | 1366 | 1367 | 1406 | 1411 | 1525 | 1690 => Trouble::Value,
        1290 | 1792 | 1836 => Trouble::ReadOnly,
        1021 | 1114 => Trouble::Full,
        1052 | 1096 | 1267 => Trouble::Statement,
        _ if class == "22" => Trouble::Value,
        _ if ["21", "42"].contains(&class) => Trouble::Statement,
        _ => Trouble::Unusable,
    }
}
