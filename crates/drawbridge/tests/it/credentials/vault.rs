//! A server with the key-value interface of HashiCorp Vault, over loopback: as it should be, slow and
//! broken. It answers only to the right token at the right path.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use super::{holds, nowhere, with_credential};
use crate::gate::{GATEWAY, Site};

const CANARY: &str = "canary-vault-77aa";
const TOKEN: &str = "hvs.canary-token-31bd";

/// What the server does at the next request.
#[derive(Clone, Default)]
enum Mood {
    #[default]
    Good,
    Status(u16),
    Body(String),
    Redirect(String),
    Slow,
    Drip,
    Huge,
}

#[derive(Default)]
struct Server {
    /// Secrets by path and version.
    kept: BTreeMap<(String, u64), Value>,
    mood: Mood,
    asked: Vec<String>,
}

type Shared = Arc<Mutex<Server>>;

async fn answer(State(server): State<Shared>, request: Request) -> Response {
    let token = request.headers().get("x-vault-token").cloned();
    let target = request.uri().to_string();
    let (mood, found) = {
        let mut server = server.lock().unwrap();
        server.asked.push(target.clone());
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let newest = server.kept.keys().filter(|(at, _)| at == path);
        let newest = newest.map(|(_, version)| *version).max().unwrap_or(0);
        let wanted = query.strip_prefix("version=");
        let version = wanted.map_or(newest, |text| text.parse().unwrap());
        let found = server.kept.get(&(path.to_owned(), version)).cloned();
        (server.mood.clone(), found.map(|found| (found, version)))
    };
    if token.is_none_or(|token| token != TOKEN) {
        let told = json!({"errors": ["permission denied"]}).to_string();
        return (StatusCode::FORBIDDEN, told).into_response();
    }
    match mood {
        Mood::Good => {}
        Mood::Status(code) => {
            let told = json!({"errors": [CANARY]}).to_string();
            return (StatusCode::from_u16(code).unwrap(), told).into_response();
        }
        Mood::Body(text) => return text.into_response(),
        Mood::Redirect(to) => {
            return (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response();
        }
        Mood::Slow => tokio::time::sleep(Duration::from_secs(60)).await,
        Mood::Drip => {
            let drip = futures_util::stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Some((Ok::<_, std::io::Error>(" "), ()))
            });
            return axum::body::Body::from_stream(drip).into_response();
        }
        Mood::Huge => return "x".repeat(2 << 20).into_response(),
    }
    match found {
        None => (StatusCode::NOT_FOUND, json!({"errors": []}).to_string()).into_response(),
        Some((data, version)) if target.contains("/data/") => {
            let metadata = json!({"version": version, "destroyed": false});
            axum::Json(json!({"data": {"data": data, "metadata": metadata}})).into_response()
        }
        Some((data, _)) => axum::Json(json!({"data": data, "lease_duration": 1})).into_response(),
    }
}

/// The server, until this is dropped.
struct Vault {
    address: String,
    server: Shared,
    _serving: JoinSet<()>,
}

impl Vault {
    async fn start() -> Self {
        let server = Shared::default();
        let router = Router::new()
            .route("/{*path}", get(answer))
            .with_state(server.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            server,
            _serving: serving,
        }
    }

    fn keep(&self, path: &str, version: u64, value: Value) {
        let mut server = self.server.lock().unwrap();
        server.kept.insert((path.to_owned(), version), value);
    }

    fn mood(&self, mood: Mood) {
        self.server.lock().unwrap().mood = mood;
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.server.lock().unwrap().asked)
    }
}

