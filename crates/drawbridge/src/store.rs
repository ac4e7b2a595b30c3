//! The store: SQLite or PostgreSQL by the same statements. The only SQL of the gateway.

mod counted;
mod counting;
mod credentials;
mod file;
mod grants;
mod lifecycle;
mod notices;
mod place;
mod plans;
mod reading;
mod records;
mod requests;
mod sessions;
mod tiles;
mod tokens;
mod usage;
mod witness;
mod writer;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use sqlx::{
    AnyPool, Executor, Row, SqlSafeStr,
    any::AnyRow,
    migrate::{Migration, MigrationType, Migrator},
    postgres::PgListener,
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use counted::{CountFilter, CountedCalls, Stretch, Used};
pub use credentials::{CredentialVersion, KeptCredential, NewVersion, NotKept, OtherKeys, Taken};
use file::StoreFile;
pub use grants::{Begun, Ended, Holder, KeptGrant, NewGrant};
pub use lifecycle::{Review, Revision, Standing};
pub use notices::Notice;
pub use place::Place;
use place::Use;
pub use plans::{PlanFilter, Seen};
pub use reading::Reading;
pub use records::{RecordFilter, StoredRecord, Unread};
pub use requests::{ConnectorRequest, RequestAnswer, RequestFilter, RequestState};
pub use sessions::{CONSOLE, LINK, TokensOf};
pub use tokens::{Claims, NewToken, Token, TokenFilter};
pub use writer::{LogState, Writer};

/// How often another process's changes are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Connections for reading.
const READERS: u32 = 8;
/// Connections for writing to PostgreSQL. SQLite has one writer.
const WRITERS: u32 = 4;
/// The channel on which PostgreSQL tells every gateway of a change.
const CHANNEL: &str = "drawbridge_changes";

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened.
    #[error("cannot open the store {place}: {cause}")]
    Open {
        /// Where, without a password.
        place: String,
        /// Why, and what to do.
        cause: String,
    },
    /// A statement failed.
    #[error("the store failed; check its disk and connection")]
    Failed(#[source] sqlx::Error),
    /// What is stored cannot be what was written.
    #[error("the store holds something that Drawbridge did not write: {0}")]
    Corrupt(String),
    /// The log in the store is not the one that was last seen; says what to do.
    #[error("{0}")]
    Changed(String),
    /// It did not answer in time.
    #[error("the store took longer than {} s; check its disk and connection", .0.as_secs())]
    Slow(Duration),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { index, source } => {
                Self::Corrupt(format!("the column {index}: {source}"))
            }
            error => Self::Failed(error),
        }
    }
}

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    /// For reading.
    pool: AnyPool,
    /// For writing: SQLite has one writer, and queueing for it here is cheaper than retrying.
    writer: AnyPool,
    postgres: bool,
    /// The file, of an embedded store.
    file: Option<StoreFile>,
    changed: watch::Sender<u64>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Store {
    /// Opens the store, and makes or migrates its tables.
    ///
    /// # Errors
    /// When it cannot be reached or written, or a newer version made it.
    pub async fn open(place: &Place) -> Result<Self, StoreError> {
        let writers = if place.is_postgres() { WRITERS } else { 1 };
        let writer = place.connect(writers, Use::Write).await?;
        migrate(&writer, place).await?;
        let pool = place.connect(READERS, Use::Write).await?;
        let store = Self::of(pool, writer, place);
        let version = store.version().await?;
        store.inner.changed.send_replace(version);
        store
            .watch(place)
            .await
            .map_err(|error| place.cannot_open(&error))?;
        Ok(store)
    }

    /// Opens a store that is there, to read it only: nothing of it is changed, not even by a
    /// newer version's migrations.
    ///
    /// # Errors
    /// When there is none, or it cannot be reached.
    pub async fn look(place: &Place) -> Result<Self, StoreError> {
        let pool = match place.connect(READERS, Use::Read).await {
            Ok(pool) => pool,
            // Reading while somebody may write needs a lock file, which a folder that cannot be
            // written does not take; but then nobody writes there either.
            Err(_) if place.is_still() => place.connect(READERS, Use::ReadStill).await?,
            Err(error) => return Err(error),
        };
        Ok(Self::of(pool.clone(), pool, place))
    }

    fn of(pool: AnyPool, writer: AnyPool, place: &Place) -> Self {
        Self {
            inner: Arc::new(Inner {
                pool,
                writer,
                postgres: place.is_postgres(),
                file: StoreFile::of(place),
                changed: watch::Sender::new(0),
                stop: CancellationToken::new(),
                tasks: TaskTracker::new(),
            }),
        }
    }

    /// Ends background work and closes all connections.
    pub async fn close(&self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        self.inner.pool.close().await;
        self.inner.writer.close().await;
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.version().await.map(|_| ())
    }

    /// Ticks whenever a token, a standing or a revision changed, here or in another process.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }

    pub(crate) async fn version(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT version FROM changes WHERE id = 1")
            .fetch_one(&self.inner.pool)
            .await?;
        count(&row, "version")
    }

    /// Counts a change inside its own transaction, and tells other gateways once it is durable.
    ///
    /// INVARIANT: the log's writer and a change wait for each other, so that a record made durable
    /// after a change knows of it ([`drawbridge_core::log::Appended::version`]).
    async fn bump(&self, transaction: &mut sqlx::AnyConnection) -> Result<(), StoreError> {
        writer::keep_others_out(transaction).await?;
        transaction
            .execute("UPDATE changes SET version = version + 1 WHERE id = 1")
            .await?;
        if self.inner.postgres {
            transaction
                .execute(sqlx::AssertSqlSafe(format!("NOTIFY {CHANNEL}")))
                .await?;
        }
        Ok(())
    }

    /// Makes what this process changed known to itself at once.
    pub(crate) async fn notice(&self) {
        if let Ok(version) = self.version().await {
            self.inner.changed.send_if_modified(|known| {
                let newer = *known != version;
                *known = version;
                newer
            });
        }
    }

    /// Looks for changes of other processes; PostgreSQL also says so by itself, at once.
    async fn watch(&self, place: &Place) -> Result<(), sqlx::Error> {
        let mut listener = match place {
            Place::Sqlite(_) => None,
            Place::Postgres(url) => {
                let mut listener = PgListener::connect(url.expose()).await?;
                listener.listen(CHANNEL).await?;
                Some(listener)
            }
        };
        let store = self.clone();
        self.inner.tasks.spawn(async move {
            let stop = store.inner.stop.clone();
            loop {
                let told = async {
                    let heard = match &mut listener {
                        Some(listener) => listener.recv().await.is_ok(),
                        None => false,
                    };
                    // A listener that cannot connect says so at once, again and again.
                    if !heard {
                        tokio::time::sleep(LOOK_EVERY).await;
                    }
                };
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = told => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = store.notice() => {}
                }
            }
        });
        Ok(())
    }
}

