//! Calls counted: how much a gateway is used, by whom, and how calls end.
//!
//! Sums are kept by hour and by day ([`super::counting`]); records that are in no sum yet are few, and
//! are counted here. An intent is no call of its own: its outcome is.

use std::collections::BTreeMap;

use drawbridge_core::{log::plain, plan::Stage};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::{Any, AnyConnection, Row, any::AnyArguments, any::AnyRow, query::Query};

use super::{Store, StoreError, count, number, records::size};

/// The most sums of one question: 90 days of eight powers and fourteen statuses fit, and so do the
/// ways in which a thousand people use a connector, the most frequent first.
const MOST_SUMS: u32 = 20_000;
/// With so many records in no sum, counting is far behind.
const FAR_BEHIND: i64 = 20_000;
/// An hour in microseconds.
const HOUR: i64 = 3_600_000_000;
/// Hours of a day.
pub(super) const DAY: i64 = 24;

/// How long a stretch of time is that is counted as one, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stretch {
    /// An hour.
    Hour,
    /// A day.
    Day,
}

impl Stretch {
    /// How many hours it has.
    #[must_use]
    pub fn hours(self) -> i64 {
        match self {
            Self::Hour => 1,
            Self::Day => DAY,
        }
    }

    /// When the stretch begins that a time is in.
    #[must_use]
    pub fn begin(self, time: Timestamp) -> Timestamp {
        let begin = whole(time, self).saturating_mul(HOUR);
        Timestamp::from_microsecond(begin).unwrap_or(time)
    }
}

/// Which calls are counted.
#[derive(Debug, Clone)]
pub struct CountFilter {
    /// From the stretch on that this time is in.
    pub since: Timestamp,
    /// By what they are told apart.
    pub stretch: Stretch,
    /// Of which connector.
    pub connector: Option<String>,
    /// For whom.
    pub person: Option<String>,
}

/// Calls of one stretch of time that are alike, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedCalls {
    /// When the stretch begins.
    pub at: Timestamp,
    /// With which power.
    pub power: String,
    /// How they ended.
    pub status: String,
    /// How many.
    pub count: u64,
}

/// Calls that are alike, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Used {
    /// For whom.
    pub person: String,
    /// Through which client.
    pub client: String,
    /// With which power.
    pub power: String,
    /// How they ended.
    pub status: String,
    /// How many.
    pub count: u64,
}

/// What calls have in common that are counted as one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Alike {
    /// Hours since 1970.
    pub(super) hour: i64,
    pub(super) connector: String,
    pub(super) person: String,
    pub(super) client: String,
    pub(super) power: String,
    pub(super) status: String,
}

/// Which records are counted one by one.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    /// From this place on.
    pub(super) from: i64,
    /// Before this place.
    pub(super) to: Option<i64>,
    pub(super) connector: Option<String>,
    pub(super) person: Option<String>,
}

/// As much of a record as says whether it is an intent.
#[derive(Deserialize)]
struct Intent {
    plan: Option<Staged>,
}

#[derive(Deserialize)]
struct Staged {
    stage: Stage,
}

type Bound<'a> = Query<'a, Any, AnyArguments>;

impl Part {
    /// The conditions, and their values in order.
    fn conditions(&self) -> (String, Vec<String>) {
        let mut conditions = "place >= $1 AND place < $2 AND power <> ''".to_owned();
        let mut values = Vec::new();
        for (column, value) in [("connector", &self.connector), ("person", &self.person)] {
            if let Some(value) = value {
                values.push(plain::column(value));
                conditions.push_str(&format!(" AND {column} = ${}", values.len() + 2));
            }
        }
        (conditions, values)
    }

    fn bind<'a>(&self, statement: String, values: &[String]) -> Bound<'a> {
        let query = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(self.from)
            .bind(self.to.unwrap_or(i64::MAX));
        values
            .iter()
            .fold(query, |query, value| query.bind(value.clone()))
    }

    /// Counts these records from the log.
    pub(super) async fn count(
        &self,
        connection: &mut AnyConnection,
    ) -> Result<BTreeMap<Alike, u64>, StoreError> {
        let (conditions, values) = self.conditions();
        let statement = format!(
            "SELECT time / {HOUR} AS hour, connector, person, client, power, status, \
             COUNT(*) AS calls FROM records WHERE {conditions} AND status <> 'unknown' \
             GROUP BY 1, 2, 3, 4, 5, 6"
        );
        let mut counted = BTreeMap::new();
        let mut rows = self.bind(statement, &values).fetch(&mut *connection);
        while let Some(row) = rows.try_next().await? {
            counted.insert(Alike::read(&row)?, count(&row, "calls")?);
        }
        drop(rows);
        // Intents say `unknown`, too, until their outcome is on the log; only the records tell.
        let statement = format!(
            "SELECT time / {HOUR} AS hour, connector, person, client, power, status, body \
             FROM records WHERE {conditions} AND status = 'unknown'"
        );
        let mut rows = self.bind(statement, &values).fetch(connection);
        while let Some(row) = rows.try_next().await? {
            let body: Vec<u8> = row.try_get("body")?;
            let read: Result<Intent, _> = serde_json::from_slice(&body);
            let plan = read.ok().and_then(|intent| intent.plan);
            if plan.is_none_or(|plan| plan.stage != Stage::Applying) {
                *counted.entry(Alike::read(&row)?).or_default() += 1;
            }
        }
        Ok(counted)
    }
}

