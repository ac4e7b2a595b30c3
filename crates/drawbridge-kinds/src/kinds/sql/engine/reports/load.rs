//! Files become tables of a throw-away database.

use std::{
    collections::BTreeMap,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use drawbridge_core::answer::{Failure, Status};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use tokio::{
    io::AsyncReadExt,
    process::{Child, ChildStdout, Command},
};

use super::{
    super::{
        super::{
            dialect::Dialect,
            part::TableScope,
            shape::{Unfit, unfit},
        },
        sqlite::throwaway::{Draft, ThrowAway, broke_not_null, broke_unique},
        trouble::Trouble,
    },
    Loaded, Shared,
    files::{Found, State},
    rows::{CONFINED, DONE, ROWS, Request, SEEN, Seen, Type, UNFIT},
};
use crate::confine::WHOLLY;

/// The most rows of one table.
const MOST_ROWS: u64 = 2_000_000;
/// The most values of one table.
const MOST_CELLS: u64 = 20_000_000;
/// The most bytes of the values of one table: what is packed may be many times as large.
const MOST_TABLE: usize = 1 << 30;
/// The largest frame of a child, in bytes.
const MOST_FRAME: u32 = 64 << 20;
/// How long a child may take for one file.
const TIME: Duration = Duration::from_secs(120);
/// The mend of a file whose content is not as it must be.
const MEND: &str = "export it anew, or take it out of `scope.tables`";

/// Why a table was not loaded: because of its files, or because nothing can be loaded.
enum Ended {
    Unfit(Unfit),
    Failed(Failure),
}

impl From<Unfit> for Ended {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit(unfit)
    }
}

impl From<sqlx::Error> for Ended {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(Trouble::Unusable.failure(error))
    }
}

/// Loads every table in this state.
pub(super) async fn load(shared: &Shared, state: State) -> Result<Loaded, Failure> {
    let draft = draft(shared).await?;
    let broken = |error| Trouble::Unusable.failure(error);
    let mut connection = draft.filled().await.map_err(broken)?;
    let mut unfit: BTreeMap<String, Unfit> = BTreeMap::new();
    let mut modified: BTreeMap<String, Timestamp> = BTreeMap::new();
    for (name, scope) in &shared.tables {
        match table(shared, scope, &mut connection).await {
            Ok(newest) => modified.extend(newest.map(|newest| (name.clone(), newest))),
            Err(Ended::Failed(failure)) => return Err(failure),
            Err(Ended::Unfit(why)) => {
                let drop = format!("DROP TABLE IF EXISTS {}", Dialect::Sqlite.quoted(name));
                let drop = sqlx::query(AssertSqlSafe(drop)).execute(&mut connection);
                drop.await.map_err(broken)?;
                unfit.insert(name.clone(), why);
            }
        }
    }
    connection.close().await.map_err(broken)?;
    Ok(Loaded {
        state,
        base: ThrowAway::new(draft),
        unfit,
        modified,
    })
}

async fn draft(shared: &Shared) -> Result<Draft, Failure> {
    let path = shared.next_path();
    let state = shared.state.clone();
    let made = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&state)?;
        Draft::new(path)
    });
    let cannot = "the connector's state folder cannot be written; tell whoever keeps the gateway";
    match made.await {
        Ok(Ok(draft)) => Ok(draft),
        Ok(Err(error)) => Err(Failure::new(Status::Unavailable, cannot).with_source(error)),
        Err(error) => Err(Failure::new(Status::Unavailable, cannot).with_source(error)),
    }
}

