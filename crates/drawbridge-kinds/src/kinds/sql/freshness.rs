//! How old an answer may be. Tables of a database are as they are now; exports and replicas have a
//! clock of their own, and rows may say when they were changed. An answer says what it shows.

use std::time::Duration;

use drawbridge_core::{
    answer::{Failure, Found, Status},
    file::WhenStale,
};
use jiff::{Timestamp, civil::DateTime, tz::Offset};

use super::{Database, cell::Cell, part::TableScope, shape::Shape};

/// From here on a whole number counts thousandths of seconds: as seconds it would be year 5138.
const THOUSANDTHS: i64 = 100_000_000_000;

/// Of when what a table shows is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// Of now: it is no copy.
    Live,
    /// A copy of what the source held then.
    Of(Timestamp),
    /// A copy, and nobody can tell of when; how to mend that.
    Unknown(&'static str),
}

/// When a row, or else what its table holds, was last changed, and whether that is longer ago than the
/// file wants. That a whole copy is too old goes before what a row of it says.
pub(super) fn of(
    database: &Database,
    (scope, shape): (&TableScope, &Shape),
    row: Option<&[Cell]>,
) -> (Option<Timestamp>, bool) {
    let older = |moment: Timestamp, most: Option<Duration>| {
        let age = database.context.clock.now().duration_since(moment);
        most.is_some_and(|most| !age.is_negative() && age.unsigned_abs() > most)
    };
    let most = database.own.stale_after;
    let (copied, stale) = match shape.clock {
        Clock::Live => (None, false),
        Clock::Of(moment) => (Some(moment), older(moment, most)),
        Clock::Unknown(_) => (None, most.is_some()),
    };
    let Some((changed, row)) = scope.changed.as_ref().zip(row).filter(|_| !stale) else {
        return (copied, stale);
    };
    let place = scope.fields.iter().position(|name| *name == changed.column);
    let cell = place.and_then(|place| row.get(place));
    match cell.and_then(|cell| moment(cell, shape.ahead)) {
        Some(moment) => (Some(moment), older(moment, changed.stale_after)),
        // It cannot be shown that the row is not too old.
        None => (copied, changed.stale_after.is_some()),
    }
}

/// The moment that a value says. One without a zone is taken for UTC, after what the connection's zone
/// is ahead of it; a whole number for seconds or thousandths since 1970.
fn moment(cell: &Cell, ahead: i64) -> Option<Timestamp> {
    match cell {
        Cell::Integer(number) if number.saturating_abs() < THOUSANDTHS => {
            Timestamp::from_second(*number).ok()
        }
        Cell::Integer(number) => Timestamp::from_millisecond(*number).ok(),
        Cell::Text(bytes) => {
            let text = std::str::from_utf8(bytes).ok()?.trim();
            if let Ok(moment) = text.parse::<Timestamp>() {
                return Some(moment);
            }
            let plain: DateTime = text.parse().ok()?;
            let zone = Offset::from_seconds(i32::try_from(ahead).ok()?).ok()?;
            zone.to_timestamp(plain).ok()
        }
        Cell::Null
        | Cell::Bool(_)
        | Cell::Real(_)
        | Cell::Number(_)
        | Cell::Json(_)
        | Cell::Blob(_) => None,
    }
}

/// Says of an answer when what it rests on is older than the file wants.
///
/// # Errors
/// `stale`, where the file has such an answer refused.
pub(super) fn told(database: &Database, mut found: Found) -> Result<Found, Failure> {
    let stale = found.sources.iter().filter(|source| source.stale);
    let dates: Vec<Option<Timestamp>> = stale.map(|source| source.modified).collect();
    if dates.is_empty() {
        return Ok(found);
    }
    match database.own.when_stale {
        WhenStale::Refuse => Err(Failure::new(
            Status::Stale,
            "the data is older than the file allows; tell whoever keeps the connector",
        )),
        WhenStale::Warn => {
            let oldest: Option<Vec<Timestamp>> = dates.into_iter().collect();
            let oldest = oldest.and_then(|dates| dates.into_iter().min());
            found.notices.push(match oldest {
                Some(oldest) => format!(
                    "this data is of {oldest}, longer ago than the file wants: say so when you answer"
                ),
                None => "nobody can tell how old this data is: say so when you answer".to_owned(),
            });
            Ok(found)
        }
    }
}

#[cfg(test)]
mod tests;
