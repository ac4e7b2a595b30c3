//! A process that asks a database without a gateway, in a closed loop: with the same driver and as many
//! connections, or through the kind alone.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use serde_json::{Value, json};
use sqlx::{
    AssertSqlSafe, ColumnIndex, Database, Decode, Encode, Executor, IntoArguments, MySqlPool,
    PgPool, Pool, SqlitePool, Type, mysql::MySqlPoolOptions, pool::PoolOptions,
    postgres::PgPoolOptions, sqlite::SqlitePoolOptions,
};
use tokio::task::JoinSet;

use super::shop::{Asked, System};
use crate::{direct::Bare, load::Measured, process};

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// By which way it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum By {
    /// The driver alone: the direct call.
    Driver,
    /// The connector's kind, with nothing around it.
    Kind,
}

/// What to ask, and for how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Loop {
    #[arg(long)]
    by: By,
    #[arg(long)]
    system: System,
    #[arg(long)]
    asked: Asked,
    /// The driver's URL of the database.
    #[arg(long)]
    url: String,
    /// The workspace with the connector's file.
    #[arg(long)]
    workspace: PathBuf,
    /// How many ask at a time.
    #[arg(long)]
    at_once: usize,
    #[arg(long)]
    warm_ms: u64,
    #[arg(long)]
    span_ms: u64,
    /// The process of the database's server, to tell what it spends.
    #[arg(long)]
    server: Option<u32>,
}

/// What a loop came to, with what it and the server spent on processors.
pub(crate) struct Looped {
    pub(crate) measured: Measured,
    pub(crate) cpu: Duration,
    pub(crate) server_cpu: Option<Duration>,
    pub(crate) memory: u64,
}

/// Whom to ask.
#[derive(Clone)]
enum Target {
    Sqlite(SqlitePool),
    Postgres(PgPool),
    MariaDb(MySqlPool),
    Kind(Bare),
}

/// Asks, and prints what came of it as JSON.
pub(crate) fn run(wanted: &Loop) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let looped = runtime.block_on(looped(wanted))?;
    println!("{looped}");
    Ok(())
}

