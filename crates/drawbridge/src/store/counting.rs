//! Keeps the sums of calls, and the roots of complete parts of the log, behind the log's writer.

use std::collections::BTreeMap;

use sqlx::{AnyConnection, Connection};

use super::{
    Store, StoreError,
    counted::{Alike, DAY, Part, counted_to},
    number,
    records::size,
};

/// Records that may be in no sum yet: fewer are counted when somebody looks, which costs little.
const LEAST: i64 = 2_000;
/// Records of one step, so that the log's writer never waits long for it.
const MOST: i64 = 5_000;
/// Rows of one statement. What is left over goes one by one, so that there are two texts to prepare.
const ROWS: usize = 50;

/// What a table keeps sums of, and under which names.
struct Sums {
    table: &'static str,
    numbers: &'static str,
    texts: &'static [&'static str],
}

const BY_HOUR: Sums = Sums {
    table: "calls_by_hour",
    numbers: "hour",
    texts: &["connector", "power", "status"],
};
const BY_DAY: Sums = Sums {
    table: "calls_by_day",
    numbers: "day",
    texts: &["connector", "person", "client", "power", "status"],
};

/// Rows of a table: time, texts, and how many calls.
type Rows = BTreeMap<(i64, Vec<String>), u64>;

impl Store {
    /// Counts some records that are in no sum yet; whether there may be more of them. Of several
    /// gateways on one store, each record is counted by one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn count_some(&self) -> Result<bool, StoreError> {
        let mut reading = self.reading().await?;
        let connection = reading.connection();
        let from = counted_to(connection).await?;
        let size = number(size(&mut *connection).await?)?;
        if size - from < LEAST {
            return Ok(false);
        }
        let to = size.min(from + MOST);
        let part = Part {
            from,
            to: Some(to),
            ..Part::default()
        };
        let counted = part.count(connection).await?;
        drop(reading);
        let (hours, days) = rows(counted);
        let mut writer = self.inner.writer.acquire().await?;
        let mut transaction = writer.begin().await?;
        // First, so that no other gateway adds the same.
        let moved = sqlx::query("UPDATE counted SET place = $1 WHERE id = 1 AND place = $2")
            .bind(to)
            .bind(from)
            .execute(&mut *transaction)
            .await?;
        if moved.rows_affected() == 0 {
            return Ok(true);
        }
        add(&mut transaction, &BY_HOUR, hours).await?;
        add(&mut transaction, &BY_DAY, days).await?;
        transaction.commit().await?;
        Ok(size - to >= LEAST)
    }
}

/// What is added to the sums by hour and to those by day.
fn rows(counted: BTreeMap<Alike, u64>) -> (Rows, Rows) {
    let (mut hours, mut days) = (Rows::new(), Rows::new());
    for (alike, calls) in counted {
        let Alike {
            hour,
            connector,
            person,
            client,
            power,
            status,
        } = alike;
        let all = vec![String::new(), power.clone(), status.clone()];
        *hours.entry((hour, all)).or_default() += calls;
        if !connector.is_empty() {
            let one = vec![connector.clone(), power.clone(), status.clone()];
            *hours.entry((hour, one)).or_default() += calls;
        }
        let by = vec![connector, person, client, power, status];
        *days.entry((hour.div_euclid(DAY), by)).or_default() += calls;
    }
    (hours, days)
}

async fn add(connection: &mut AnyConnection, sums: &Sums, rows: Rows) -> Result<(), StoreError> {
    let rows: Vec<((i64, Vec<String>), u64)> = rows.into_iter().collect();
    let whole = rows.chunks_exact(ROWS);
    let single = whole.remainder().chunks(1);
    for chunk in whole.chain(single) {
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sums.statement(chunk.len())));
        for ((time, texts), calls) in chunk {
            query = query.bind(*time);
            for text in texts {
                query = query.bind(text);
            }
            query = query.bind(number(*calls)?);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

impl Sums {
    /// Adds so many rows to the sums that are there.
    fn statement(&self, rows: usize) -> String {
        let (table, time, texts) = (self.table, self.numbers, self.texts.join(", "));
        let columns = self.texts.len() + 2;
        let row = |row: usize| {
            let marks = (1..=columns).map(|column| format!("${}", row * columns + column));
            format!("({})", marks.collect::<Vec<_>>().join(", "))
        };
        let values: Vec<String> = (0..rows).map(row).collect();
        format!(
            "INSERT INTO {table} ({time}, {texts}, calls) VALUES {} \
             ON CONFLICT ({time}, {texts}) DO UPDATE SET calls = {table}.calls + excluded.calls",
            values.join(", ")
        )
    }
}
