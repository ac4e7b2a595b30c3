//! The audit log's writer: the records of many calls in one sync.
//!
//! Batches form while the last one is being made durable, and of calls that can be recorded at once; nothing
//! waits for a clock. What cannot be written is refused, and the writer tries again by itself until the store
//! takes it.

mod commit;
mod head;
mod insert;
mod steps;

use std::{collections::VecDeque, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use drawbridge_core::log::{Appended, Entry, Journal, LogDown, Unwritten, checkpoint::Signer};
use metrics::{counter, gauge, histogram};
use sqlx::{AnyConnection, Database as _, Postgres};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout},
};
use tracing::{error, info};

use super::{Store, StoreError, witness::Witness};
use commit::Log;
pub(super) use head::keep_others_out;
pub(super) use steps::turn;

/// Records that wait for the writer; more than that wait to wait.
const QUEUE: usize = 4_096;
/// The most records of one batch.
const BATCH: usize = 512;
/// The most bytes of one batch, unless a single record has more.
const BATCH_BYTES: usize = 16 << 20;
/// How often the calls that can go on are let to, before what is there by then is written.
const ROUNDS: usize = 4;
/// How long a call waits for its record to be durable.
const WAIT: Duration = Duration::from_secs(30);
/// How often a log that is down is tried again when nobody calls.
const TRY_AGAIN: Duration = Duration::from_millis(500);

struct Waiting {
    entry: Entry,
    answer: oneshot::Sender<Result<Appended, Unwritten>>,
}

/// Whether records can be made durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogState {
    /// The store was not compared with the checkpoint beside it yet.
    Opening,
    /// Records can be written.
    Ready,
    /// They cannot, so calls are refused: why, and what to do, for the operator.
    Down(Arc<str>),
}

/// Appends records, durably and in order.
pub struct Writer {
    queue: mpsc::Sender<Waiting>,
    state: watch::Receiver<LogState>,
}

impl Writer {
    /// Whether records can be made durable at this moment.
    #[must_use]
    pub fn state(&self) -> LogState {
        self.state.borrow().clone()
    }

    /// Waits until the writer has compared the store with the checkpoint beside it.
    pub async fn opened(&self) -> LogState {
        let mut state = self.state.clone();
        let opened = state.wait_for(|state| *state != LogState::Opening).await;
        let closed = || LogState::Down(Arc::from("the log is closed"));
        opened.map_or_else(|_| closed(), |state| state.clone())
    }

    async fn enqueue(&self, entry: Entry) -> Result<Appended, Unwritten> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { entry, answer };
        self.queue
            .send(waiting)
            .await
            .map_err(|_| LogDown::because("the log is closed"))?;
        answered.await.map_err(LogDown::because)?
    }
}

#[async_trait]
impl Journal for Writer {
    async fn append(&self, entry: Entry) -> Result<Appended, Unwritten> {
        let began = Instant::now();
        let appended = timeout(WAIT, self.enqueue(entry)).await;
        histogram!("drawbridge_log_wait_seconds").record(began.elapsed().as_secs_f64());
        appended.unwrap_or_else(|_| Err(LogDown::because(StoreError::Slow(WAIT)).into()))
    }
}

impl Store {
    /// Starts the log's writer. `witness` is a file that holds the newest checkpoint, apart
    /// from the store: nothing is appended to a store that is behind it or differs from it.
    #[must_use]
    pub fn journal(&self, signer: Signer, witness: PathBuf) -> Arc<Writer> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (state, known) = watch::channel(LogState::Opening);
        let (newest, told) = watch::channel(None);
        let witness = Witness::new(witness);
        let stop = self.inner.stop.clone();
        self.inner.tasks.spawn(witness.clone().keep(told, stop));
        let task = Task {
            log: Log::new(self.clone(), signer, (witness, newest)),
            waiting,
            state,
        };
        self.inner.tasks.spawn(task.run());
        Arc::new(Writer {
            queue,
            state: known,
        })
    }
}

/// The one task that writes.
struct Task {
    log: Log,
    waiting: mpsc::Receiver<Waiting>,
    state: watch::Sender<LogState>,
}