impl Alike {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            hour: row.try_get("hour")?,
            connector: row.try_get("connector")?,
            person: row.try_get("person")?,
            client: row.try_get("client")?,
            power: row.try_get("power")?,
            status: row.try_get("status")?,
        })
    }
}

impl CountFilter {
    /// Hours since 1970 at which the counting begins.
    fn begin(&self) -> i64 {
        whole(self.since, self.stretch)
    }

    /// The statement over sums, where they are kept so: not by person and hour.
    fn sums(&self) -> Option<(String, Vec<String>)> {
        let by_day = |conditions: &str| {
            format!(
                "SELECT day * {DAY} AS begin, power, status, CAST(SUM(calls) AS BIGINT) AS calls \
                 FROM calls_by_day WHERE {conditions} GROUP BY 1, 2, 3 LIMIT {MOST_SUMS}"
            )
        };
        let connector = self.connector.as_deref().map(plain::column);
        let person = self.person.as_deref().map(plain::column);
        let hours = self.stretch.hours();
        match (person, connector, self.stretch) {
            (Some(_), _, Stretch::Hour) => None,
            (Some(person), Some(connector), Stretch::Day) => Some((
                by_day("day >= $1 / 24 AND connector = $2 AND person = $3"),
                vec![connector, person],
            )),
            (Some(person), None, Stretch::Day) => {
                Some((by_day("day >= $1 / 24 AND person = $2"), vec![person]))
            }
            (None, connector, _) => Some((
                format!(
                    "SELECT hour / {hours} * {hours} AS begin, power, status, \
                     CAST(SUM(calls) AS BIGINT) AS calls FROM calls_by_hour \
                     WHERE hour >= $1 AND connector = $2 GROUP BY 1, 2, 3 LIMIT {MOST_SUMS}"
                ),
                vec![connector.unwrap_or_default()],
            )),
        }
    }
}

/// The hour since 1970 at which the stretch begins that a time is in.
fn whole(time: Timestamp, stretch: Stretch) -> i64 {
    let hours = stretch.hours();
    time.as_microsecond().div_euclid(HOUR * hours) * hours
}

impl Store {
    /// Calls by time, power and status, the oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn calls_by_time(
        &self,
        filter: &CountFilter,
    ) -> Result<Vec<CountedCalls>, StoreError> {
        let begin = filter.begin();
        let mut reading = self.reading().await?;
        let connection = reading.connection();
        let mut sums: BTreeMap<(i64, String, String), u64> = BTreeMap::new();
        let from = match filter.sums() {
            Some((statement, values)) => {
                let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(begin);
                let query = values.into_iter().fold(query, Query::bind);
                for row in query.fetch_all(&mut *connection).await? {
                    let at = row.try_get("begin")?;
                    let alike = (at, row.try_get("power")?, row.try_get("status")?);
                    sums.insert(alike, count(&row, "calls")?);
                }
                uncounted(connection, begin).await?
            }
            None => first_since(connection, begin).await?,
        };
        let part = Part {
            from,
            to: None,
            connector: filter.connector.clone(),
            person: filter.person.clone(),
        };
        let hours = filter.stretch.hours();
        for (alike, calls) in part.count(connection).await? {
            let at = alike.hour.div_euclid(hours) * hours;
            if at >= begin {
                *sums.entry((at, alike.power, alike.status)).or_default() += calls;
            }
        }
        let counted = sums.into_iter().map(|((at, power, status), count)| {
            let at = super::moment(at.saturating_mul(HOUR))?;
            Ok(CountedCalls {
                at,
                power,
                status,
                count,
            })
        });
        counted.collect()
    }

    /// Calls of a connector by person, client, power and status, the most frequent first: everyone's or
    /// one person's, from the day on, in UTC, that a time is in.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn used(
        &self,
        connector: &str,
        person: Option<&str>,
        since: Timestamp,
    ) -> Result<Vec<Used>, StoreError> {
        let begin = whole(since, Stretch::Day);
        let mut reading = self.reading().await?;
        let connection = reading.connection();
        let narrower = person.map_or("", |_| " AND person = $3");
        let statement = format!(
            "SELECT person, client, power, status, CAST(SUM(calls) AS BIGINT) AS calls \
             FROM calls_by_day WHERE connector = $1 AND day >= $2{narrower} \
             GROUP BY person, client, power, status ORDER BY 5 DESC LIMIT {MOST_SUMS}"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(plain::column(connector))
            .bind(begin / DAY);
        let named = person.into_iter().map(plain::column);
        let query = named.fold(query, Query::bind);
        let rows = query.fetch_all(&mut *connection).await?;
        let mut sums: BTreeMap<[String; 4], u64> = BTreeMap::new();
        for row in rows {
            let alike = ["person", "client", "power", "status"].map(|name| row.try_get(name));
            let [person, client, power, status] = alike;
            sums.insert([person?, client?, power?, status?], count(&row, "calls")?);
        }
        let part = Part {
            from: uncounted(connection, begin).await?,
            to: None,
            connector: Some(connector.to_owned()),
            person: person.map(str::to_owned),
        };
        for (alike, calls) in part.count(connection).await? {
            if alike.hour >= begin {
                let alike = [alike.person, alike.client, alike.power, alike.status];
                *sums.entry(alike).or_default() += calls;
            }
        }
        let used = sums.into_iter();
        let used = used.map(|([person, client, power, status], count)| Used {
            person,
            client,
            power,
            status,
            count,
        });
        let mut used: Vec<Used> = used.collect();
        used.sort_by_key(|one| std::cmp::Reverse(one.count));
        Ok(used)
    }
}

