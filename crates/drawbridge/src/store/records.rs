//! Reading the audit log back.

use drawbridge_core::log::{Record, plain};
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use memchr::memmem;
use serde::Serialize;
use sqlx::{
    Any, Executor, Row,
    any::{AnyArguments, AnyRow},
    query::Query,
};

use super::{Store, StoreError, count};

/// Which records; what is not said does not matter.
#[derive(Debug, Clone, Default)]
pub struct RecordFilter {
    /// For whom.
    pub person: Option<String>,
    /// Through which client.
    pub client: Option<String>,
    /// Of which connector.
    pub connector: Option<String>,
    /// Which action.
    pub action: Option<String>,
    /// With which power.
    pub power: Option<String>,
    /// How it ended.
    pub status: Option<String>,
    /// Only calls: they have a power, and acts on the gateway itself have none.
    pub calls: bool,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
    /// Only after this place.
    pub after: Option<u64>,
    /// Only before this place.
    pub before: Option<u64>,
    /// The oldest first, instead of the newest.
    pub oldest_first: bool,
    /// At most so many.
    pub limit: u32,
}

/// A value of a statement.
enum Bind {
    Text(String),
    Number(i64),
}

impl RecordFilter {
    /// The statement with only the conditions that are asked for, so that each can use its index.
    fn statement(&self) -> (String, Vec<Bind>) {
        let texts = [
            ("person", &self.person),
            ("client", &self.client),
            ("connector", &self.connector),
            ("action", &self.action),
            ("power", &self.power),
            ("status", &self.status),
        ];
        let texts = texts.into_iter().filter_map(|(column, value)| {
            let value = value.as_deref()?;
            Some((format!("{column} ="), Bind::Text(plain::column(value))))
        });
        let number = |place: u64| Bind::Number(i64::try_from(place).unwrap_or(i64::MAX));
        let time = |time: Timestamp| Bind::Number(time.as_microsecond());
        let numbers = [
            ("time >=", self.since.map(time)),
            ("time <=", self.until.map(time)),
            ("place >", self.after.map(number)),
            ("place <", self.before.map(number)),
        ];
        let numbers = numbers
            .into_iter()
            .filter_map(|(condition, value)| Some((condition.to_owned(), value?)));
        let mut conditions = Vec::new();
        let mut binds = Vec::new();
        for (condition, bind) in texts.chain(numbers) {
            binds.push(bind);
            conditions.push(format!("{condition} ${}", binds.len()));
        }
        if self.calls {
            conditions.push("power <> ''".to_owned());
        }
        conditions.extend(bounds(&conditions));
        let filter = if conditions.is_empty() {
            String::new()
        } else {
            format!("WHERE {} ", conditions.join(" AND "))
        };
        let order = if self.oldest_first { "ASC" } else { "DESC" };
        let statement = format!(
            "SELECT place, body FROM records {filter}ORDER BY place {order} LIMIT {}",
            self.limit
        );
        (statement, binds)
    }
}

/// How many records there are.
pub(super) async fn size(of: impl Executor<'_, Database = Any>) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT COALESCE(MAX(place), -1) + 1 AS size FROM records")
        .fetch_one(of)
        .await?;
    count(&row, "size")
}

/// The statement over the index of acts. What is compared with nothing added is kept from SQLite's
/// planner, which would take another index for it.
fn acts_on(actions: usize, limit: u32) -> String {
    let marks: Vec<String> = (2..actions + 2).map(|at| format!("${at}")).collect();
    format!(
        "SELECT place, body FROM records WHERE power = '' AND connector = $1 \
         AND (status || '') = 'ok' AND (action || '') IN ({}) ORDER BY place DESC LIMIT {limit}",
        marks.join(", ")
    )
}

fn bound<'a>(statement: String, binds: Vec<Bind>) -> Query<'a, Any, AnyArguments> {
    let query = sqlx::query(sqlx::AssertSqlSafe(statement));
    binds.into_iter().fold(query, |query, bind| match bind {
        Bind::Text(text) => query.bind(text),
        Bind::Number(number) => query.bind(number),
    })
}

/// Where the records of a time begin and end, by the index of times: a walk along the places then
/// starts where they are. `+` keeps SQLite from walking along the places for it.
fn bounds(conditions: &[String]) -> Vec<String> {
    let times: Vec<&str> = conditions
        .iter()
        .filter(|condition| condition.starts_with("time "))
        .map(String::as_str)
        .collect();
    if times.is_empty() {
        return Vec::new();
    }
    let within = times.join(" AND ");
    [("<=", "MAX"), (">=", "MIN")]
        .into_iter()
        .map(|(than, end)| {
            format!("place {than} (SELECT {end}(+place) FROM records WHERE {within})")
        })
        .collect()
}

/// A record and its place in the log.
#[derive(Debug, Clone, Serialize)]
pub struct StoredRecord {
    /// Its place, from 0.
    pub place: u64,
    /// The record.
    #[serde(flatten)]
    pub record: Record,
    /// The record as JSON: the bytes that were hashed, as long as `hashed` says so.
    #[serde(skip)]
    pub body: Vec<u8>,
    /// Whether this is all that was hashed: not once content was taken out of it.
    #[serde(skip)]
    pub hashed: bool,
}

/// A record that was not read yet: most of those that are looked through for a text need not be.
pub struct Unread {
    /// Its place, from 0.
    pub place: u64,
    body: Vec<u8>,
}