/// What `secret show` prints; run off this thread, on which the server may have to answer.
async fn told(site: &Arc<Site>, name: &'static str, token: &'static str) -> (Value, Vec<u8>) {
    let site = site.clone();
    let run = move || {
        let mut command = site.command(&["--json", "secret", "show", name]);
        command.env("VAULT_TOKEN", token).output().unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let data: Value = serde_json::from_slice(&output.stdout).unwrap();
    let all = [output.stdout, output.stderr].concat();
    assert!(!holds(&all, "canary"), "{}", String::from_utf8_lossy(&all));
    (data["data"].clone(), all)
}

fn site(vault: &Vault, more: &str) -> Arc<Site> {
    Arc::new(Site::new(&format!(
        "{GATEWAY}credentials:\n\
         \x20 two: {{from: {{vault: {{address: '{0}', path: app/crm, field: pass, token: env:VAULT_TOKEN{more}}}}}}}\n\
         \x20 one: {{from: {{vault: {{address: '{0}', mount: kv, path: crm, engine: 1, token: file:token}}}}}}\n",
        vault.address
    )))
}

#[tokio::test]
async fn both_engines_give_what_they_keep_and_two_versions_during_a_rotation() {
    let vault = Vault::start().await;
    let site = site(&vault, "");
    site.write("token", &format!("{TOKEN}\n"));
    vault.keep(
        "/v1/secret/data/app/crm",
        1,
        json!({"pass": CANARY, "user": "crm"}),
    );
    vault.keep("/v1/kv/crm", 0, json!({"password": CANARY}));
    let (known, _) = told(&site, "two", TOKEN).await;
    assert_eq!(known["in_force"], json!(["vault-1"]), "{known}");
    assert_eq!(known["kept"], "vault");
    assert_eq!(vault.asked(), ["/v1/secret/data/app/crm"]);
    let (known, _) = told(&site, "one", TOKEN).await;
    assert_eq!(known["in_force"].as_array().unwrap().len(), 1, "{known}");
    assert_eq!(vault.asked(), ["/v1/kv/crm"]);

    // The one before stands beside the newest until a target let that in.
    vault.keep(
        "/v1/secret/data/app/crm",
        2,
        json!({"pass": "canary-second"}),
    );
    let (known, _) = told(&site, "two", TOKEN).await;
    assert_eq!(known["in_force"], json!(["vault-2", "vault-1"]), "{known}");
    assert_eq!(vault.asked().len(), 2);
    super::change(
        &site,
        "UPDATE credential_versions SET accepted = 1 WHERE version = 'vault-2'",
    )
    .await;
    let (known, _) = told(&site, "two", TOKEN).await;
    assert_eq!(known["in_force"], json!(["vault-2"]), "{known}");
    assert_eq!(vault.asked().len(), 1);
    // One that was destroyed there is gone.
    vault.keep(
        "/v1/secret/data/app/crm",
        4,
        json!({"pass": "canary-fourth"}),
    );
    let (known, _) = told(&site, "two", TOKEN).await;
    assert_eq!(known["in_force"], json!(["vault-4"]), "{known}");
    nowhere(&site, CANARY).await;
    nowhere(&site, "canary-fourth").await;
}

#[tokio::test]
async fn what_a_vault_does_wrong_is_told_in_time_and_without_its_words() {
    let vault = Vault::start().await;
    let site = site(&vault, ", timeout: 500ms");
    let at = "/v1/secret/data/app/crm";
    vault.keep(at, 1, json!({"pass": CANARY}));
    let why = async |mood: Mood, token: &'static str| {
        vault.mood(mood);
        let began = Instant::now();
        let (known, _) = told(&site, "two", token).await;
        assert!(began.elapsed() < Duration::from_secs(20));
        assert_eq!(known["in_force"], json!([]), "{known}");
        known["problem"].as_str().unwrap().to_owned()
    };
    let told_wrong = why(Mood::Good, "hvs.canary-wrong").await;
    assert!(
        told_wrong.contains("does not let the token read `secret/app/crm`"),
        "{told_wrong}"
    );
    let no_token = why(Mood::Good, "").await;
    assert!(
        no_token.contains("the variable `VAULT_TOKEN` is not set"),
        "{no_token}"
    );
    let split = why(Mood::Good, "hvs.canary\nX-Other: 1").await;
    assert!(split.contains("cannot be sent"), "{split}");
    // The token goes nowhere but to the address that the file names.
    let elsewhere = Vault::start().await;
    elsewhere.keep(at, 1, json!({"pass": "x"}));
    let to = format!("{}{at}", elsewhere.address);
    let redirect = why(Mood::Redirect(to), TOKEN).await;
    assert!(
        redirect.contains("sends elsewhere (status 307)"),
        "{redirect}"
    );
    assert!(elsewhere.asked().is_empty());
    for (mood, sentence) in [
        (Mood::Status(400), "does not let the token read"),
        (Mood::Status(403), "does not let the token read"),
        (Mood::Status(404), "there is nothing at"),
        (Mood::Status(429), "cannot answer (status 429)"),
        (Mood::Status(500), "cannot answer (status 500)"),
        (Mood::Status(503), "is sealed or cannot answer (status 503)"),
        (Mood::Body(String::new()), "no answer of a vault"),
        (Mood::Body(format!("\"{CANARY}\"")), "no answer of a vault"),
        (
            Mood::Body(format!("<p>{CANARY}</p>")),
            "no answer of a vault",
        ),
        (
            Mood::Body(json!({"data": CANARY}).to_string()),
            "no answer of a vault",
        ),
        (
            Mood::Body(json!({"data": {"data": {"other": CANARY}}}).to_string()),
            "no text in the field `pass`",
        ),
        (
            Mood::Body(json!({"data": {"data": {"pass": [CANARY]}}}).to_string()),
            "no text in the field",
        ),
        (
            Mood::Body(json!({"data": {"data": {"pass": ""}}}).to_string()),
            "holds nothing",
        ),
        (Mood::Slow, "has not answered for 500 ms"),
        (Mood::Drip, "has not answered for 500 ms"),
        (Mood::Huge, "more than 1048576 bytes"),
    ] {
        let told = why(mood, TOKEN).await;
        assert!(told.contains(sentence), "{sentence}: {told}");
    }
    let gone = site_of_nobody();
    let (known, _) = told(&gone, "two", TOKEN).await;
    let told_gone = known["problem"].as_str().unwrap();
    assert!(
        told_gone.contains("the vault cannot be reached"),
        "{told_gone}"
    );
}

/// A vault that nobody runs.
fn site_of_nobody() -> Arc<Site> {
    Arc::new(Site::new(&format!(
        "{GATEWAY}credentials:\n  two: {{from: {{vault: {{address: 'http://127.0.0.1:1', path: crm, \
         token: env:VAULT_TOKEN}}}}}}\n"
    )))
}

#[tokio::test]
async fn the_checklist_is_red_while_the_vault_gives_nothing() {
    let vault = Vault::start().await;
    let site = site(&vault, "");
    site.write("token", TOKEN);
    site.write("notes-files/hello.md", "# Hello\n\nlanterns\n");
    site.write("connectors/notes.yaml", &with_credential("notes", "one"));
    let approve = || {
        let site = site.clone();
        tokio::task::spawn_blocking(move || {
            site.line(&["approve-revision", "notes", "--reason", "x"])
        })
    };
    let output = approve().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("there is nothing at `kv/crm` in the vault"),
        "{said}"
    );
    vault.keep("/v1/kv/crm", 0, json!({"password": CANARY}));
    let output = approve().await.unwrap();
    assert!(output.status.success(), "{output:?}");
}
