//! How old an answer may be. Tables of a database are as they are now; exports and replicas have a
//! clock of their own, and an answer says what it shows.

use drawbridge_core::{
    answer::{Failure, Found, Status},
    file::WhenStale,
};

use super::Database;

/// Says of an answer when what it rests on is older than the file wants.
///
/// # Errors
/// `stale`, where the file has such an answer refused.
pub(super) fn told(database: &Database, mut found: Found) -> Result<Found, Failure> {
    let own = &database.own;
    let Some(most) = own.stale_after else {
        return Ok(found);
    };
    let now = database.context.clock.now();
    let mut oldest = None;
    for source in &mut found.sources {
        let Some(modified) = source.modified else {
            continue;
        };
        let age = now.duration_since(modified);
        source.stale = !age.is_negative() && age.unsigned_abs() > most;
        if source.stale {
            oldest = Some(oldest.map_or(modified, |oldest: jiff::Timestamp| oldest.min(modified)));
        }
    }
    let Some(oldest) = oldest else {
        return Ok(found);
    };
    match own.when_stale {
        WhenStale::Refuse => Err(Failure::new(
            Status::Stale,
            "the data is older than the file allows; tell whoever keeps the connector",
        )),
        WhenStale::Warn => {
            found.notices.push(format!(
                "this data is of {oldest}, longer ago than the file wants: say so when you answer"
            ));
            Ok(found)
        }
    }
}
