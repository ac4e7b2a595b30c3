//! Kept plans, read; and those that end with a token or a connector.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use drawbridge_core::plan::{Count, Counted, KeptPlan, Plans, PlansDown, Stage};
use jiff::Timestamp;
use sqlx::{AnyConnection, Row, any::AnyRow};

pub(super) use super::number;
use super::{Store, StoreError, count, writer};

/// Plans that are read at once.
const PAGE: u32 = 500;

/// Which plans.
#[derive(Debug, Clone, Default)]
pub struct PlanFilter {
    /// At one of these stages; at any where there are none.
    pub stages: Vec<Stage>,
    /// Of this connector.
    pub connector: Option<String>,
    /// With this action.
    pub action: Option<String>,
    /// Asked for by this person.
    pub person: Option<String>,
    /// Made before this time.
    pub before: Option<Timestamp>,
    /// At most so many.
    pub limit: u32,
}

/// Up to which plan those that are due were looked at; from the first on by default.
#[derive(Debug)]
pub struct Seen {
    due: i64,
    id: String,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            due: i64::MIN,
            id: String::new(),
        }
    }
}

/// A plan as the store keeps it.
pub(super) fn encode(plan: &KeptPlan) -> Result<String, StoreError> {
    serde_json::to_string(plan).map_err(|error| StoreError::Corrupt(error.to_string()))
}

pub(super) fn decode(row: &AnyRow) -> Result<KeptPlan, StoreError> {
    let body: String = row.try_get("body")?;
    serde_json::from_str(&body).map_err(|error| StoreError::Corrupt(format!("a plan: {error}")))
}

/// What can be read of some plans: one that cannot is no reason to let the others wait.
fn readable(rows: &[AnyRow]) -> Vec<KeptPlan> {
    let plans = rows.iter().map(decode);
    plans
        .filter_map(|plan| {
            plan.inspect_err(|cause| tracing::error!("left alone: {cause}"))
                .ok()
        })
        .collect()
}

/// The number in the column `counts`: as what a plan counts.
pub(super) fn number_of(counted: Counted) -> i64 {
    match counted {
        Counted::Effects => 1,
        Counted::Applied => 2,
        Counted::Drafts => 3,
    }
}

/// How many there are, on a connection that may hold others out.
pub(super) async fn count_plans(
    connection: &mut AnyConnection,
    count: &Count,
) -> Result<u64, StoreError> {
    let which = match count.counted {
        Counted::Effects => "counts = 1",
        Counted::Applied => "counts IN (1, 2) AND stage = 'applied'",
        Counted::Drafts => "counts = 3",
    };
    let mut statement = format!(
        "SELECT COUNT(*) AS counted FROM plans WHERE {which} AND connector = $1 AND created >= $2"
    );
    let narrows = [
        ("person", &count.person),
        ("client", &count.client),
        ("task", &count.task),
        ("action", &count.action),
        ("let_through", &count.let_through),
    ];
    let mut values = Vec::new();
    for (column, value) in narrows {
        if let Some(value) = value {
            values.push(value);
            statement.push_str(&format!(" AND {column} = ${}", values.len() + 2));
        }
    }
    let mut query = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(&count.connector)
        .bind(count.since.as_microsecond());
    for value in values {
        query = query.bind(value);
    }
    let row = query.fetch_one(connection).await?;
    super::count(&row, "counted")
}

#[async_trait]
impl Plans for Store {
    async fn plan(&self, id: &str) -> Result<Option<KeptPlan>, PlansDown> {
        self.kept_plan(id).await.map_err(down)
    }

    async fn same(&self, same: &str) -> Result<Option<KeptPlan>, PlansDown> {
        let found = async {
            let row = sqlx::query("SELECT body FROM plans WHERE same = $1 AND again = 1")
                .bind(same)
                .fetch_optional(&self.inner.pool)
                .await?;
            row.as_ref().map(decode).transpose()
        };
        found.await.map_err(down)
    }

    async fn count(&self, count: &Count) -> Result<u64, PlansDown> {
        let counted = async {
            let mut connection = self.inner.pool.acquire().await?;
            count_plans(&mut connection, count).await
        };
        counted.await.map_err(down)
    }
}

fn down(error: StoreError) -> PlansDown {
    PlansDown {
        source: Some(Box::new(error)),
    }
}

impl Store {
    /// The plan with this id.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn kept_plan(&self, id: &str) -> Result<Option<KeptPlan>, StoreError> {
        let row = sqlx::query("SELECT body FROM plans WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.inner.pool)
            .await?;
        row.as_ref().map(decode).transpose()
    }