/// From which place on records of this hour since 1970 or later are in no sum. Where counting is far
/// behind, as after an upgrade, those of before are not read for it; else they are few, and to look up
/// where the hour begins would cost more.
async fn uncounted(connection: &mut AnyConnection, hour: i64) -> Result<i64, StoreError> {
    let counted = counted_to(connection).await?;
    if number(size(&mut *connection).await?)? - counted <= FAR_BEHIND {
        return Ok(counted);
    }
    Ok(counted.max(first_since(connection, hour).await?))
}

/// Up to which place records are in the sums.
pub(super) async fn counted_to(connection: &mut AnyConnection) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT place FROM counted WHERE id = 1")
        .fetch_one(connection)
        .await?;
    number(count(&row, "place")?)
}

/// The place of the first record of this hour since 1970, or later.
async fn first_since(connection: &mut AnyConnection, hour: i64) -> Result<i64, StoreError> {
    // `+` keeps SQLite from walking along the places for it.
    let row = sqlx::query("SELECT MIN(+place) AS first FROM records WHERE time >= $1")
        .bind(hour.saturating_mul(HOUR))
        .fetch_one(connection)
        .await?;
    let first: Option<i64> = row.try_get("first")?;
    Ok(first.unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Place;

    /// How SQLite would do it.
    async fn plan(store: &Store, statement: &str, binds: usize) -> String {
        let explain = format!("EXPLAIN QUERY PLAN {statement}");
        let query = sqlx::query(sqlx::AssertSqlSafe(explain));
        let query = (0..binds).fold(query, |query, _| query.bind("1"));
        let rows = query.fetch_all(&store.inner.pool).await.unwrap();
        let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        steps.join("; ")
    }

    #[tokio::test]
    async fn sums_and_records_are_found_by_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::Sqlite(folder.path().join("drawbridge.db"));
        let store = Store::open(&place).await.unwrap();
        let name = |known: bool| known.then(|| "ann".to_owned());
        for (connector, person) in [(false, false), (true, false), (false, true), (true, true)] {
            let (connector, person) = (name(connector), name(person));
            let part = Part {
                connector: connector.clone(),
                person: person.clone(),
                ..Part::default()
            };
            let (conditions, values) = part.conditions();
            for status in ["<>", "="] {
                let statement = format!(
                    "SELECT time / 3600000000, connector, person, client, power, status, COUNT(*) \
                     FROM records WHERE {conditions} AND status {status} 'unknown' \
                     GROUP BY 1, 2, 3, 4, 5, 6"
                );
                let plan = plan(&store, &statement, values.len() + 2).await;
                let (by_place, from) = (plan.contains("place>"), plan.contains("SEARCH records"));
                assert!(by_place && from, "{plan} for {part:?}");
            }
            for stretch in [Stretch::Hour, Stretch::Day] {
                let filter = CountFilter {
                    since: Timestamp::UNIX_EPOCH,
                    stretch,
                    connector: connector.clone(),
                    person: person.clone(),
                };
                let Some((statement, values)) = filter.sums() else {
                    assert!(person.is_some() && stretch == Stretch::Hour);
                    continue;
                };
                let plan = plan(&store, &statement, values.len() + 1).await;
                assert!(plan.contains("SEARCH calls_by_"), "{plan} for {filter:?}");
            }
        }
        store.close().await;
    }
}