/// Loads a table, and tells the time of its newest file.
async fn table(
    shared: &Shared,
    scope: &TableScope,
    connection: &mut SqliteConnection,
) -> Result<Option<Timestamp>, Ended> {
    let (folder, name) = (shared.folder.clone(), scope.name.clone());
    let opened = tokio::task::spawn_blocking(move || folder.open(&name)).await;
    let found = opened.map_err(|error| Ended::Failed(gone().with_source(error)))??;
    let columns = &scope.read_columns();
    let mut seen = vec![Seen::default(); columns.len()];
    for one in &found {
        let of = looked(shared, one, columns).await?;
        seen = seen
            .iter()
            .zip(of)
            .map(|(seen, of)| seen.with(of))
            .collect();
    }
    let types: Vec<Type> = seen.into_iter().map(Seen::decided).collect();
    made(scope, &types, connection).await?;
    let (mut rows, mut bytes) = (0, 0);
    for one in &found {
        let most_rows = most_rows(columns.len()).saturating_sub(rows);
        let request = Request {
            format: one.format,
            columns: columns.to_vec(),
            types: Some(types.clone()),
            most_rows,
        };
        let filled = filled(shared, (one, &request, bytes), scope, connection).await?;
        rows += filled.0;
        bytes = filled.1;
    }
    keyed(scope, connection).await?;
    Ok(found.iter().filter_map(|one| one.stamp.modified()).max())
}

fn most_rows(columns: usize) -> u64 {
    let columns = u64::try_from(columns).unwrap_or(u64::MAX).max(1);
    MOST_ROWS.min(MOST_CELLS / columns)
}

async fn looked(shared: &Shared, found: &Found, columns: &[String]) -> Result<Vec<Seen>, Ended> {
    let request = Request {
        format: found.format,
        columns: columns.to_vec(),
        types: None,
        most_rows: most_rows(columns.len()),
    };
    let mut reader = Reader::start(shared, found, &request)?;
    let (letter, text) = reader.frame().await?;
    match letter {
        SEEN => {
            let seen: Vec<Seen> = serde_json::from_slice(&text).map_err(|_| reader.broke())?;
            Ok(seen)
        }
        _ => Err(reader.broke().into()),
    }
}

/// Makes the table, whose rows all must have a key.
async fn made(
    scope: &TableScope,
    types: &[Type],
    connection: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    let column = |(name, column): (&String, &Type)| {
        let key = scope.key.contains(name);
        let rest = if key { " NOT NULL" } else { "" };
        format!("{}{}{rest}", Dialect::Sqlite.quoted(name), column.word())
    };
    let columns: Vec<String> = scope.read_columns().iter().zip(types).map(column).collect();
    let words = format!(
        "CREATE TABLE {} ({})",
        Dialect::Sqlite.quoted(&scope.name),
        columns.join(", ")
    );
    sqlx::query(AssertSqlSafe(words))
        .execute(connection)
        .await?;
    Ok(())
}

/// Puts the rows of a file into its table, and counts them.
async fn filled(
    shared: &Shared,
    (found, request, mut bytes): (&Found, &Request, usize),
    scope: &TableScope,
    connection: &mut SqliteConnection,
) -> Result<(u64, usize), Ended> {
    let places: Vec<String> = (0..request.columns.len())
        .map(|place| format!("value ->> {place}"))
        .collect();
    let (table, places) = (Dialect::Sqlite.quoted(&scope.name), places.join(", "));
    let words = format!("INSERT INTO {table} SELECT {places} FROM json_each($1)");
    let words: Arc<str> = words.into();
    let mut reader = Reader::start(shared, found, request)?;
    let mut transaction = connection.begin().await?;
    loop {
        let (letter, text) = reader.frame().await?;
        match letter {
            ROWS => {
                bytes = bytes.saturating_add(text.len());
                if bytes > MOST_TABLE {
                    let most = MOST_TABLE >> 20;
                    return Err(reader
                        .unfit(&format!("its table has more than {most} MiB"))
                        .into());
                }
                let text = String::from_utf8(text).map_err(|_| reader.broke())?;
                let insert = sqlx::query(AssertSqlSafe(words.clone())).bind(text);
                match insert.execute(&mut *transaction).await {
                    Err(error) if broke_not_null(&error) => {
                        let reason = format!("`{}` has a row without a key", found.stamp.path);
                        return Err(unfit(&reason, MEND).into());
                    }
                    done => done?,
                };
            }
            DONE => {
                transaction.commit().await?;
                let count = std::str::from_utf8(&text)
                    .ok()
                    .and_then(|text| text.parse().ok());
                let count: u64 = count.ok_or_else(|| reader.broke())?;
                return Ok((count, bytes));
            }
            _ => return Err(reader.broke().into()),
        }
    }
}