/// Brings the tables to what this version needs. That takes as long as it takes: a large log gets an
/// index in minutes, and a statement that is cut off would be begun again at each start.
async fn migrate(writer: &AnyPool, place: &Place) -> Result<(), StoreError> {
    let migrated = async {
        let mut connection = writer.acquire().await?;
        if place.is_postgres() {
            connection.execute("SET statement_timeout = 0").await?;
        }
        migrations().run(&mut *connection).await?;
        connection.close().await?;
        Ok::<(), sqlx::migrate::MigrateError>(())
    };
    migrated.await.map_err(|error| place.cannot_open(&error))
}

fn migrations() -> Migrator {
    let migration = |version, name: &'static str, text: &'static str| {
        let text = text.into_sql_str();
        Migration::new(version, name.into(), MigrationType::Simple, text, false)
    };
    Migrator::with_migrations(vec![
        migration(1, "first", include_str!("store/migrations/0001_first.sql")),
        migration(
            2,
            "find records",
            include_str!("store/migrations/0002_find_records.sql"),
        ),
        migration(3, "plans", include_str!("store/migrations/0003_plans.sql")),
        migration(
            4,
            "notices",
            include_str!("store/migrations/0004_notices.sql"),
        ),
        migration(
            5,
            "counted",
            include_str!("store/migrations/0005_counted.sql"),
        ),
        migration(
            6,
            "credentials",
            include_str!("store/migrations/0006_credentials.sql"),
        ),
        migration(
            7,
            "grants",
            include_str!("store/migrations/0007_grants.sql"),
        ),
        migration(8, "usage", include_str!("store/migrations/0008_usage.sql")),
        migration(
            9,
            "requests",
            include_str!("store/migrations/0009_requests.sql"),
        ),
        migration(
            10,
            "sessions",
            include_str!("store/migrations/0010_sessions.sql"),
        ),
        migration(
            11,
            "tokens",
            include_str!("store/migrations/0011_tokens.sql"),
        ),
        migration(
            12,
            "counts",
            include_str!("store/migrations/0012_counts.sql"),
        ),
        migration(
            13,
            "sign-ins",
            include_str!("store/migrations/0013_sign_ins.sql"),
        ),
    ])
}

/// A count or microsecond column that is never negative.
fn count(row: &AnyRow, column: &str) -> Result<u64, StoreError> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map_err(|_| StoreError::Corrupt(format!("`{column}` is {value}")))
}

/// A place in the log as it is stored.
fn number(place: u64) -> Result<i64, StoreError> {
    i64::try_from(place).map_err(|_| StoreError::Corrupt(format!("the place {place}")))
}

fn time(row: &AnyRow, column: &str) -> Result<Timestamp, StoreError> {
    let value: i64 = row.try_get(column)?;
    moment(value)
}

fn maybe_time(row: &AnyRow, column: &str) -> Result<Option<Timestamp>, StoreError> {
    let value: Option<i64> = row.try_get(column)?;
    value.map(moment).transpose()
}

fn moment(microseconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(microseconds)
        .map_err(|error| StoreError::Corrupt(error.to_string()))
}
