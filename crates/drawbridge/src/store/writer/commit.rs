//! One batch in one transaction: compared with what was last seen, appended, signed, made durable.

use std::time::Duration;

use drawbridge_core::log::{
    Appended, Entry,
    checkpoint::Signer,
    merkle::{self, Frontier},
};
use metrics::counter;
use sqlx::{AnyConnection, Connection, Row};
use tokio::{sync::watch, time::timeout};
use tracing::info;

use super::{insert::insert, steps};
use crate::store::{
    Store, StoreError, count, number,
    reading::{extend, newest_checkpoint},
    witness::{Newest, Seen, Witness},
};

/// How long one batch may take.
const COMMIT: Duration = Duration::from_secs(20);

/// Where each record of a batch stands, or why it is not there.
type Written = Vec<Result<Appended, String>>;

/// The log as this gateway knows it.
pub(super) struct Log {
    store: Store,
    signer: Signer,
    witness: Witness,
    /// What the witness is to keep.
    newest: watch::Sender<Option<Newest>>,
    /// What this gateway has seen of the log; none until the witness was read.
    seen: Option<Seen>,
}

impl Log {
    /// The log, and what tells the witness of it.
    pub(super) fn new(
        store: Store,
        signer: Signer,
        (witness, newest): (Witness, watch::Sender<Option<Newest>>),
    ) -> Self {
        Self {
            store,
            signer,
            newest,
            witness,
            seen: None,
        }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Whether something could be appended: the store takes writes, and is the log last seen.
    pub(super) async fn probe(&mut self) -> Result<(), StoreError> {
        self.commit(&[]).await.map(|_| ())
    }

    /// Makes a batch durable with its checkpoint; where each record stands, or why its steps could
    /// not be taken and it is not there.
    pub(super) async fn commit(&mut self, entries: &[&Entry]) -> Result<Written, StoreError> {
        let seen = self.seen()?;
        if let Some(file) = &self.store.inner.file {
            file.in_place()?;
        }
        let mut connection = self.store.inner.writer.acquire().await?;
        let appended = timeout(COMMIT, self.append(&mut connection, &seen, entries)).await;
        let appended = appended.unwrap_or(Err(StoreError::Slow(COMMIT)));
        let (written, frontier, note) = match appended {
            Ok(appended) => appended,
            Err(error) => {
                // A full disk can end SQLite's transaction behind the driver's back, and a batch
                // that took too long still runs: this connection is of no use to anyone.
                connection.close_on_drop();
                return Err(error);
            }
        };
        drop(connection);
        if let Some(note) = note {
            let frontier = frontier.clone();
            self.newest.send_replace(Some(Newest { note, frontier }));
        }
        self.seen = Some(Seen::Whole(frontier));
        Ok(written)
    }

    /// What this gateway has seen of the log, from the witness at first.
    fn seen(&mut self) -> Result<Seen, StoreError> {
        if let Some(seen) = &self.seen {
            return Ok(seen.clone());
        }
        let seen = self.witness.load(&self.signer.public()).map_err(|cause| {
            let file = self.witness.path().display();
            StoreError::Changed(format!(
                "the checkpoint beside the store, `{file}`, cannot be used: {cause}. It must be \
                 readable and signed by this gateway's key; restore both from one backup"
            ))
        })?;
        self.seen = Some(seen.clone());
        Ok(seen)
    }

    async fn append(
        &self,
        connection: &mut AnyConnection,
        seen: &Seen,
        entries: &[&Entry],
    ) -> Result<(Written, Frontier, Option<String>), StoreError> {
        let mut transaction = connection.begin().await?;
        let head = lock_head(&mut transaction).await?;
        self.whole(&head)?;
        let (mut frontier, version) = (head.frontier, head.version);
        self.compare(&mut transaction, seen, &frontier).await?;
        let place = frontier.size();
        let mut rows = Vec::with_capacity(entries.len());
        let mut written = Vec::with_capacity(entries.len());
        for entry in entries {
            if let Err(why) = steps::take(&mut transaction, &entry.steps).await? {
                written.push(Err(why));
                continue;
            }
            let (place, leaf) = (frontier.size(), merkle::leaf(&entry.body));
            rows.push((place, leaf, *entry));
            written.push(Ok(Appended { place, version }));
            frontier.push(leaf);
        }
        if rows.is_empty() {
            transaction.commit().await?;
            return Ok((written, frontier, None));
        }
        insert(&mut transaction, &rows).await?;
        let note = self.signer.sign(frontier.size(), frontier.root(), place);
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
        counter!("drawbridge_log_records_total").increment(frontier.size() - place);
        Ok((written, frontier, Some(note)))
    }

    /// Whether the store holds the log that was last seen, or one that other gateways appended to.
    async fn compare(
        &self,
        transaction: &mut AnyConnection,
        seen: &Seen,
        head: &Frontier,
    ) -> Result<(), StoreError> {
        let mut known = match seen {
            Seen::Whole(known) if known == head => return Ok(()),
            Seen::Whole(known) => known.clone(),
            Seen::Nothing => {
                self.signed(transaction, head).await?;
                info!(
                    records = head.size(),
                    "no checkpoint is beside the store; this log is taken up"
                );
                return Ok(());
            }
            Seen::Checkpoint(checkpoint) => {
                if checkpoint.size > head.size() {
                    return Err(self.behind(checkpoint.size, head.size()));
                }
                let mut known = Frontier::default();
                extend(transaction, &mut known, 0..checkpoint.size).await?;
                if known.root() != checkpoint.root {
                    return Err(self.different(checkpoint.size));
                }
                known
            }
        };
        let size = known.size();
        if size > head.size() {
            return Err(self.behind(size, head.size()));
        }
        extend(transaction, &mut known, size..head.size()).await?;
        if known != *head {
            return Err(self.different(size));
        }
        self.signed(transaction, head).await
    }

    /// Whether the head is where records and checkpoints end: nothing was cut off, and nothing put
    /// behind it.
    fn whole(&self, head: &Head) -> Result<(), StoreError> {
        let end = head.last.map_or(0, |last| last.saturating_add(1));
        let size = number(head.frontier.size())?;
        if (end, head.signed.unwrap_or(0)) == (size, size) {
            return Ok(());
        }
        Err(self.mend("the store's records or checkpoints do not end where its head says"))
    }

    /// Whether a gateway with this key signed for all that is there: what it did not sign must not
    /// be signed by appending to it.
    async fn signed(
        &self,
        transaction: &mut AnyConnection,
        head: &Frontier,
    ) -> Result<(), StoreError> {
        let newest = newest_checkpoint(transaction).await?;
        let signed = match newest {
            None => head.size() == 0,
            Some((size, note)) => self.signer.public().open(&note).is_ok_and(|checkpoint| {
                (size, checkpoint.size, checkpoint.root) == (head.size(), head.size(), head.root())
            }),
        };
        if signed {
            return Ok(());
        }
        Err(self.mend("the store's newest records are not signed by this gateway's key"))
    }

    fn behind(&self, seen: u64, found: u64) -> StoreError {
        self.mend(&format!(
            "the store holds {found} records, and {seen} were seen before: its end was cut off or \
             an older copy was put in its place"
        ))
    }

    fn different(&self, seen: u64) -> StoreError {
        self.mend(&format!(
            "the store's first {seen} records are not those that were seen before: records were \
             changed or another log was put in its place"
        ))
    }

    fn mend(&self, what: &str) -> StoreError {
        let file = self.witness.path().display();
        StoreError::Changed(format!(
            "{what} (see `drawbridge log verify`). Put the newest whole copy of the store back; \
             the gateway then goes on by itself. Where none is left, stop the gateway, keep \
             `{file}` as evidence, and run `drawbridge log accept --reason …`"
        ))
    }
}

/// What the store says of the log.
struct Head {
    frontier: Frontier,
    /// The version of what is in force.
    version: u64,
    /// The place of the last record.
    last: Option<i64>,
    /// The size of the newest checkpoint.
    signed: Option<i64>,
}

/// Reads the head, and keeps other writers out until this transaction ends: an update locks the row
/// on PostgreSQL and the whole file on SQLite. What is read after that is not changed by others.
async fn lock_head(transaction: &mut AnyConnection) -> Result<Head, StoreError> {
    keep_others_out(transaction).await?;
    let row = sqlx::query(
        "SELECT size, frontier, (SELECT version FROM changes WHERE id = 1) AS version, \
         (SELECT MAX(place) FROM records) AS last, \
         (SELECT MAX(size) FROM checkpoints) AS signed FROM log_head WHERE id = 1",
    )
    .fetch_one(&mut *transaction)
    .await?;
    let bytes: Vec<u8> = row.try_get("frontier")?;
    Ok(Head {
        frontier: Frontier::from_bytes(count(&row, "size")?, &bytes)
            .ok_or_else(|| StoreError::Corrupt("the log's head".to_owned()))?,
        version: count(&row, "version")?,
        last: row.try_get("last")?,
        signed: row.try_get("signed")?,
    })
}

/// Waits for other writers of the log, and keeps them out until this transaction ends.
pub(in crate::store) async fn keep_others_out(
    transaction: &mut AnyConnection,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO log_head (id, size, frontier) VALUES (1, 0, $1) \
         ON CONFLICT (id) DO UPDATE SET id = log_head.id",
    )
    .bind(Vec::<u8>::new())
    .execute(transaction)
    .await?;
    Ok(())
}
