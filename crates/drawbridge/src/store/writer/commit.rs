//! One batch in one transaction: compared with what was last seen, appended, signed, made durable.

use std::time::Duration;

use drawbridge_core::log::{
    Appended, Entry,
    checkpoint::Signer,
    merkle::{self, Frontier},
};
use metrics::counter;
use sqlx::{Any, AnyConnection, Connection, Executor, pool::PoolConnection};
use tokio::{sync::watch, time::timeout};
use tracing::info;

use super::{
    head::{self, Head},
    insert::insert,
    is_postgres, steps,
};
use crate::store::{
    Store, StoreError, number,
    reading::{extend, newest_checkpoint},
    witness::{Newest, Seen, Witness},
};

/// How long one batch may take.
const COMMIT: Duration = Duration::from_secs(20);

/// Where each record of a batch stands, or why it is not there.
type Written = Vec<Result<Appended, String>>;

/// A batch that was written.
struct Done {
    written: Written,
    /// Where the log ends by now.
    frontier: Frontier,
    /// What signs for it; none where nothing was appended.
    note: Option<String>,
}

/// A connection whose transaction may be open. A full disk can end SQLite's behind the driver's back,
/// and a batch that took too long still runs. So unless all went well, it is of no use to anyone.
struct InDoubt {
    connection: PoolConnection<Any>,
    open: bool,
}

impl Drop for InDoubt {
    fn drop(&mut self) {
        if self.open {
            self.connection.close_on_drop();
        }
    }
}

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
        let connection = self.store.inner.writer.acquire().await?;
        let mut doubt = InDoubt {
            connection,
            open: true,
        };
        let appended = timeout(COMMIT, self.append(&mut doubt.connection, &seen, entries)).await;
        let appended = appended.unwrap_or(Err(StoreError::Slow(COMMIT)))?;
        doubt.open = false;
        drop(doubt);
        let Done {
            written,
            frontier,
            note,
        } = appended;
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

    /// Appends in a transaction that begins and ends here. What fails leaves it open: it ends with
    /// its connection.
    async fn append(
        &self,
        connection: &mut AnyConnection,
        seen: &Seen,
        entries: &[&Entry],
    ) -> Result<Done, StoreError> {
        let done = if is_postgres(connection) {
            let mut transaction = connection.begin().await?;
            let head = head::lock(&mut transaction).await?;
            let done = self.write(&mut transaction, (head, seen), entries).await?;
            transaction.commit().await?;
            done
        } else {
            let head = head::begin(connection).await?;
            let done = self.write(connection, (head, seen), entries).await?;
            if done.note.is_none() {
                connection.execute("COMMIT").await?;
            }
            done
        };
        let appended = done.written.iter().filter(|written| written.is_ok());
        counter!("drawbridge_log_records_total").increment(appended.count() as u64);
        Ok(done)
    }

    /// Compares, takes the steps, and writes what is to be written. On SQLite the last of it ends
    /// the transaction, where there is anything.
    async fn write(
        &self,
        transaction: &mut AnyConnection,
        (head, seen): (Head, &Seen),
        entries: &[&Entry],
    ) -> Result<Done, StoreError> {
        self.whole(&head)?;
        let (mut frontier, version) = (head.frontier, head.version);
        self.compare(transaction, seen, &frontier).await?;
        let place = frontier.size();
        let mut rows = Vec::with_capacity(entries.len());
        let mut written = Vec::with_capacity(entries.len());
        for entry in entries {
            if let Err(why) = steps::take(transaction, &entry.steps).await? {
                written.push(Err(why));
                continue;
            }
            let (place, leaf) = (frontier.size(), merkle::leaf(&entry.body));
            rows.push((place, leaf, *entry));
            written.push(Ok(Appended { place, version }));
            frontier.push(leaf);
        }
        let mut note = None;
        if !rows.is_empty() {
            let signed = self.signer.sign(frontier.size(), frontier.root(), place);
            insert(transaction, &rows, (&frontier, &signed)).await?;
            note = Some(signed);
        }
        Ok(Done {
            written,
            frontier,
            note,
        })
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