impl Task {
    async fn run(mut self) {
        let stop = self.log.store().inner.stop.clone();
        let opened = self.log.probe().await;
        self.tell(opened.err());
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let down = matches!(*self.state.borrow(), LogState::Down(_));
            let taken = tokio::select! {
                taken = self.waiting.recv_many(&mut batch, BATCH) => taken,
                () = stop.cancelled() => {
                    // What was sent before the stop is still written.
                    self.waiting.close();
                    self.waiting.recv_many(&mut batch, BATCH).await
                }
                () = tokio::time::sleep(TRY_AGAIN), if down => {
                    let probed = self.log.probe().await;
                    self.tell(probed.err());
                    continue;
                }
            };
            if taken == 0 {
                return;
            }
            self.gather(&mut batch).await;
            gauge!("drawbridge_log_waiting").set(length(self.waiting.len()));
            self.write(&mut batch, stop.is_cancelled()).await;
        }
    }

    /// Lets calls go on that can without waiting, as long as that brings more records: they come along in
    /// the same sync. Where nothing else is to be done, this ends at once.
    async fn gather(&mut self, batch: &mut Vec<Waiting>) {
        for _ in 0..ROUNDS {
            let before = batch.len();
            tokio::task::yield_now().await;
            while batch.len() < BATCH
                && let Ok(waiting) = self.waiting.try_recv()
            {
                batch.push(waiting);
            }
            if batch.len() == before || batch.len() >= BATCH {
                return;
            }
        }
    }

    /// Writes what waits. One record that the store does not take does not take others down: they
    /// are written without it.
    async fn write(&mut self, batch: &mut Vec<Waiting>, stopping: bool) {
        let mut parts = parts(batch);
        while let Some(mut part) = parts.pop_front() {
            let entries: Vec<&Entry> = part.iter().map(|waiting| &waiting.entry).collect();
            match self.log.commit(&entries).await {
                Ok(written) => {
                    for (written, waiting) in written.into_iter().zip(part) {
                        // A caller that is gone needs no answer; its record stands.
                        let _ = waiting.answer.send(written.map_err(Unwritten::Overtaken));
                    }
                    self.tell(None);
                }
                Err(cause) if is_about_a_record(&cause) && part.len() > 1 => {
                    let rest = part.split_off(part.len() / 2);
                    parts.push_front(rest);
                    parts.push_front(part);
                }
                Err(cause) => {
                    let told: Arc<str> = explain(&cause).into();
                    for waiting in part {
                        let down = LogDown::because(told.to_string());
                        let _ = waiting.answer.send(Err(down.into()));
                    }
                    if is_about_a_record(&cause) {
                        error!("a record is refused by the store: {told}");
                        continue;
                    }
                    self.tell(Some(cause));
                    if stopping {
                        // Nothing more is to come, and nobody waits for a store that is gone.
                        self.waiting.close();
                        while self.waiting.try_recv().is_ok() {}
                    }
                }
            }
        }
    }

    /// Tells a change of state, once.
    fn tell(&self, down: Option<StoreError>) {
        let state = down.map_or(LogState::Ready, |cause| {
            LogState::Down(explain(&cause).into())
        });
        gauge!("drawbridge_log_up").set(if state == LogState::Ready { 1.0 } else { 0.0 });
        let before = self.state.send_replace(state.clone());
        match (&state, before) {
            (LogState::Down(why), before) if before != state => {
                error!("the audit log cannot be written, so calls are refused: {why}");
            }
            (LogState::Ready, LogState::Down(_)) => info!("the audit log can be written again"),
            _ => {}
        }
    }
}

/// The batch in parts of bounded size.
fn parts(batch: &mut Vec<Waiting>) -> VecDeque<Vec<Waiting>> {
    let mut parts = VecDeque::new();
    let (mut part, mut bytes) = (Vec::new(), 0);
    for waiting in batch.drain(..) {
        let size = waiting.entry.body.len();
        if !part.is_empty() && bytes + size > BATCH_BYTES {
            parts.push_back(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += size;
        part.push(waiting);
    }
    parts.push_back(part);
    counter!("drawbridge_log_batches_total").increment(1);
    parts
}

/// Whether the store refused what is in a record, rather than failed.
fn is_about_a_record(error: &StoreError) -> bool {
    let StoreError::Failed(sqlx::Error::Database(error)) = error else {
        return matches!(error, StoreError::Failed(sqlx::Error::Encode(_)));
    };
    // PostgreSQL's classes of wrong data, broken constraints and exceeded limits; SQLite's codes for
    // a text or blob too big, a constraint and a type.
    let code = error.code().unwrap_or_default();
    let sqlite: Option<u32> = code.parse().ok().filter(|_| code.len() < 5);
    match sqlite {
        Some(code) => matches!(code & 0xff, 18..=20),
        None => ["22", "23", "54"]
            .iter()
            .any(|class| code.starts_with(class)),
    }
}

/// Whether this is a connection to PostgreSQL; else it is one to SQLite.
fn is_postgres(connection: &AnyConnection) -> bool {
    connection.backend_name() == Postgres::NAME
}

/// The error with its cause, for the operator.
fn explain(error: &StoreError) -> String {
    match error {
        StoreError::Failed(cause) => format!("{error}: {cause}"),
        _ => error.to_string(),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the length of a bounded queue is far below 2^52"
)]
fn length(waiting: usize) -> f64 {
    waiting as f64
}
