//! Whether a server of MariaDB or MySQL is a copy of another, and how far behind.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use drawbridge_core::answer::Failure;

use super::super::super::{
    cell::Cell,
    freshness::Clock,
    link::Link,
    shape::{integer_at, text_at},
    statement::Statement,
};

/// How long what a server said of itself is taken to be so.
const KEPT: Duration = Duration::from_secs(1);
/// The most bytes of what a server says of itself.
const MOST_SAID: (usize, usize) = (64, 1 << 20);
/// How a server says what it copies. MariaDB may copy several, and its first words are those of all;
/// the last are those of MySQL before 8.0.22.
const ASKED: [&str; 3] = [
    "SHOW ALL REPLICAS STATUS",
    "SHOW REPLICA STATUS",
    "SHOW SLAVE STATUS",
];
/// What a server may call the seconds that it is behind.
const BEHIND: [&str; 2] = ["Seconds_Behind_Master", "Seconds_Behind_Source"];
/// It copies another, and does not do so at this moment.
const STOPPED: &str = "see why replication does not run: `SHOW REPLICA STATUS`";
/// It may copy another, and the account may not see how far behind.
const HIDDEN: &str = "let the account see it: `GRANT REPLICA MONITOR ON *.* TO` it, with MySQL \
                      `REPLICATION CLIENT`";

/// What a server said of itself last.
#[derive(Default)]
pub(super) struct Replica(Mutex<Option<(Instant, Clock)>>);

impl Replica {
    /// Of when what the server shows is.
    pub(super) async fn clock(&self, link: &mut dyn Link) -> Result<Clock, Failure> {
        let kept = *self.0.lock().unwrap_or_else(|broke| broke.into_inner());
        if let Some((_, clock)) = kept.filter(|(since, _)| since.elapsed() < KEPT) {
            return Ok(clock);
        }
        let clock = clock(link).await?;
        let mut kept = self.0.lock().unwrap_or_else(|broke| broke.into_inner());
        *kept = Some((Instant::now(), clock));
        Ok(clock)
    }
}

async fn clock(link: &mut dyn Link) -> Result<Clock, Failure> {
    for words in ASKED {
        // What it does not know, or the account may not see, harms nothing of the transaction.
        let allowed = link.attempt(Statement::new(words)).await?;
        let Ok(rows) = allowed else { continue };
        if rows.is_empty() {
            return Ok(Clock::Live);
        }
        let said = link.table_up_to(Statement::new(words), MOST_SAID).await?;
        let place = |column: &String| BEHIND.contains(&column.as_str());
        let place = said.columns.iter().position(place);
        let behind = said.rows.iter().map(|row| {
            let cell = place.and_then(|place| row.get(place));
            match cell {
                Some(Cell::Integer(seconds)) => Some(*seconds),
                Some(Cell::Text(_) | Cell::Number(_)) => text_at(Some(row), place?).parse().ok(),
                _ => None,
            }
        });
        let behind: Option<Vec<i64>> = behind.collect();
        let Some(seconds) = behind.and_then(|all| all.into_iter().max()) else {
            return Ok(Clock::Unknown(STOPPED));
        };
        return ago(link, seconds).await;
    }
    Ok(match is_suspect(link).await? {
        true => Clock::Unknown(HIDDEN),
        false => Clock::Live,
    })
}

/// So many seconds before what the server takes for now.
async fn ago(link: &mut dyn Link, seconds: i64) -> Result<Clock, Failure> {
    let rows = Statement::new("SELECT DATE_FORMAT(TIMESTAMPADD(SECOND, -CAST(")
        .value(&Cell::Integer(seconds))
        .words(" AS SIGNED), UTC_TIMESTAMP(6)), '%Y-%m-%dT%H:%i:%s.%fZ')")
        .rows(link)
        .await?;
    let moment = text_at(rows.first(), 0).parse();
    Ok(moment.map_or(Clock::Unknown(STOPPED), Clock::Of))
}

/// Whether something that everybody may see says that the server copies, or once copied, another.
async fn is_suspect(link: &mut dyn Link) -> Result<bool, Failure> {
    let running = Statement::new("SHOW GLOBAL STATUS WHERE Variable_name = 'Slaves_running'");
    let running = link.attempt(running).await?.unwrap_or_default();
    if text_at(running.first(), 1)
        .parse()
        .is_ok_and(|many: u32| many > 0)
    {
        return Ok(true);
    }
    let copied = Statement::new("SELECT @@global.gtid_slave_pos <> '', @@global.read_only");
    let only = Statement::new("SELECT 0, @@global.read_only");
    let mut signs = link.attempt(copied).await?;
    if signs.is_err() {
        // MySQL knows no such position.
        signs = link.attempt(only).await?;
    }
    let signs = signs.unwrap_or_default();
    Ok((0..2).any(|place| integer_at(signs.first(), place) != 0))
}

/// How many seconds the zone of the connection is ahead of UTC at this moment: values of `TIMESTAMP` are
/// shown so.
pub(super) async fn ahead(link: &mut dyn Link) -> Result<i64, Failure> {
    let asked = "SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), CURRENT_TIMESTAMP())";
    let rows = Statement::new(asked).rows(link).await?;
    Ok(integer_at(rows.first(), 0))
}
