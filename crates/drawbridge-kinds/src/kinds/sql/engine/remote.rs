//! An engine behind a network: a few connections, lent to one transaction at a time, whose end is
//! known even when whoever asked goes away.

mod identity;
mod session;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use drawbridge_core::answer::{Failure, Status};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    super::{
        base::READ_WITHIN,
        cell::Cell,
        dialect::Dialect,
        link::{Done, Link, Transaction},
        part::{Acting, Own, TableScope},
        query::Outcome,
        shape::{Column, Place, Shape, Unfit},
    },
    Engine, Rights,
};
pub(super) use identity::{Identity, Refusal};
use session::Session;

/// Transactions of one connector at a time.
const CONNECTIONS: usize = 6;
/// How long a call waits for one of them.
const ACQUIRE: Duration = Duration::from_secs(3);
/// How long one try to connect may take, with TLS and sign-in.
const CONNECT: Duration = Duration::from_secs(5);
/// How long connecting may take in all, with asking for the credential and trying its versions.
const CONNECT_IN_ALL: Duration = Duration::from_secs(12);
/// How long a connection that nobody uses stays open.
const IDLE: Duration = Duration::from_secs(60);
/// How long a connection is used at most: what an account may do counts from when it connects.
const AGE: Duration = Duration::from_secs(600);
/// How long a connection that was used is taken to be there.
const FRESH: Duration = Duration::from_secs(1);
/// How long one that was idle may take to say that it is there.
const ANSWERS: Duration = Duration::from_secs(2);
/// How long tidying up after a transaction may take: stopping what runs, and taking it back.
const TIDY: Duration = Duration::from_secs(5);
/// How long an effect may take before its commit. Afterwards it is taken back.
const WRITE_WITHIN: Duration = Duration::from_secs(20);
/// How long a commit may take before nobody knows what came of it.
const COMMIT_WITHIN: Duration = Duration::from_secs(30);

/// The limits of which the server itself is told too.
pub(super) mod limits {
    use std::time::Duration;

    /// One statement.
    pub(in super::super) const STATEMENT: Duration = super::READ_WITHIN;
    /// Waiting for a lock that others hold.
    pub(in super::super) const LOCK: Duration = Duration::from_secs(5);
    /// A connection that nobody uses; longer than it is kept here.
    pub(in super::super) const UNUSED: Duration = Duration::from_secs(90);
    /// A transaction whose client says nothing. More than an effect may take, so that whoever asks
    /// what came of it waits no longer than this.
    pub(in super::super) const SILENT: Duration = Duration::from_secs(22);
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// To read one moment of the database.
    Read,
    /// To do the effect with this key.
    Write(&'a str),
}

/// What an engine's driver does.
#[async_trait]
pub(super) trait Wire: Send + Sync + 'static {
    type Connection: Send + 'static;

    /// Opens a connection, makes its settings those on which the rest relies, and tells by what the
    /// server knows it.
    async fn connect(&self) -> Result<(Self::Connection, u64), Failure>;

    /// Stops what runs on the connection with this number.
    async fn stop(&self, number: u64) -> Result<(), Failure>;

    /// What its connections prove whose they are with.
    fn identity(&self) -> &Identity;

    async fn begin(
        &self,
        connection: &mut Self::Connection,
        purpose: Purpose<'_>,
    ) -> Result<(), sqlx::Error>;

    /// Makes what the transaction does from here on be done for a person; `false` when the account may
    /// not take their role.
    async fn act(
        &self,
        connection: &mut Self::Connection,
        acting: &Acting,
    ) -> Result<bool, sqlx::Error>;

    /// See [`Link::as_account`]; `false` where a role takes nothing of the account's own rights away.
    async fn step_aside(&self, _connection: &mut Self::Connection) -> Result<bool, sqlx::Error> {
        Ok(false)
    }

    /// Takes away what of `act` outlives the transaction, after its end.
    async fn forget(
        &self,
        _connection: &mut Self::Connection,
        _acting: &Acting,
    ) -> Result<(), sqlx::Error> {
        Ok(())
    }

    /// Whether an error says that whoever acts may not do this.
    fn forbids(&self, error: &sqlx::Error) -> bool;

