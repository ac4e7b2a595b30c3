//! A closed loop of calls: each connection sends its next call when the last reply was checked.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, client::conn::http1::SendRequest, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::LocalSet, time::timeout};

use crate::{
    company::{Chance, LARGE, SMALL},
    databases::shop::{Asked, System},
};

/// The revision of MCP that calls are made by: stateless.
const REVISION: &str = "2026-07-28";
/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Work {
    /// `echo` of the unit server.
    Echo,
    /// `read` of a document of 200 bytes.
    Small,
    /// `read` of a document of 8 KB.
    Large,
    /// `search` for three words.
    Search,
    /// A statement on a database.
    #[value(skip)]
    Statement(System, Asked),
}

impl Work {
    /// Its name in tables.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Small => "small",
            Self::Large => "large",
            Self::Search => "search",
            Self::Statement(_, asked) => asked.word(),
        }
    }
}

/// Whom to call.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The address of its MCP endpoint: `http://127.0.0.1:1/mcp`, or one connector's own.
    pub(crate) url: String,
    pub(crate) token: Option<String>,
}

/// What a window of calls came to.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// How long each good call took, in microseconds.
    pub(crate) micros: Vec<u64>,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    pub(crate) span: Duration,
}

/// Calls for a while over so many connections. `begun` and `ended` are called as the window that
/// counts opens and closes.
pub(crate) async fn run(
    (target, work): (&Target, Work),
    connections: usize,
    (warm, span): (Duration, Duration),
    mut mark: impl FnMut(),
) -> anyhow::Result<Measured> {
    let (counts, stop) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
    let measured = Rc::new(RefCell::new(Measured::default()));
    let set = LocalSet::new();
    for number in 0..connections {
        let (counts, stop, measured) = (counts.clone(), stop.clone(), measured.clone());
        let target = target.clone();
        set.spawn_local(async move {
            let mut at = (number as u64) << 32;
            while !stop.get() {
                if let Err(error) =
                    client((&target, work), &mut at, (&counts, &stop, &measured)).await
                {
                    let mut measured = measured.borrow_mut();
                    measured.errors += u64::from(counts.get());
                    measured.first_error.get_or_insert(format!("{error:#}"));
                }
            }
        });
    }
    set.run_until(async {
        tokio::time::sleep(warm).await;
        mark();
        counts.set(true);
        let began = Instant::now();
        tokio::time::sleep(span).await;
        // A window in which no call ended says nothing: it stays open until one does.
        while measured.borrow().micros.is_empty() && began.elapsed() < PATIENCE {
            tokio::time::sleep(span).await;
        }
        counts.set(false);
        measured.borrow_mut().span = began.elapsed();
        mark();
        stop.set(true);
    })
    .await;
    timeout(PATIENCE, set).await.context("calls do not end")?;
    Rc::into_inner(measured)
        .map(RefCell::into_inner)
        .context("a client is left")
}

/// Calls for a while, and prints what came of it.
pub(crate) fn by_hand(
    what: (&Target, Work),
    connections: usize,
    span: Duration,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut measured = runtime.block_on(run(what, connections, (Duration::ZERO, span), || {}))?;
    measured.micros.sort_unstable();
    let middle = measured.micros.get(measured.micros.len() / 2);
    println!(
        "{} calls in {:?}, p50 {middle:?} µs, {} errors {:?}",
        measured.micros.len(),
        measured.span,
        measured.errors,
        measured.first_error
    );
    Ok(())
}

/// One call of any tool, whose reply must hold a text.
pub(crate) async fn ask_once(
    target: &Target,
    (tool, arguments): (&str, &Value),
    wanted: &str,
) -> anyhow::Result<()> {
    LocalSet::new()
        .run_until(async {
            let mut sender = connect(target).await?;
            let asked = send(&mut sender, target, (1, tool, arguments, wanted));
            timeout(PATIENCE, asked).await?
        })
        .await
}

/// One call by itself.
pub(crate) async fn once(target: &Target, work: Work) -> anyhow::Result<()> {
    LocalSet::new()
        .run_until(async {
            let mut sender = connect(target).await?;
            call(&mut sender, (target, work), 1).await
        })
        .await
}

async fn client(
    (target, work): (&Target, Work),
    at: &mut u64,
    (counts, stop, measured): (&Cell<bool>, &Cell<bool>, &RefCell<Measured>),
) -> anyhow::Result<()> {
    let mut sender = connect(target).await?;
    while !stop.get() {
        *at += 1;
        let began = Instant::now();
        timeout(PATIENCE, call(&mut sender, (target, work), *at)).await??;
        if counts.get() {
            let took = u64::try_from(began.elapsed().as_micros())?;
            measured.borrow_mut().micros.push(took);
        }
    }
    Ok(())
}

