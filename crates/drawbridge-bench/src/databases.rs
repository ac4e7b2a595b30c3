//! Databases: the same statement sent by a driver, through the kind alone, and through the gateway, which
//! take turns; and what a question over millions of rows takes.

pub(crate) mod shop;
pub(crate) mod statements;

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Context;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, sqlite::SqliteConnectOptions};

use crate::{
    company,
    load::{self, Work},
    mariadb::MariaDb,
    peers::Peer,
    postgres::Postgres,
    process,
    report::Cell,
};
use shop::{ACCOUNT, ALL, ALL_ORDERS, SEEN, System};
use statements::Looped;

/// Questions of each size whose memory is measured.
const QUESTIONS: usize = 20;

/// How long, how often, how much.
pub(crate) struct Plan {
    pub(crate) rounds: u32,
    pub(crate) window: Duration,
    pub(crate) warm: Duration,
    pub(crate) connections: &'static [usize],
}

/// A database, filled.
struct Shop {
    system: System,
    /// The driver's URL of it.
    url: String,
    /// As a connector's file has it.
    reached: String,
    /// The process of its server.
    server: Option<u32>,
}

/// What a question over millions of rows took, beside one of as many rows as an answer holds.
pub(crate) struct Crossed {
    pub(crate) system: System,
    pub(crate) millions: u64,
    /// Resident memory of the gateway before, the most while few rows were asked for, and while
    /// millions were.
    pub(crate) memory: [u64; 3],
}

/// All that was found out about databases.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) cells: Vec<Cell>,
    pub(crate) crossed: Vec<Crossed>,
}

impl Found {
    /// Whether a database was measured.
    pub(crate) fn has(&self, system: System) -> bool {
        self.crossed.iter().any(|crossed| crossed.system == system)
    }
}

/// Measures every database that can be started here.
pub(crate) async fn measure(
    program: &Path,
    plan: &Plan,
    (disk, postgres): (&Path, Option<&Postgres>),
) -> anyhow::Result<Found> {
    let folder = disk.join("shop");
    std::fs::create_dir(&folder)?;
    let mariadb = MariaDb::start(disk)?;
    let shops = shops(&folder, (postgres, mariadb.as_ref())).await?;
    let named: Vec<(System, String)> = shops
        .iter()
        .map(|shop| (shop.system, shop.reached.clone()))
        .collect();
    shop::write(&folder, &named)?;
    let connectors: Vec<&str> = named.iter().map(|(system, _)| system.connector()).collect();
    let token = company::open_all(program, &folder, (&connectors, &[]))?;
    let gateway = Peer::start("drawbridge", program, (folder.clone(), token), &[])?;
    let mut found = Found::default();
    for shop in &shops {
        found
            .cells
            .extend(taking_turns(shop, &gateway, (plan, &folder)).await?);
        found.crossed.push(crossed(shop.system, &gateway).await?);
    }
    Ok(found)
}

async fn shops(
    folder: &Path,
    (postgres, mariadb): (Option<&Postgres>, Option<&MariaDb>),
) -> anyhow::Result<Vec<Shop>> {
    let file = folder.join("shop.db");
    let url = format!("sqlite:{}", file.display());
    let options = SqliteConnectOptions::new().filename(&file);
    let mut connection = options.create_if_missing(true).connect().await?;
    fill(&mut connection, System::Sqlite).await?;
    connection.close().await?;
    let mut shops = vec![Shop {
        system: System::Sqlite,
        url,
        reached: "sqlite:shop.db".to_owned(),
        server: None,
    }];
    if let Some(postgres) = postgres {
        let mut server = PgConnection::connect(&postgres.url).await?;
        sqlx::raw_sql("CREATE DATABASE shop")
            .execute(&mut server)
            .await?;
        server.close().await?;
        let at = |account: &str| {
            let url = postgres
                .url
                .replace("//drawbridge@", &format!("//{account}@"));
            url.replace("/postgres", "/shop")
        };
        let mut connection = PgConnection::connect(&at("drawbridge")).await?;
        fill(&mut connection, System::Postgres).await?;
        connection.close().await?;
        shops.push(Shop {
            system: System::Postgres,
            url: at(ACCOUNT),
            reached: at(ACCOUNT),
            server: Some(postgres.process()?),
        });
    }
    if let Some(mariadb) = mariadb {
        let system = System::MariaDb;
        let (schema, account) = (system.schema(), system.account());
        mariadb.run(&format!(
            "CREATE DATABASE shop; {account} USE shop; {schema}"
        ))?;
        let at = format!("{ACCOUNT}@127.0.0.1:{}/shop", mariadb.port);
        shops.push(Shop {
            system,
            url: format!("mysql://{at}"),
            reached: format!("mariadb://{at}"),
            server: Some(mariadb.process()),
        });
    }
    Ok(shops)
}