/// Sees to it that no two rows have the same key.
async fn keyed(scope: &TableScope, connection: &mut SqliteConnection) -> Result<(), Ended> {
    let columns: Vec<String> = scope
        .key
        .iter()
        .map(|name| Dialect::Sqlite.quoted(name))
        .collect();
    let name = Dialect::Sqlite.quoted(&format!("key of {}", scope.name));
    let (table, columns) = (Dialect::Sqlite.quoted(&scope.name), columns.join(", "));
    let words = format!("CREATE UNIQUE INDEX {name} ON {table} ({columns})");
    match sqlx::query(AssertSqlSafe(words)).execute(connection).await {
        Ok(_) => Ok(()),
        Err(error) if broke_unique(&error) => {
            let reason = format!("several rows have the same {}", scope.key.join(", "));
            let mend = "name columns in `key` that are different in every row";
            Err(unfit(&reason, mend).into())
        }
        Err(error) => Err(error.into()),
    }
}

fn gone() -> Failure {
    Failure::new(Status::Unavailable, "the connector was stopped")
}

/// A child that reads a file.
struct Reader {
    /// Killed when it is dropped.
    _child: Child,
    output: ChildStdout,
    path: String,
    loose: Arc<AtomicBool>,
}

impl Reader {
    fn start(shared: &Shared, found: &Found, request: &Request) -> Result<Self, Ended> {
        let cannot = |error: std::io::Error| {
            let told = "no child process can be started to read it";
            Ended::Failed(Failure::new(Status::Unavailable, told).with_source(error))
        };
        let words = serde_json::to_string(request).map_err(|error| cannot(error.into()))?;
        let mut child = Command::new(&shared.program)
            .args(["rows", &words])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(found.file.try_clone().map_err(cannot)?))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(cannot)?;
        let output = child.stdout.take();
        let output = output.ok_or_else(|| cannot(std::io::Error::other("it has no pipes")))?;
        Ok(Self {
            _child: child,
            output,
            path: found.stamp.path.clone(),
            loose: shared.loose.clone(),
        })
    }

    fn unfit(&self, reason: &str) -> Unfit {
        unfit(&format!("`{}`: {reason}", self.path), MEND)
    }

    fn broke(&self) -> Unfit {
        self.unfit("the parser broke on it, or needed more than 1 GiB of memory")
    }

    /// What it says next of the file.
    async fn frame(&mut self) -> Result<(u8, Vec<u8>), Unfit> {
        loop {
            match self.any_frame().await? {
                (CONFINED, how) if how != [WHOLLY] => self.loose.store(true, Ordering::Relaxed),
                (CONFINED, _) => {}
                told => return Ok(told),
            }
        }
    }

    async fn any_frame(&mut self) -> Result<(u8, Vec<u8>), Unfit> {
        let read = async {
            let letter = self.output.read_u8().await?;
            let length = self.output.read_u32().await?;
            if length > MOST_FRAME {
                return Err(std::io::Error::other("a frame is too long"));
            }
            // Grows with what is there, not with what is announced.
            let mut text = Vec::new();
            let wanted = u64::from(length);
            let output = &mut self.output;
            let had = output.take(wanted).read_to_end(&mut text).await?;
            if had as u64 != wanted {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            Ok((letter, text))
        };
        match tokio::time::timeout(TIME, read).await {
            Ok(Ok((UNFIT, text))) => Err(self.unfit(&String::from_utf8_lossy(&text))),
            Ok(Ok(told)) => Ok(told),
            Ok(Err(_)) => Err(self.broke()),
            Err(_) => Err(self.unfit("it took too long to read")),
        }
    }
}