    /// Runs words of this program.
    async fn execute(
        &self,
        connection: &mut Self::Connection,
        words: &'static str,
    ) -> Result<(), sqlx::Error>;

    async fn run(
        &self,
        connection: &mut Self::Connection,
        written: (String, Vec<Cell>),
    ) -> Result<Done, sqlx::Error>;

    /// Rows, until they have so many bytes.
    async fn rows(
        &self,
        connection: &mut Self::Connection,
        written: (String, Vec<Cell>),
        bytes: usize,
    ) -> Result<Vec<Vec<Cell>>, sqlx::Error>;

    /// Rows of the server's own catalogs; see [`Link::catalog`].
    async fn catalog(
        &self,
        connection: &mut Self::Connection,
        written: (String, Vec<Cell>),
    ) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
        self.rows(connection, written, usize::MAX).await
    }

    /// See [`Link::own_names_only`]. MariaDB takes a bare name for its own function first.
    async fn own_names_only(
        &self,
        _connection: &mut Self::Connection,
        _only: bool,
    ) -> Result<(), sqlx::Error> {
        Ok(())
    }

    /// What comes out of a question of a caller's own, until it has so many rows or bytes.
    async fn table(
        &self,
        connection: &mut Self::Connection,
        written: (String, Vec<Cell>),
        most: (usize, usize),
    ) -> Result<Outcome, sqlx::Error>;

    /// Rows of a statement that harms nothing else when it fails; none with the error then.
    async fn attempt(
        &self,
        connection: &mut Self::Connection,
        written: (String, Vec<Cell>),
    ) -> Result<Result<Vec<Vec<Cell>>, sqlx::Error>, sqlx::Error>;

    /// The failure that an error is.
    fn told(&self, error: sqlx::Error) -> Failure;

    /// Whether an error that answers a commit says that nothing was committed.
    fn refused(&self, error: &sqlx::Error) -> bool;

    /// Whether an error says that the server has ended the connection.
    fn ended(&self, error: &sqlx::Error) -> bool;

    fn dialect(&self) -> Dialect;

    /// What the rest of the kind asks of a connection; see [`Link`].
    async fn examine(
        &self,
        link: &mut dyn Link,
        table: &TableScope,
    ) -> Result<Result<Shape, Unfit>, Failure>;

    async fn typed(
        &self,
        link: &mut dyn Link,
        column: &Column,
        given: &Value,
    ) -> Result<Result<Cell, String>, Failure>;

    async fn changes(&self, link: &mut dyn Link) -> Result<i64, Failure>;

    async fn applied_table(&self, link: &mut dyn Link) -> Result<Option<Place>, Failure>;

    async fn make_applied_table(&self, link: &mut dyn Link) -> Result<Place, Failure>;

    async fn rights(&self, link: &mut dyn Link, own: &Own) -> Result<Rights, Failure>;
}

/// A connection, and by what the server knows it.
struct Held<C> {
    raw: C,
    number: u64,
    /// Whether somebody was acted for on it. Then the account itself does not use it again.
    acted: bool,
    /// Since when it is there.
    made: Instant,
    /// Since when nobody uses it.
    since: Instant,
}

/// A server, and the connections to it.
struct Server<W: Wire> {
    wire: W,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Held<W::Connection>>>,
    /// Owns what tidies up after transactions.
    tidying: TaskTracker,
    stop: CancellationToken,
}

/// An engine behind a network.
pub(super) struct Remote<W: Wire>(Arc<Server<W>>);

impl<W: Wire> Remote<W> {
    /// It is connected to when it is first asked.
    pub(super) fn new(wire: W) -> Self {
        Self(Arc::new(Server {
            wire,
            permits: Arc::new(Semaphore::new(CONNECTIONS)),
            idle: Mutex::default(),
            tidying: TaskTracker::new(),
            stop: CancellationToken::new(),
        }))
    }

