//! What people ask to have connected, and what became of it.

use drawbridge_core::call::Power;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::{Any, Connection, Executor, Row, any::AnyRow};

use super::{Store, StoreError, count, maybe_time, time, writer::keep_others_out};

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestState {
    /// Nobody has answered it.
    Open,
    /// Somebody connects it.
    Taken,
    /// It will not be connected.
    Declined,
}

impl RequestState {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Taken => "taken",
            Self::Declined => "declined",
        }
    }

    fn of_word(word: &str) -> Option<Self> {
        let all = [Self::Open, Self::Taken, Self::Declined];
        all.into_iter().find(|state| state.word() == word)
    }
}

/// Somebody's wish for a connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectorRequest {
    /// A UUIDv7 in lower case: that of the record by which it was asked.
    pub id: String,
    /// The work it is for.
    pub task: String,
    /// The system to be reached.
    pub system: String,
    /// What should be possible.
    pub powers: Vec<Power>,
    /// Which data of it.
    pub data: String,
    /// Why.
    pub why: String,
    /// Who asks.
    pub person: String,
    /// When.
    pub created: Timestamp,
    /// What became of it.
    pub state: RequestState,
    /// Who answered.
    pub answered_by: Option<String>,
    /// When.
    pub answered_at: Option<Timestamp>,
    /// Why so.
    pub reason: Option<String>,
}

/// An answer to a request.
#[derive(Debug, Clone)]
pub struct RequestAnswer {
    /// To which.
    pub id: String,
    /// What becomes of it.
    pub state: RequestState,
    /// Who answers.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why so.
    pub reason: String,
}

/// Which requests.
#[derive(Debug, Clone, Default)]
pub struct RequestFilter {
    /// Of this person.
    pub person: Option<String>,
    /// That this became of.
    pub state: Option<RequestState>,
    /// Only those behind this one.
    pub after: Option<ConnectorRequest>,
    /// At most so many.
    pub limit: u32,
}

impl ConnectorRequest {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let powers: String = row.try_get("powers")?;
        let outcome: Option<String> = row.try_get("outcome")?;
        let state = outcome.as_deref().unwrap_or(RequestState::Open.word());
        Ok(Self {
            id: row.try_get("id")?,
            task: row.try_get("task")?,
            system: row.try_get("system")?,
            powers: powers.split_whitespace().filter_map(power).collect(),
            data: row.try_get("data")?,
            why: row.try_get("why")?,
            person: row.try_get("person")?,
            created: time(row, "created")?,
            state: RequestState::of_word(state)
                .ok_or_else(|| StoreError::Corrupt(format!("an outcome `{state}`")))?,
            answered_by: row.try_get("answered_by")?,
            answered_at: maybe_time(row, "answered_at")?,
            reason: row.try_get("reason")?,
        })
    }

    /// Whether it stands behind another one in the list: open ones first, then the newest.
    fn closed(&self) -> i64 {
        i64::from(self.state != RequestState::Open)
    }
}

fn power(word: &str) -> Option<Power> {
    serde_json::from_value(word.into()).ok()
}

impl Store {
    /// Keeps a request, unless so many of its person's are open; whether it was kept.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn add_request(
        &self,
        request: &ConnectorRequest,
        most_open: u64,
    ) -> Result<bool, StoreError> {
        let powers: Vec<&str> = request.powers.iter().map(|power| power.word()).collect();
        let mut writer = self.inner.writer.acquire().await?;
        let mut transaction = writer.begin().await?;
        // Of those that come together, each counts the ones before it.
        keep_others_out(&mut transaction).await?;
        if open_requests(&mut *transaction, Some(&request.person)).await? >= most_open {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO requests (id, person, task, system, powers, data, why, created, closed) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)",
        )
        .bind(&request.id)
        .bind(&request.person)
        .bind(&request.task)
        .bind(&request.system)
        .bind(powers.join(" "))
        .bind(&request.data)
        .bind(&request.why)
        .bind(request.created.as_microsecond())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Answers a request that is open; whether it was.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn answer_request(&self, answer: &RequestAnswer) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE requests SET closed = 1, outcome = $2, answered_by = $3, answered_at = $4, \
             reason = $5 WHERE id = $1 AND closed = 0",
        )
        .bind(&answer.id)
        .bind(answer.state.word())
        .bind(&answer.by)
        .bind(answer.at.as_microsecond())
        .bind(&answer.reason)
        .execute(&self.inner.writer)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// One request.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn request(&self, id: &str) -> Result<Option<ConnectorRequest>, StoreError> {
        let row = sqlx::query("SELECT * FROM requests WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.inner.pool)
            .await?;
        row.as_ref().map(ConnectorRequest::read).transpose()
    }

    /// Requests, the open ones first, the newest of each first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn requests(
        &self,
        filter: &RequestFilter,
    ) -> Result<Vec<ConnectorRequest>, StoreError> {
        let mut texts: Vec<&str> = Vec::new();
        let mut conditions = Vec::new();
        if let Some(person) = &filter.person {
            texts.push(person);
            conditions.push(format!("person = ${}", texts.len()));
        }
        match filter.state {
            None => {}
            Some(RequestState::Open) => conditions.push("closed = 0".to_owned()),
            Some(state) => {
                conditions.push(format!("closed = 1 AND outcome = '{}'", state.word()));
            }
        }
        if let Some(after) = &filter.after {
            texts.push(&after.id);
            let (closed, id) = (after.closed(), texts.len());
            conditions.push(format!(
                "(closed > {closed} OR (closed = {closed} AND id < ${id}))"
            ));
        }
        let narrower = if conditions.is_empty() {
            String::new()
        } else {
            format!("WHERE {} ", conditions.join(" AND "))
        };
        let statement = format!(
            "SELECT * FROM requests {narrower}ORDER BY closed, id DESC LIMIT {}",
            filter.limit
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(statement));
        for text in texts {
            query = query.bind(text);
        }
        let rows = query.fetch_all(&self.inner.pool).await?;
        rows.iter().map(ConnectorRequest::read).collect()
    }

    /// How many requests are open: everyone's, or one person's.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open_requests(&self, person: Option<&str>) -> Result<u64, StoreError> {
        open_requests(&self.inner.pool, person).await
    }
}

async fn open_requests(
    of: impl Executor<'_, Database = Any>,
    person: Option<&str>,
) -> Result<u64, StoreError> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS open FROM requests WHERE closed = 0 AND ($1 = '' OR person = $1)",
    )
    .bind(person.unwrap_or_default())
    .fetch_one(of)
    .await?;
    count(&row, "open")
}