    /// Plans whose ids begin so: at most two, to tell one from several.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn plans_like(&self, beginning: &str) -> Result<Vec<KeptPlan>, StoreError> {
        let end = format!("{beginning}g");
        let rows = sqlx::query("SELECT body FROM plans WHERE id >= $1 AND id < $2 LIMIT 2")
            .bind(beginning)
            .bind(end)
            .fetch_all(&self.inner.pool)
            .await?;
        rows.iter().map(decode).collect()
    }

    /// The plan that a record is about: that of the call it records.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn plan_of_record(&self, record: &str) -> Result<Option<KeptPlan>, StoreError> {
        let Some(stored) = self.record(record).await? else {
            return Ok(None);
        };
        match stored.record.plan {
            Some(planned) => self.kept_plan(&planned.id).await,
            None => Ok(None),
        }
    }

    /// Plans, the newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn kept_plans(&self, filter: &PlanFilter) -> Result<Vec<KeptPlan>, StoreError> {
        let rows = self.plan_rows("body", filter).await?;
        rows.iter().map(decode).collect()
    }

    /// The same plans by id and turn: whoever has read them sees whether they changed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn plan_turns(&self, filter: &PlanFilter) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = self.plan_rows("id, turn", filter).await?;
        rows.iter()
            .map(|row| Ok((row.try_get("id")?, row.try_get("turn")?)))
            .collect()
    }

    async fn plan_rows(
        &self,
        columns: &str,
        filter: &PlanFilter,
    ) -> Result<Vec<AnyRow>, StoreError> {
        let mut clauses = vec!["created < $1".to_owned()];
        let mut values: Vec<String> = Vec::new();
        let names = [
            ("connector", &filter.connector),
            ("action", &filter.action),
            ("person", &filter.person),
        ];
        for (column, value) in names {
            if let Some(value) = value {
                values.push(value.clone());
                clauses.push(format!("{column} = ${}", values.len() + 1));
            }
        }
        if !filter.stages.is_empty() {
            let words: Vec<String> = filter
                .stages
                .iter()
                .map(|stage| format!("'{}'", stage.word()))
                .collect();
            clauses.push(format!("stage IN ({})", words.join(", ")));
        }
        let statement = format!(
            "SELECT {columns} FROM plans WHERE {} ORDER BY created DESC, id LIMIT {}",
            clauses.join(" AND "),
            filter.limit.min(PAGE)
        );
        let before = filter.before.unwrap_or(Timestamp::MAX).as_microsecond();
        let mut query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(before);
        for value in values {
            query = query.bind(value);
        }
        Ok(query.fetch_all(&self.inner.pool).await?)
    }

    /// Plans about which something must be done by now, of connectors that are not stopped; those
    /// that wait the longest first, and those after `seen`, which goes on: so many that cannot be
    /// done at the moment do not keep others waiting.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn due_plans(
        &self,
        now: Timestamp,
        stopped: &[String],
        seen: &mut Seen,
    ) -> Result<Vec<KeptPlan>, StoreError> {
        let marks: Vec<String> = (0..stopped.len())
            .map(|at| format!("${}", at + 4))
            .collect();
        let others = if marks.is_empty() {
            String::new()
        } else {
            format!(" AND connector NOT IN ({})", marks.join(", "))
        };
        let statement = format!(
            "SELECT id, due, body FROM plans WHERE due <= $1 AND (due > $2 OR (due = $2 AND id > $3))\
             {others} ORDER BY due, id LIMIT {PAGE}"
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(now.as_microsecond())
            .bind(seen.due)
            .bind(&seen.id);
        for name in stopped {
            query = query.bind(name);
        }
        let rows = query.fetch_all(&self.inner.pool).await?;
        *seen = match rows.last() {
            Some(last) if rows.len() == PAGE as usize => Seen {
                due: last.try_get("due")?,
                id: last.try_get("id")?,
            },
            _ => Seen::default(),
        };
        Ok(readable(&rows))
    }

    /// Plans that some gateway is applying.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn applying_plans(&self) -> Result<Vec<KeptPlan>, StoreError> {
        let rows = sqlx::query(
            "SELECT body FROM plans WHERE stage = 'applying' ORDER BY created LIMIT 500",
        )
        .fetch_all(&self.inner.pool)
        .await?;
        Ok(readable(&rows))
    }

    /// How many plans wait for people at each connector.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn waiting_at(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let rows = sqlx::query(
            "SELECT connector, COUNT(*) AS waiting FROM plans WHERE stage = 'waiting' \
             GROUP BY connector",
        )
        .fetch_all(&self.inner.pool)
        .await?;
        rows.iter()
            .map(|row| Ok((row.try_get("connector")?, count(row, "waiting")?)))
            .collect()
    }

    /// How many plans wait for people.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn waiting_plans(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) AS waiting FROM plans WHERE stage = 'waiting'")
            .fetch_one(&self.inner.pool)
            .await?;
        count(&row, "waiting")
    }
}

/// Which plans end or go on together with something else.
pub(super) enum Whose<'a> {
    /// Those of a connector.
    Connector(&'a str),
    /// Those that were asked for with a token.
    Token(&'a str),
}

/// Ends what is not begun yet, in the transaction of what ends it.
pub(super) async fn cancel(
    transaction: &mut AnyConnection,
    whose: Whose<'_>,
    (by, reason): (&str, &str),
    now: Timestamp,
) -> Result<(), StoreError> {
    change(transaction, whose, |plan| {
        plan.ended(Stage::Cancelled, (Some(by), reason), now)
    })
    .await
}

/// Gives back the time that plans of a connector could not be decided in.
pub(super) async fn thaw(
    transaction: &mut AnyConnection,
    connector: &str,
    frozen: Duration,
) -> Result<(), StoreError> {
    let whose = Whose::Connector(connector);
    change(transaction, whose, |plan| plan.thawed(frozen)).await
}

async fn change(
    transaction: &mut AnyConnection,
    whose: Whose<'_>,
    changed: impl Fn(&KeptPlan) -> KeptPlan,
) -> Result<(), StoreError> {
    let (column, value) = match whose {
        Whose::Connector(name) => ("connector", name),
        Whose::Token(id) => ("token", id),
    };
    let statement =
        format!("SELECT body FROM plans WHERE {column} = $1 AND stage IN ('waiting', 'approved')");
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(value)
        .fetch_all(&mut *transaction)
        .await?;
    for row in &rows {
        let plan = decode(row)?;
        writer::turn(transaction, &changed(&plan)).await?;
    }
    Ok(())
}
