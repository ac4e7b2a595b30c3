//! The audit log's writer: the records of many calls in one sync.
//!
//! Batches form while the last one is being made durable; nothing waits for a clock.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use drawbridge_core::log::{
    Entry, Journal, LogDown, Row as LogRow,
    checkpoint::Signer,
    merkle::{self, Frontier},
};
use sqlx::{AnyConnection, Row};
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use super::{Store, StoreError, count};

/// Records that wait for the writer; more than that wait to wait.
const QUEUE: usize = 4_096;
/// The most records of one batch.
const BATCH: usize = 512;
/// Rows of one INSERT, the largest first: each size is a statement the engine prepares once.
const ROWS: [usize; 4] = [64, 16, 4, 1];
/// Columns of a record.
const COLUMNS: usize = 11;

type Waiting = (Entry, oneshot::Sender<Result<u64, LogDown>>);

/// Appends records, durably and in order.
pub struct Writer {
    queue: mpsc::Sender<Waiting>,
}

#[async_trait]
impl Journal for Writer {
    async fn append(&self, entry: Entry) -> Result<u64, LogDown> {
        let (answer, answered) = oneshot::channel();
        self.queue
            .send((entry, answer))
            .await
            .map_err(|_| LogDown::because("the log is closed"))?;
        answered.await.map_err(LogDown::because)?
    }
}

impl Store {
    /// Starts the log's writer. `witness` is a file that always holds the newest checkpoint, apart
    /// from the store: it shows when the store's end is cut off.
    #[must_use]
    pub fn journal(&self, signer: Signer, witness: PathBuf) -> Arc<Writer> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let store = self.clone();
        self.inner
            .tasks
            .spawn(async move { store.write(waiting, &signer, &witness).await });
        Arc::new(Writer { queue })
    }

    async fn write(&self, mut queue: mpsc::Receiver<Waiting>, signer: &Signer, witness: &Path) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let taken = tokio::select! {
                taken = queue.recv_many(&mut batch, BATCH) => taken,
                () = self.inner.stop.cancelled() => {
                    // What was sent before the stop is still written.
                    queue.close();
                    queue.recv_many(&mut batch, BATCH).await
                }
            };
            if taken == 0 {
                return;
            }
            let (entries, answers): (Vec<Entry>, Vec<_>) = batch.drain(..).unzip();
            match self.commit(&entries, signer).await {
                Ok((first, note)) => {
                    for (place, answer) in (first..).zip(answers) {
                        // A caller that is gone needs no answer; its record stands.
                        let _ = answer.send(Ok(place));
                    }
                    if let Err(cause) = crate::keys::replace(witness, note.as_bytes()) {
                        error!("cannot write the newest checkpoint beside the store: {cause}");
                    }
                }
                Err(cause) => {
                    error!(cause = ?cause, "the audit log cannot be written; calls are refused");
                    for answer in answers {
                        let _ = answer.send(Err(LogDown::because(cause.to_string())));
                    }
                }
            }
        }
    }

    /// Writes a batch with its checkpoint in one transaction; the place of its first record.
    async fn commit(
        &self,
        entries: &[Entry],
        signer: &Signer,
    ) -> Result<(u64, String), StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        let mut frontier = head(&mut transaction).await?;
        let first = frontier.size();
        let mut rows = Vec::with_capacity(entries.len());
        for entry in entries {
            let leaf = merkle::leaf(&entry.body);
            rows.push((frontier.size(), leaf, entry));
            frontier.push(leaf);
        }
        let mut rest = rows.as_slice();
        for size in ROWS {
            while let Some((chunk, after)) = rest.split_at_checked(size) {
                insert(&mut transaction, chunk).await?;
                rest = after;
            }
        }
        let note = signer.sign(frontier.size(), frontier.root());
        sqlx::query("INSERT INTO checkpoints (size, note) VALUES ($1, $2)")
            .bind(number(frontier.size())?)
            .bind(&note)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("UPDATE log_head SET size = $1, frontier = $2 WHERE id = 1")
            .bind(number(frontier.size())?)
            .bind(frontier.to_bytes())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok((first, note))
    }
}

/// Reads the head and keeps other writers out until this transaction ends: an update locks the row
/// on PostgreSQL and the whole file on SQLite.
async fn head(transaction: &mut AnyConnection) -> Result<Frontier, StoreError> {
    sqlx::query(
        "INSERT INTO log_head (id, size, frontier) VALUES (1, 0, $1) \
         ON CONFLICT (id) DO UPDATE SET id = log_head.id",
    )
    .bind(Vec::<u8>::new())
    .execute(&mut *transaction)
    .await?;
    let row = sqlx::query("SELECT size, frontier FROM log_head WHERE id = 1")
        .fetch_one(&mut *transaction)
        .await?;
    let bytes: Vec<u8> = row.try_get("frontier")?;
    Frontier::from_bytes(count(&row, "size")?, &bytes)
        .ok_or_else(|| StoreError::Corrupt("the log's head".to_owned()))
}

async fn insert(
    transaction: &mut AnyConnection,
    rows: &[(u64, merkle::Hash, &Entry)],
) -> Result<(), StoreError> {
    let values: Vec<String> = (0..rows.len())
        .map(|row| {
            let marks: Vec<String> = (1..=COLUMNS)
                .map(|column| format!("${}", row * COLUMNS + column))
                .collect();
            format!("({})", marks.join(", "))
        })
        .collect();
    let statement = format!(
        "INSERT INTO records (place, id, time, person, client, connector, action, power, status, \
         body, leaf) VALUES {}",
        values.join(", ")
    );
    let mut query = sqlx::query(sqlx::AssertSqlSafe(statement));
    for (place, leaf, entry) in rows {
        query = query.bind(number(*place)?);
        for (name, value) in LogRow::columns(&entry.record) {
            query = match name {
                "time" => query.bind(entry.record.time.as_microsecond()),
                _ => query.bind(value),
            };
        }
        query = query.bind(entry.body.clone()).bind(leaf.to_vec());
    }
    query.execute(transaction).await?;
    Ok(())
}

fn number(place: u64) -> Result<i64, StoreError> {
    i64::try_from(place).map_err(|_| StoreError::Corrupt(format!("the place {place}")))
}
