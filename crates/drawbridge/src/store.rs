//! The store: SQLite or PostgreSQL by the same statements. The only SQL of the gateway.

mod lifecycle;
mod records;
mod tokens;
mod writer;

use std::{path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use drawbridge_core::secret::Secret;
use jiff::Timestamp;
use sqlx::{
    AnyPool, Executor, Row, SqlSafeStr,
    any::{AnyConnectOptions, AnyPoolOptions, AnyRow},
    migrate::{Migration, MigrationType, Migrator},
    postgres::PgListener,
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use lifecycle::{Review, Revision, Standing};
pub use records::{RecordFilter, StoredRecord};
pub use tokens::{NewToken, Token};
pub use writer::Writer;

/// How often another process's changes are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a statement waits for a lock, in milliseconds.
const BUSY_MS: u32 = 10_000;
/// Connections for reading.
const READERS: u32 = 8;
/// The channel on which PostgreSQL tells every gateway of a change.
const CHANNEL: &str = "drawbridge_changes";

/// Where the store is.
#[derive(Debug, Clone)]
pub enum Place {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A `postgres://` URL, which may hold a password.
    Postgres(Secret<String>),
}

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
    Failed(#[from] sqlx::Error),
    /// What is stored cannot be what was written.
    #[error("the store holds something that Drawbridge did not write: {0}")]
    Corrupt(String),
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
        sqlx::any::install_default_drivers();
        let wrong = |cause: &dyn std::fmt::Display| StoreError::Open {
            place: place.shown(),
            cause: place.explain(&cause.to_string()),
        };
        let options = place.options().map_err(|error| wrong(&error))?;
        let postgres = matches!(place, Place::Postgres(_));
        let connect = |most: u32| {
            AnyPoolOptions::new()
                .max_connections(most)
                .acquire_timeout(Duration::from_secs(15))
                .after_connect(move |connection, _| {
                    Box::pin(async move {
                        let settings = if postgres {
                            "SET synchronous_commit = on; SET statement_timeout = '60s'".to_owned()
                        } else {
                            format!(
                                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                                 PRAGMA busy_timeout = {BUSY_MS}; PRAGMA foreign_keys = ON"
                            )
                        };
                        connection.execute(sqlx::AssertSqlSafe(settings)).await?;
                        Ok(())
                    })
                })
                .connect_with(options.clone())
        };
        let writer = connect(if postgres { 4 } else { 1 })
            .await
            .map_err(|error| wrong(&error))?;
        migrations()
            .run(&writer)
            .await
            .map_err(|error| wrong(&error))?;
        let pool = connect(READERS).await.map_err(|error| wrong(&error))?;
        let store = Self {
            inner: Arc::new(Inner {
                pool,
                writer,
                postgres,
                changed: watch::Sender::new(0),
                stop: CancellationToken::new(),
                tasks: TaskTracker::new(),
            }),
        };
        let version = store.version().await?;
        store.inner.changed.send_replace(version);
        store.watch(place).await.map_err(|error| wrong(&error))?;
        Ok(store)
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

    async fn version(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT version FROM changes WHERE id = 1")
            .fetch_one(&self.inner.pool)
            .await?;
        count(&row, "version")
    }

    /// Counts a change inside its own transaction, and tells other gateways once it is durable.
    async fn bump(&self, transaction: &mut sqlx::AnyConnection) -> Result<(), StoreError> {
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
    async fn notice(&self) {
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
                    match &mut listener {
                        Some(listener) => listener.recv().await.map(|_| ()).unwrap_or(()),
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = told => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
                store.notice().await;
            }
        });
        Ok(())
    }
}

impl Place {
    fn options(&self) -> Result<AnyConnectOptions, sqlx::Error> {
        match self {
            Self::Sqlite(path) => {
                let path = path.to_string_lossy();
                AnyConnectOptions::from_str(&format!("sqlite:{path}?mode=rwc"))
            }
            Self::Postgres(url) => AnyConnectOptions::from_str(url.expose()),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("`{}`", path.display()),
            Self::Postgres(_) => "on PostgreSQL".to_owned(),
        }
    }

    /// The cause without the URL, and what to do about it.
    fn explain(&self, cause: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("{cause}; check that the folder is there and writable"),
            Self::Postgres(url) => {
                let cause = cause.replace(url.expose().as_str(), "the URL");
                format!("{cause}; check that the server runs and the account may create tables")
            }
        }
    }
}

fn migrations() -> Migrator {
    Migrator::with_migrations(vec![Migration::new(
        1,
        "first".into(),
        MigrationType::Simple,
        include_str!("store/migrations/0001_first.sql").into_sql_str(),
        false,
    )])
}

/// A count or microsecond column that is never negative.
fn count(row: &AnyRow, column: &str) -> Result<u64, StoreError> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map_err(|_| StoreError::Corrupt(format!("`{column}` is {value}")))
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