    async fn begin(&self, purpose: Purpose<'_>, acting: &Acting) -> Result<Session<W>, Failure> {
        let server = &self.0;
        let mut permit = server.permit().await?;
        // One that was idle may be dead by now; then the next is tried, and at last a new one.
        while let Some(mut held) = server.take_idle(acting) {
            if !server.answers(&mut held).await {
                continue;
            }
            let mut session = Session::new(server.clone(), (held, permit), (purpose, acting));
            match session.begin(purpose).await {
                Err(failure) => match session.lost() {
                    Some(free) => permit = free,
                    None => return Err(failure),
                },
                Ok(()) => return Ok(session),
            }
        }
        let held = server.connect().await?;
        let mut session = Session::new(server.clone(), (held, permit), (purpose, acting));
        session.begin(purpose).await?;
        Ok(session)
    }
}

impl<W: Wire> Server<W> {
    async fn permit(&self) -> Result<OwnedSemaphorePermit, Failure> {
        if self.stop.is_cancelled() {
            return Err(stopped());
        }
        let waited = tokio::time::timeout(ACQUIRE, self.permits.clone().acquire_owned()).await;
        waited.ok().and_then(Result::ok).ok_or_else(|| {
            let told = "too many calls use the database at this moment; try again shortly";
            Failure::new(Status::Limited, told)
        })
    }

    async fn connect(&self) -> Result<Held<W::Connection>, Failure> {
        let connecting = tokio::time::timeout(CONNECT_IN_ALL, self.wire.connect());
        tokio::select! {
            () = self.stop.cancelled() => Err(stopped()),
            connected = connecting => match connected {
                Ok(Ok((raw, number))) => {
                    let made = Instant::now();
                    Ok(Held { raw, number, acted: false, made, since: made })
                }
                Ok(Err(failure)) => Err(failure),
                Err(_) => Err(self.wire.identity().unreachable()),
            },
        }
    }

    /// Whether a connection is still there. One that was just used is taken to be.
    async fn answers(&self, held: &mut Held<W::Connection>) -> bool {
        if held.since.elapsed() < FRESH {
            return true;
        }
        let asked = self.wire.execute(&mut held.raw, "SELECT 1");
        matches!(tokio::time::timeout(ANSWERS, asked).await, Ok(Ok(())))
    }

    fn take_idle(&self, acting: &Acting) -> Option<Held<W::Connection>> {
        let mut idle = self.idle.lock().unwrap_or_else(|broke| broke.into_inner());
        idle.retain(|held| held.since.elapsed() < IDLE && held.made.elapsed() < AGE);
        let fits = |held: &Held<W::Connection>| !held.acted || !acting.is_account();
        if let Some(last) = idle.iter().rposition(fits) {
            return Some(idle.remove(last));
        }
        // A new one takes the place of one that does not fit, so that there are never more.
        if !idle.is_empty() {
            idle.remove(0);
        }
        None
    }

    /// Takes a connection back that nobody uses any more.
    fn put_idle(&self, held: Held<W::Connection>) {
        if !self.stop.is_cancelled() {
            let mut idle = self.idle.lock().unwrap_or_else(|broke| broke.into_inner());
            idle.push(Held {
                since: Instant::now(),
                ..held
            });
        }
    }
}

#[async_trait]
impl<W: Wire> Engine for Remote<W> {
    async fn read(&self, acting: &Acting) -> Result<Box<dyn Link>, Failure> {
        Ok(Box::new(self.begin(Purpose::Read, acting).await?))
    }

    async fn write(&self, key: &str, acting: &Acting) -> Result<Box<dyn Transaction>, Failure> {
        Ok(Box::new(self.begin(Purpose::Write(key), acting).await?))
    }

    async fn rights(&self, own: &Own) -> Result<Rights, Failure> {
        let mut session = self.begin(Purpose::Read, &Acting::account()).await?;
        self.0.wire.rights(&mut session, own).await
    }

    async fn close(&self) {
        self.0.stop.cancel();
        self.0.tidying.close();
        self.0.tidying.wait().await;
        let mut idle = self
            .0
            .idle
            .lock()
            .unwrap_or_else(|broke| broke.into_inner());
        idle.clear();
    }

    fn is_closed(&self) -> bool {
        self.0.stop.is_cancelled()
    }
}

fn stopped() -> Failure {
    Failure::new(Status::Unavailable, "the connector was stopped")
}
