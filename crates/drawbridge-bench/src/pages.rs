//! The console's pages, of a gateway with many connectors and a long log.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, client::conn::http1::SendRequest, header};
use serde_json::Value;
use tokio::task::LocalSet;

use crate::{
    company::{self, OPERATOR, PERSON},
    load::{self, Work},
    peers::Peer,
};

/// The largest page there may be, in bytes.
const MOST_BYTES: usize = 200_000;
/// Calls that fill the log at the same time.
const CALLERS: usize = 64;

/// How much there is, and how often each page is asked for.
pub(crate) struct Plan {
    pub(crate) connectors: usize,
    pub(crate) records: u64,
    pub(crate) looks: usize,
}

/// What was found out about the pages.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) pages: Vec<Page>,
    pub(crate) connectors: usize,
    pub(crate) records: u64,
}

/// One page.
pub(crate) struct Page {
    pub(crate) path: String,
    pub(crate) bytes: usize,
    /// How long each look took, in microseconds, the shortest first.
    pub(crate) micros: Vec<u64>,
}

/// Fills a gateway, signs its operator in, and looks at every page.
pub(crate) async fn measure(program: &Path, plan: &Plan, disk: &Path) -> anyhow::Result<Found> {
    let folder = disk.join("pages");
    company::write(&folder, 200, "sqlite")?;
    let spare: Vec<String> = (1..plan.connectors)
        .map(|at| format!("spare{at}"))
        .collect();
    for name in &spare {
        fs::write(
            folder.join(format!("connectors/{name}.yaml")),
            connector(name),
        )?;
    }
    let token = company::open(program, &folder, &[])?;
    let peer = Peer::start("console", program, (folder.clone(), token), &[])?;
    peer.settle().await?;
    let mut records = 0;
    while records < plan.records {
        let window = (Duration::ZERO, Duration::from_secs(1));
        let filled = load::run((&peer.target, Work::Small), CALLERS, window, || {}).await?;
        ensure!(filled.errors == 0, "{:?}", filled.first_error);
        records += filled.micros.len() as u64;
    }
    let pages = LocalSet::new()
        .run_until(look(&peer, &folder, plan.looks))
        .await?;
    Ok(Found {
        pages,
        connectors: plan.connectors,
        records,
    })
}

/// A connector that nobody calls.
fn connector(name: &str) -> String {
    let mut text = String::new();
    let _ = write!(
        text,
        "connector: {name}\n\
         purpose: {{task: Stand in a list, owner: {OPERATOR}, review_every: 90d}}\n\
         system: {{kind: mcp, url: \"http://127.0.0.1:9/mcp\"}}\n\
         scope: {{label: internal, tools: {{echo: {{power: read}}}}, pinned: {{tools: {{echo: {{inputSchema: {{type: object}}}}}}}}}}\n\
         access: [read]\n\
         identity: {{account: none, approved_by: {OPERATOR}}}\n\
         permissions:\n  - {{who: [everyone], may: [read]}}\n\
         logging: {{keep: 400d}}\n\
         recovery: {{pause: [\"group:owners\"]}}\n"
    );
    text
}

/// Somebody who has signed in.
struct Visitor<'a> {
    sender: SendRequest<Full<Bytes>>,
    host: &'a str,
    cookie: String,
}

async fn look(peer: &Peer, folder: &Path, looks: usize) -> anyhow::Result<Vec<Page>> {
    let mut visitor = Visitor {
        sender: load::connect(&peer.target).await?,
        host: load::authority(&peer.target.url),
        cookie: String::new(),
    };
    visitor.sign_in(folder).await?;
    let record = visitor.newest_record().await?;
    let paths = [
        "/".to_owned(),
        "/?text=spare9".to_owned(),
        "/approvals".to_owned(),
        "/activity".to_owned(),
        format!("/activity?person={PERSON}&status=ok&connector=handbook"),
        "/activity?text=no+such+text+anywhere".to_owned(),
        format!("/activity/{record}"),
        "/connectors/handbook".to_owned(),
        "/connectors/handbook/access".to_owned(),
        "/connectors/handbook/revisions".to_owned(),
        "/connectors/handbook/usage".to_owned(),
        "/lifecycle".to_owned(),
        "/people".to_owned(),
        format!("/people/explain?person={PERSON}&client=bench&tool=handbook_search"),
        "/sources".to_owned(),
    ];
    let mut pages = Vec::new();
    for path in paths {
        let mut page = Page {
            bytes: visitor.page(&path).await?.len(),
            micros: Vec::new(),
            path,
        };
        for _ in 0..looks {
            let began = Instant::now();
            visitor.page(&page.path).await?;
            let micros = began.elapsed().as_micros();
            page.micros.push(u64::try_from(micros).unwrap_or(u64::MAX));
        }
        page.micros.sort_unstable();
        ensure!(
            page.bytes <= MOST_BYTES,
            "{} has {} bytes",
            page.path,
            page.bytes
        );
        pages.push(page);
    }
    Ok(pages)
}

impl Visitor<'_> {
    /// By a link, as `drawbridge console` makes one.
    async fn sign_in(&mut self, folder: &Path) -> anyhow::Result<()> {
        let local = fs::read_to_string(company::local_token(folder))?;
        let asked = Request::post("/api/v1/console/links")
            .header(header::AUTHORIZATION, format!("Bearer {}", local.trim()))
            .header(header::CONTENT_TYPE, "application/json");
        let (_, body) = self.send(asked, "{}").await?;
        let answer: Value = serde_json::from_str(&body)?;
        let link = answer.pointer("/data/link").and_then(Value::as_str);
        let link = link.with_context(|| body.clone())?;
        let path = link.find("/sign-in").and_then(|at| link.get(at..));
        let path = path.context("a link elsewhere")?;
        let (response, _) = self.send(Request::get(path), "").await?;
        let cookie = response.headers().get(header::SET_COOKIE);
        let cookie = cookie.context("no session")?.to_str()?;
        cookie
            .split(';')
            .next()
            .unwrap_or_default()
            .clone_into(&mut self.cookie);
        Ok(())
    }

    async fn newest_record(&mut self) -> anyhow::Result<String> {
        let list = self.page("/activity").await?;
        let (_, rest) = list.split_once("href=\"/activity/0").context("no record")?;
        let rest = rest.split('"').next().unwrap_or_default();
        Ok(format!("0{rest}"))
    }

    async fn page(&mut self, path: &str) -> anyhow::Result<String> {
        let (response, body) = self.send(Request::get(path), "").await?;
        ensure!(
            response.status() == 200,
            "{path}: {}: {body}",
            response.status()
        );
        Ok(body)
    }

    async fn send(
        &mut self,
        asked: hyper::http::request::Builder,
        body: &str,
    ) -> anyhow::Result<(Response<()>, String)> {
        let asked = asked
            .header(header::HOST, self.host)
            .header(header::COOKIE, &self.cookie)
            .body(Full::from(body.to_owned()))?;
        self.sender.ready().await?;
        let response: Response<Incoming> = self.sender.send_request(asked).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        Ok((Response::from_parts(parts, ()), text))
    }
}