async fn looped(wanted: &Loop) -> anyhow::Result<Value> {
    let target = Target::open(wanted).await?;
    let (counts, stop) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let measured: Arc<Mutex<Measured>> = Arc::default();
    let mut asking = JoinSet::new();
    for number in 0..wanted.at_once {
        let (target, asked, system) = (target.clone(), wanted.asked, wanted.system);
        let (counts, stop, measured) = (counts.clone(), stop.clone(), measured.clone());
        asking.spawn(async move {
            let mut at = (number as u64) << 32;
            while !stop.load(Ordering::Relaxed) {
                at += 1;
                let began = Instant::now();
                let answered = target.ask((system, asked), at).await;
                if !counts.load(Ordering::Relaxed) {
                    continue;
                }
                let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                let mut measured = measured.lock().unwrap_or_else(|broke| broke.into_inner());
                match answered {
                    Ok(()) => measured.micros.push(took),
                    Err(error) => {
                        measured.errors += 1;
                        measured.first_error.get_or_insert(format!("{error:#}"));
                    }
                }
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(wanted.warm_ms)).await;
    let spent = || -> anyhow::Result<(Duration, Option<Duration>)> {
        let own = process::cpu_of(std::process::id())?;
        Ok((own, wanted.server.map(process::cpu_of_family).transpose()?))
    };
    let before = spent()?;
    counts.store(true, Ordering::Relaxed);
    let began = Instant::now();
    tokio::time::sleep(Duration::from_millis(wanted.span_ms)).await;
    // A window in which no call ended says nothing: it stays open until one does.
    while began.elapsed() < PATIENCE && nothing(&measured) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    counts.store(false, Ordering::Relaxed);
    let (span, after) = (began.elapsed(), spent()?);
    stop.store(true, Ordering::Relaxed);
    while asking.join_next().await.is_some() {}
    let server_cpu = after.1.zip(before.1);
    let server_cpu = server_cpu.map(|(after, before)| after.saturating_sub(before).as_micros());
    let measured = measured.lock().unwrap_or_else(|broke| broke.into_inner());
    Ok(json!({
        "micros": measured.micros, "errors": measured.errors, "first_error": measured.first_error,
        "span_us": span.as_micros(), "cpu_us": after.0.saturating_sub(before.0).as_micros(),
        "server_cpu_us": server_cpu, "memory": process::memory(std::process::id(), "VmRSS:")?,
    }))
}

fn nothing(measured: &Mutex<Measured>) -> bool {
    let measured = measured.lock().unwrap_or_else(|broke| broke.into_inner());
    measured.micros.is_empty() && measured.errors == 0
}

impl Looped {
    /// What another process printed.
    pub(crate) fn read(text: &str) -> anyhow::Result<Self> {
        let told: Value = serde_json::from_str(text).with_context(|| text.to_owned())?;
        let micros = |name: &str| {
            told.get(name)
                .and_then(Value::as_u64)
                .map(Duration::from_micros)
        };
        let number = |name: &str| told.get(name).and_then(Value::as_u64).context("no number");
        let all = told.get("micros").and_then(Value::as_array);
        let error = told.get("first_error").and_then(Value::as_str);
        Ok(Self {
            measured: Measured {
                micros: all
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_u64)
                    .collect(),
                errors: number("errors")?,
                first_error: error.map(str::to_owned),
                span: micros("span_us").context("no span")?,
            },
            cpu: micros("cpu_us").context("no time")?,
            server_cpu: micros("server_cpu_us"),
            memory: number("memory")?,
        })
    }
}

impl Target {
    async fn open(wanted: &Loop) -> anyhow::Result<Self> {
        if wanted.by == By::Kind {
            let place = (wanted.workspace.as_path(), wanted.system.connector());
            return Ok(Self::Kind(
                Bare::open(place, &std::env::current_exe()?).await?,
            ));
        }
        let most = wanted.system.connections();
        Ok(match wanted.system {
            System::Sqlite => {
                Self::Sqlite(pool(SqlitePoolOptions::new(), most, &wanted.url).await?)
            }
            System::Postgres => {
                Self::Postgres(pool(PgPoolOptions::new(), most, &wanted.url).await?)
            }
            System::MariaDb => {
                Self::MariaDb(pool(MySqlPoolOptions::new(), most, &wanted.url).await?)
            }
        })
    }

    async fn ask(&self, (system, asked): (System, Asked), at: u64) -> anyhow::Result<()> {
        let text = || asked.statement(system);
        match self {
            Self::Sqlite(pool) => rows(pool, text(), asked, at).await,
            Self::Postgres(pool) => rows(pool, text(), asked, at).await,
            Self::MariaDb(pool) => rows(pool, text(), asked, at).await,
            Self::Kind(bare) => {
                let (tool, arguments, wanted) = asked.call(system, at);
                let found = bare.call(&tool, arguments).await;
                let found = found.map_err(|failure| anyhow::anyhow!(failure.message))?;
                anyhow::ensure!(found.text.contains(&wanted), "wrong: {}", found.text);
                Ok(())
            }
        }
    }
}

/// As many connections as the gateway's connector has, which are not asked whether they are there.
async fn pool<D: Database>(
    options: PoolOptions<D>,
    most: u32,
    url: &str,
) -> anyhow::Result<Pool<D>> {
    let options = options.max_connections(most).min_connections(most);
    Ok(options.test_before_acquire(false).connect(url).await?)
}

/// Sends a statement, and reads its rows.
async fn rows<D>(pool: &Pool<D>, text: String, asked: Asked, at: u64) -> anyhow::Result<()>
where
    D: Database,
    for<'p> &'p Pool<D>: Executor<'p, Database = D>,
    D::Arguments: IntoArguments<D>,
    for<'e> i64: Encode<'e, D> + Decode<'e, D> + Type<D>,
    for<'e> String: Decode<'e, D> + Type<D>,
    usize: ColumnIndex<D::Row>,
{
    let id = i64::try_from(Asked::customer(at))?;
    let text = AssertSqlSafe(text);
    let right = match asked {
        Asked::Key => {
            let rows: Vec<(i64, String, String, String, String)> =
                sqlx::query_as(text).bind(id).fetch_all(pool).await?;
            rows.first().is_some_and(|row| row.0 == id)
        }
        Asked::Rows => {
            let rows: Vec<(i64, i64, String, i64, String)> =
                sqlx::query_as(text).bind(id).fetch_all(pool).await?;
            rows.len() == 20
        }
        Asked::Narrow => {
            let rows: Vec<(String, i64, i64)> =
                sqlx::query_as(text).bind(id).fetch_all(pool).await?;
            rows.len() == 1
        }
        Asked::Whole => {
            let rows: Vec<(String, i64, i64)> = sqlx::query_as(text).fetch_all(pool).await?;
            rows.len() == 2
        }
    };
    anyhow::ensure!(right, "the rows are not those that were asked for");
    Ok(())
}