impl Unread {
    fn of(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            place: count(row, "place")?,
            body: row.try_get("body")?,
        })
    }

    /// Reads it.
    ///
    /// # Errors
    /// When it is no record.
    pub fn read(self) -> Result<StoredRecord, StoreError> {
        Ok(StoredRecord {
            place: self.place,
            record: serde_json::from_slice(&self.body)
                .map_err(|error| StoreError::Corrupt(format!("a record: {error}")))?,
            body: self.body,
            hashed: true,
        })
    }

    /// Whether one of its values can hold this text in lower case. `false` is certain. What JSON may
    /// write in another way, and letters whose lower case is another matter, are not looked for here.
    #[must_use]
    pub fn may_say(&self, needle: &str) -> bool {
        let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        if !self.body.is_ascii() || !needle.as_bytes().iter().all(plain) {
            return true;
        }
        let body = self.body.to_ascii_lowercase();
        memmem::find(&body, needle.as_bytes()).is_some()
    }
}

impl Store {
    /// Records that the filter lets through.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn records(&self, filter: &RecordFilter) -> Result<Vec<StoredRecord>, StoreError> {
        let (statement, binds) = filter.statement();
        let rows = bound(statement, binds).fetch_all(&self.inner.pool).await?;
        rows.iter().map(|row| Unread::of(row)?.read()).collect()
    }

    /// Records that the filter lets through, one by one.
    pub fn each_record<'a>(
        &'a self,
        filter: &RecordFilter,
    ) -> impl Stream<Item = Result<Unread, StoreError>> + Unpin + use<'a> {
        let (statement, binds) = filter.statement();
        let query = bound(statement, binds);
        let rows = query.fetch(&self.inner.pool);
        rows.map(|row| Unread::of(&row?))
    }

    /// What was done with a connector itself by these actions, the newest first. No call is among it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn acts_on(
        &self,
        connector: &str,
        actions: &[&str],
        limit: u32,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        let statement = acts_on(actions.len(), limit);
        let mut query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(plain::column(connector));
        for action in actions {
            query = query.bind(*action);
        }
        let rows = query.fetch_all(&self.inner.pool).await?;
        rows.iter().map(|row| Unread::of(row)?.read()).collect()
    }

    /// How many records there are at this moment.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn log_size(&self) -> Result<u64, StoreError> {
        size(&self.inner.pool).await
    }

    /// One record.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn record(&self, id: &str) -> Result<Option<StoredRecord>, StoreError> {
        let row = sqlx::query("SELECT place, body FROM records WHERE id = $1")
            .bind(plain::column(id))
            .fetch_optional(&self.inner.pool)
            .await?;
        row.map(|row| Unread::of(&row)?.read()).transpose()
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Row;

    use super::*;
    use crate::store::Place;

    /// How SQLite would find the records of a filter.
    async fn plan(store: &Store, filter: &RecordFilter) -> String {
        let (statement, binds) = filter.statement();
        let query = bound(format!("EXPLAIN QUERY PLAN {statement}"), binds);
        let rows = query.fetch_all(&store.inner.pool).await.unwrap();
        let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        steps.join("; ")
    }

    type Set = fn(&mut RecordFilter);

    /// The index that each filter walks along.
    const FILTERS: &[(&str, Set)] = &[
        ("sqlite_autoindex_records_1", |_| {}),
        ("records_by_person", |filter| filter.person = ann()),
        ("records_by_client", |filter| filter.client = ann()),
        ("records_by_connector", |filter| filter.connector = ann()),
        ("records_by_action", |filter| filter.action = ann()),
        ("records_by_status", |filter| filter.status = ann()),
        ("records_by_person", |filter| {
            filter.person = ann();
            filter.before = Some(9);
        }),
        ("sqlite_autoindex_records_1", |filter| filter.calls = true),
        ("records_by_connector", |filter| {
            filter.connector = ann();
            filter.calls = true;
        }),
        ("records_by_time", |filter| {
            filter.since = Some(Timestamp::UNIX_EPOCH);
            filter.until = Some(Timestamp::UNIX_EPOCH);
        }),
    ];

    fn ann() -> Option<String> {
        Some("ann".to_owned())
    }

    #[test]
    fn what_says_a_text_may_say_it() {
        let unread = |text: &str| Unread {
            place: 0,
            body: serde_json::json!({"reason": text}).to_string().into_bytes(),
        };
        for (text, needle, may) in [
            ("The Invoice", "invoice", true),
            ("The Invoice", "voices", false),
            ("a \"quoted\" word", "\"quoted\"", true),
            ("two\nlines", "two\nlines", true),
            ("a\\b", "a\\b", true),
            ("300 \u{212a}", "300 k", true),
            ("Straße", "straße", true),
        ] {
            assert_eq!(unread(text).may_say(needle), may, "{text} {needle}");
        }
    }

    #[tokio::test]
    async fn each_filter_walks_along_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::Sqlite(folder.path().join("drawbridge.db"));
        let store = Store::open(&place).await.unwrap();
        let mut filters = Vec::new();
        for (index, set) in FILTERS {
            let mut filter = RecordFilter {
                limit: 50,
                ..RecordFilter::default()
            };
            set(&mut filter);
            filters.push((*index, filter));
        }
        let acts = bound(
            format!("EXPLAIN QUERY PLAN {}", acts_on(2, 50)),
            vec![Bind::Text("crm".to_owned())],
        );
        let rows = acts.fetch_all(&store.inner.pool).await.unwrap();
        let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        let found = "records_of_acts (power=? AND connector=?)";
        assert!(steps.len() == 1 && steps[0].contains(found), "{steps:?}");
        for (index, filter) in filters {
            let plan = plan(&store, &filter).await;
            assert!(plan.contains(index), "{plan} for {filter:?}");
            let by_time = filter.since.is_some();
            assert!(
                by_time || !plan.contains("TEMP B-TREE"),
                "{plan} for {filter:?}"
            );
        }
        store.close().await;
    }
}
