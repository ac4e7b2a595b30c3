//! Sign-in by an outside issuer: a real process, over real HTTP, that rotates its keys and fails.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use drawbridge::{
    identify::{Identify, Unidentified},
    store::{Place, Store},
};
use drawbridge_core::{
    call::{Caller, Door},
    connector::Clock,
    file::{GatewayFile, read_gateway},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::house::{House, answer};

const AUDIENCE: &str = "https://ai.acme.example/mcp";

struct Issuer {
    child: Child,
    url: String,
    http: reqwest::Client,
}

impl Issuer {
    fn start() -> Self {
        let python = std::env::var_os("DRAWBRIDGE_TEST_PYTHON")
            .expect("`./test` makes a Python for the issuer and names it here");
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/issuer.py");
        let mut child = Command::new(python)
            .arg(script)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            child,
            url: url.trim().to_owned(),
            http,
        }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let request = self.http.post(format!("{}{path}", self.url)).json(&body);
        answer(request).await.1
    }

    async fn sign(&self, body: Value) -> String {
        self.post("/sign", body).await["token"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    async fn good(&self) -> String {
        self.sign(json!({"claims": {"aud": AUDIENCE, "groups": ["staff"]}}))
            .await
    }

    async fn looks(&self) -> u64 {
        let request = self.http.get(format!("{}/looks", self.url));
        answer(request).await.1["looks"].as_u64().unwrap()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The wall clock, with a clock beside it that a test sets forward.
#[derive(Default)]
struct Hands(Mutex<Duration>);

impl Clock for Hands {
    #[expect(
        clippy::disallowed_methods,
        reason = "the issuer has the wall clock too"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

struct Gate {
    identify: Identify,
    file: GatewayFile,
    hands: Arc<Hands>,
    store: Store,
    _keep: tempfile::TempDir,
}

impl Gate {
    async fn new(issuer: &str) -> Self {
        let keep = tempfile::tempdir().unwrap();
        let file = format!(
            "gateway: house\noperator: olga@x.example\npeople: {{olga@x.example: {{}}}}\n\
             oidc: {{issuer: \"{issuer}\", audience: \"{AUDIENCE}\"}}\n"
        );
        let file = read_gateway("drawbridge.yaml", &file).unwrap();
        let store = Store::open(&Place::Sqlite(keep.path().join("store.db")))
            .await
            .unwrap();
        let hands = Arc::new(Hands::default());
        let identify = Identify::new(keep.path(), store.clone(), hands.clone()).unwrap();
        Self {
            identify,
            file,
            hands,
            store,
            _keep: keep,
        }
    }

    async fn caller(&self, token: &str) -> Result<Caller, Unidentified> {
        let mut headers = http::HeaderMap::new();
        headers.insert("host", "localhost".parse().unwrap());
        headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
        self.identify.caller(&headers, Door::Mcp, &self.file).await
    }

    fn later(&self, seconds: u64) {
        *self.hands.0.lock().unwrap() += Duration::from_secs(seconds);
    }
}

#[tokio::test]
async fn tokens_of_the_issuer_are_checked_through_rotation_and_failure() {
    let issuer = Issuer::start();
    let gate = Gate::new(&issuer.url).await;
    let first = issuer.good().await;
    let caller = gate.caller(&first).await.unwrap();
    assert_eq!(
        (caller.person.id.as_str(), &*caller.client),
        ("ann", "claude")
    );
    assert!(caller.person.groups.contains("staff"));
    for (body, good) in [
        (json!({"claims": {"aud": "https://other.example"}}), false),
        (
            json!({"claims": {"aud": AUDIENCE, "iss": "https://other.example"}}),
            false,
        ),
        (
            json!({"claims": {"aud": AUDIENCE}, "shift": {"exp": -300}}),
            false,
        ),
        (
            json!({"claims": {"aud": AUDIENCE}, "shift": {"exp": -30}}),
            true,
        ),
        (
            json!({"claims": {"aud": AUDIENCE}, "shift": {"iat": 300, "nbf": 300}}),
            false,
        ),
        (
            json!({"claims": {"aud": AUDIENCE}, "shift": {"iat": 30, "nbf": 30}}),
            true,
        ),
        (
            json!({"claims": {"aud": AUDIENCE, "client_id": "command-line"}}),
            false,
        ),
        (
            json!({"claims": {"aud": AUDIENCE, "sub": "anonymous"}}),
            false,
        ),
        (
            json!({"claims": {"aud": AUDIENCE}, "head": {"typ": "logout+jwt"}}),
            false,
        ),
        (
            json!({"claims": {"aud": AUDIENCE}, "head": {"kid": "other"}}),
            false,
        ),
    ] {
        let token = issuer.sign(body.clone()).await;
        assert_eq!(gate.caller(&token).await.is_ok(), good, "{body}");
    }
    // Keys of unknown names cause one look, not one each.
    let before = issuer.looks().await;
    gate.later(11);
    for number in 0..50 {
        let head = json!({"kid": format!("made-up-{number}")});
        let token = issuer
            .sign(json!({"claims": {"aud": AUDIENCE}, "head": head}))
            .await;
        assert!(matches!(
            gate.caller(&token).await,
            Err(Unidentified::Invalid)
        ));
    }
    assert_eq!(issuer.looks().await, before + 1);
    // A new key is found while running; the one that was taken back is good no more.
    gate.later(11);
    issuer.post("/rotate", json!({})).await;
    let second = issuer.good().await;
    assert!(gate.caller(&second).await.is_ok(), "the new key");
    assert!(gate.caller(&first).await.is_err(), "the old key");
    // The issuer is down: known keys serve on, for a day.
    issuer.post("/mode", json!({"mode": "down"})).await;
    gate.later(23 * 3600);
    assert!(gate.caller(&second).await.is_ok(), "within a day");
    assert!(gate.identify.ready(&gate.file).await.is_ok());
    gate.later(2 * 3600);
    assert!(
        matches!(gate.caller(&second).await, Err(Unidentified::Issuer)),
        "after a day"
    );
    assert!(gate.identify.ready(&gate.file).await.is_err());
    issuer.post("/mode", json!({"mode": "ok"})).await;
    gate.later(11);
    assert!(gate.caller(&second).await.is_ok(), "it is back");
    gate.store.close().await;
}

#[tokio::test]
async fn an_issuer_that_misbehaves_is_not_believed() {
    let issuer = Issuer::start();
    for mode in ["redirect", "huge", "wrong", "down"] {
        issuer.post("/mode", json!({"mode": mode})).await;
        let gate = Gate::new(&issuer.url).await;
        let token = issuer.good().await;
        assert!(
            matches!(gate.caller(&token).await, Err(Unidentified::Issuer)),
            "{mode}"
        );
        gate.store.close().await;
    }
    let gate = Gate::new("http://127.0.0.1:9").await;
    assert!(matches!(
        gate.caller(&issuer.good().await).await,
        Err(Unidentified::Issuer)
    ));
    gate.store.close().await;
}

#[tokio::test]
async fn a_client_without_a_token_is_shown_the_way() {
    let issuer = Issuer::start();
    let house = House::open(&format!(
        "oidc: {{issuer: \"{}\", scopes: [bridge]}}\n",
        issuer.url
    ))
    .await;
    let response = house
        .http
        .post(format!("{}/mcp", house.url))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 401);
    let place = format!("{}/.well-known/oauth-protected-resource/mcp", house.url);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.contains(&format!("resource_metadata=\"{place}\"")),
        "{challenge}"
    );
    assert!(challenge.contains("scope=\"bridge\""), "{challenge}");
    let (_, metadata) = answer(house.http.get(&place)).await;
    assert_eq!(metadata["authorization_servers"], json!([issuer.url]));
    let resource = metadata["resource"].clone();
    assert_eq!(resource, json!(format!("{}/mcp", house.url)));
    let narrow = issuer.sign(json!({"claims": {"aud": resource}})).await;
    let response = house
        .http
        .get(format!("{}/api/v1/me", house.url))
        .bearer_auth(&narrow);
    let response = response.send().await.unwrap();
    assert_eq!(response.status(), 403);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.contains("error=\"insufficient_scope\""),
        "{challenge}"
    );
    let wide = issuer
        .sign(json!({"claims": {"aud": resource, "scope": "bridge"}}))
        .await;
    let (code, me) = house.get("/api/v1/me", &wide).await;
    assert_eq!((code, &me["data"]["person"]), (200, &json!("ann")));
    house.close().await;
}