async fn fill<C>(connection: &mut C, system: System) -> anyhow::Result<()>
where
    for<'c> &'c mut C: sqlx::Executor<'c>,
{
    let words = AssertSqlSafe(format!("{}{}", system.schema(), system.account()));
    sqlx::Executor::execute(&mut *connection, sqlx::raw_sql(words)).await?;
    Ok(())
}

/// The ways to ask, in the order in which they stand in tables.
const WAYS: [&str; 3] = ["direct", "kind", "gateway"];

async fn taking_turns(
    shop: &Shop,
    gateway: &Peer,
    (plan, folder): (&Plan, &Path),
) -> anyhow::Result<Vec<Cell>> {
    let mut cells = Vec::new();
    for asked in ALL {
        for connections in plan.connections {
            let work = Work::Statement(shop.system, asked);
            let of = |way| Cell::new(way, work, *connections).on(shop.system);
            cells.extend(WAYS.map(of));
        }
    }
    for round in 0..plan.rounds {
        for level in cells.chunks_mut(WAYS.len()) {
            let turn = usize::try_from(round)?;
            level.rotate_left(turn % WAYS.len());
            for cell in level.iter_mut() {
                one(cell, shop, gateway, (plan, folder)).await?;
            }
            level.rotate_right(turn % WAYS.len());
        }
    }
    Ok(cells)
}

async fn one(
    cell: &mut Cell,
    shop: &Shop,
    gateway: &Peer,
    (plan, folder): (&Plan, &Path),
) -> anyhow::Result<()> {
    let looped = if cell.peer == "gateway" {
        through(gateway, shop, cell, plan).await?
    } else {
        apart(shop, cell, plan, folder)?
    };
    cell.add(looped.measured, looped.cpu, looped.memory);
    cell.server_cpu += looped.server_cpu.unwrap_or_default();
    Ok(())
}

/// Through the gateway's own door.
async fn through(
    gateway: &Peer,
    shop: &Shop,
    cell: &mut Cell,
    plan: &Plan,
) -> anyhow::Result<Looped> {
    let marks = RefCell::new(Vec::new());
    let before = gateway.log_waits().await?;
    let measured = load::run(
        (&gateway.target, cell.work),
        cell.connections,
        (plan.warm, plan.window),
        || {
            let server = shop.server.map(process::cpu_of_family).transpose();
            marks.borrow_mut().push((gateway.server.cpu(), server));
        },
    )
    .await?;
    let after = gateway.log_waits().await?;
    cell.waited(before, after);
    let mut marks = marks.into_inner().into_iter();
    let (Some(began), Some(ended)) = (marks.next(), marks.next()) else {
        anyhow::bail!("the window was not marked");
    };
    let server = ended.1?.zip(began.1?);
    Ok(Looped {
        measured,
        cpu: ended.0?.saturating_sub(began.0?),
        server_cpu: server.map(|(ended, began)| ended.saturating_sub(began)),
        memory: gateway.server.memory()?,
    })
}

/// In a process of its own, so that what it spends is known.
fn apart(shop: &Shop, cell: &Cell, plan: &Plan, folder: &Path) -> anyhow::Result<Looped> {
    let Work::Statement(system, asked) = cell.work else {
        anyhow::bail!("no statement");
    };
    let by = if cell.peer == "kind" {
        "kind"
    } else {
        "driver"
    };
    let program: PathBuf = std::env::current_exe()?;
    let mut command = Command::new(program);
    command
        .args(["statements", "--by", by, "--asked", asked.word()])
        .args(["--system", system.word(), "--url", &shop.url])
        .arg("--workspace")
        .arg(folder)
        .args(["--at-once", &cell.connections.to_string()])
        .args(["--warm-ms", &plan.warm.as_millis().to_string()])
        .args(["--span-ms", &plan.window.as_millis().to_string()]);
    if let Some(server) = shop.server {
        command.args(["--server", &server.to_string()]);
    }
    let done = command.output()?;
    let told = String::from_utf8_lossy(&done.stderr);
    anyhow::ensure!(done.status.success(), "{command:?} failed: {told}");
    Looped::read(&String::from_utf8_lossy(&done.stdout))
}

/// What the gateway takes while it cuts questions at their limit.
async fn crossed(system: System, gateway: &Peer) -> anyhow::Result<Crossed> {
    let tool = format!("{}_query", system.connector());
    let ask = async |orders: u64| -> anyhow::Result<u64> {
        gateway.server.forget_most()?;
        for _ in 0..QUESTIONS {
            let asked = (tool.as_str(), &shop::crossed(orders));
            load::ask_once(&gateway.target, asked, "customer-1-")
                .await
                .with_context(|| format!("{orders} orders on {}", system.shown()))?;
        }
        gateway.server.most_memory()
    };
    let before = gateway.server.memory()?;
    let few = ask(1).await?;
    let most = ask(ALL_ORDERS).await?;
    Ok(Crossed {
        system,
        millions: ALL_ORDERS * SEEN,
        memory: [before, few, most],
    })
}