pub(crate) async fn connect(target: &Target) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(authority(&target.url)).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // It ends when its sender is dropped.
    tokio::task::spawn_local(async move { connection.await.unwrap_or_default() });
    Ok(sender)
}

/// What is at another path of the same server, for a person at its command line.
pub(crate) async fn get(
    url: &str,
    path: &str,
    (token, person): (&str, &str),
) -> anyhow::Result<String> {
    let target = Target {
        url: url.to_owned(),
        token: None,
    };
    LocalSet::new()
        .run_until(async {
            let mut sender = connect(&target).await?;
            let request = Request::get(path)
                .header(header::HOST, authority(url))
                .header(header::AUTHORIZATION, format!("Bearer {token}"))
                .header("drawbridge-person", person);
            let response = sender.send_request(request.body(Full::default())?).await?;
            let body = response.into_body().collect().await?.to_bytes();
            Ok(String::from_utf8_lossy(&body).into_owned())
        })
        .await
}

/// Host and port of an address.
pub(crate) fn authority(url: &str) -> &str {
    let rest = url.trim_start_matches("http://");
    rest.split_once('/')
        .map_or(rest, |(authority, _)| authority)
}

/// The path of an address.
fn path(url: &str) -> &str {
    url.get("http://".len() + authority(url).len()..)
        .filter(|path| !path.is_empty())
        .unwrap_or("/")
}

#[derive(Deserialize)]
struct Reply<'a> {
    id: u64,
    #[serde(borrow)]
    result: Option<Outcome<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome<'a> {
    #[serde(borrow)]
    content: Vec<Content<'a>>,
    #[serde(default)]
    is_error: bool,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    text: std::borrow::Cow<'a, str>,
}

async fn call(
    sender: &mut SendRequest<Full<Bytes>>,
    (target, work): (&Target, Work),
    at: u64,
) -> anyhow::Result<()> {
    let (tool, arguments, wanted) = ask(work, at);
    send(sender, target, (at, &tool, &arguments, &wanted)).await
}

/// Calls a tool, whose reply must hold a text.
async fn send(
    sender: &mut SendRequest<Full<Bytes>>,
    target: &Target,
    (at, tool, arguments, wanted): (u64, &str, &Value, &str),
) -> anyhow::Result<()> {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body = json!({"jsonrpc": "2.0", "id": at, "method": "tools/call",
                      "params": {"_meta": meta, "name": tool, "arguments": arguments}});
    let mut request = Request::post(path(&target.url))
        .header(header::HOST, authority(&target.url))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json, text/event-stream")
        .header("mcp-protocol-version", REVISION)
        .header("mcp-method", "tools/call")
        .header("mcp-name", tool);
    if let Some(token) = &target.token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    sender.ready().await?;
    let response = sender
        .send_request(request.body(Full::from(body.to_string()))?)
        .await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    let told = || {
        String::from_utf8_lossy(body.get(..body.len().min(400)).unwrap_or_default()).into_owned()
    };
    ensure!(status.is_success(), "{status}: {}", told());
    let reply: Reply<'_> = serde_json::from_slice(&body).with_context(told)?;
    let outcome = reply.result.with_context(told)?;
    let right = outcome
        .content
        .first()
        .is_some_and(|content| content.text.contains(wanted));
    ensure!(
        reply.id == at && right && !outcome.is_error,
        "wrong: {}",
        told()
    );
    Ok(())
}

/// The tool, its arguments, and what the reply must hold.
fn ask(work: Work, at: u64) -> (String, Value, String) {
    match work {
        Work::Echo => (
            "echo".to_owned(),
            json!({"text": format!("marker-{at}")}),
            format!("marker-{at}"),
        ),
        Work::Small => read("small", at % SMALL),
        Work::Large => read("large", at % LARGE),
        Work::Search => {
            let words = Chance(at).words(3);
            (
                "handbook_search".to_owned(),
                json!({"query": words.trim_end(), "limit": 10}),
                ".md".to_owned(),
            )
        }
        Work::Statement(system, asked) => asked.call(system, at),
    }
}

fn read(size: &str, number: u64) -> (String, Value, String) {
    let path = format!("notes/{size}-{number}.md");
    (
        "handbook_read".to_owned(),
        json!({"path": path}),
        format!("Marker {size}-{number}."),
    )
}
