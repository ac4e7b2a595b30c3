//! Sign-in by an outside issuer: a real process, over real HTTP, that rotates its keys and fails.

mod browser;
mod door;
mod kept;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use drawbridge::{
    identify::{Identify, Unidentified, mint},
    store::{Place, Store},
};
use drawbridge_core::{
    call::{Caller, Door},
    connector::Clock,
    file::{GatewayFile, read_gateway},
    secret::Secret,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::house::{House, answer};

const AUDIENCE: &str = "https://ai.acme.example/mcp";

pub(crate) struct Issuer {
    child: Child,
    pub(crate) url: String,
    http: reqwest::Client,
}

impl Issuer {
    pub(crate) fn start() -> Self {
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

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
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
        let identify =
            Identify::new((keep.path(), b"secret"), store.clone(), hands.clone()).unwrap();
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

#[tokio::test]
async fn a_claim_makes_nobody_one_of_the_files_people() {
    let issuer = Issuer::start();
    let house = House::open_with(
        "olga@x.example: {subject: s-olga}",
        &format!(
            "oidc: {{issuer: \"{}\", claims: {{person: email}}}}\n",
            issuer.url
        ),
    )
    .await;
    let audience = format!("{}/mcp", house.url);
    let me = async |claims: Value| {
        let mut claims = claims;
        claims["aud"] = json!(audience);
        claims["email_verified"] = claims.get("email_verified").cloned().unwrap_or(json!(true));
        let token = issuer.sign(json!({"claims": claims})).await;
        let (code, told) = house.get("/api/v1/me", &token).await;
        (code, told, token)
    };
    // Whoever the issuer calls so is not the owner whom the file calls so.
    for email in [
        "olga@x.example",
        "Olga@X.example",
        "ann@x.example",
        "drawbridge",
    ] {
        let (code, told, token) = me(json!({"sub": "s-mallory", "email": email})).await;
        assert_eq!(code, 401, "{email}: {told}");
        assert!(
            told["message"].as_str().unwrap().contains("claims a name"),
            "{told}"
        );
        assert_eq!(house.get("/metrics", &token).await.0, 401);
    }
    let (code, told, _) =
        me(json!({"sub": "s-eve", "email": "eve@x.example", "email_verified": false})).await;
    assert_eq!(code, 401, "{told}");
    let (code, told, token) = me(json!({"sub": "s-eve", "email": "eve@x.example"})).await;
    assert_eq!(
        (code, &told["data"]["person"]),
        (200, &json!("eve@x.example"))
    );
    assert_eq!(
        house.get("/metrics", &token).await.0,
        403,
        "she is no owner"
    );
    // The subject that the file names is the owner, whatever the address says; groups add up.
    let (code, told, token) =
        me(json!({"sub": "s-olga", "email": "o.new@x.example", "groups": ["board"]})).await;
    assert_eq!(
        (code, &told["data"]["person"]),
        (200, &json!("olga@x.example"))
    );
    assert_eq!(told["data"]["groups"], json!(["board"]));
    assert_eq!(house.get("/metrics", &token).await.0, 200, "the owner");
    // Groups are those of the token at hand: the next one may have others.
    let (_, told, _) = me(json!({"sub": "s-olga", "email": "x@x.example"})).await;
    assert_eq!(told["data"]["groups"], json!([]));
    // Not even the owner's sign-in changes the gateway through an AI client.
    let (code, told) = house
        .post("/api/v1/tokens", &token, r#"{"client": "x"}"#)
        .await;
    assert_eq!((code, &told["status"]), (403, &json!("denied")), "{told}");
    let (_, kept) = house.get("/api/v1/records?action=sign_in", &token).await;
    assert!(
        !kept["data"]["records"].as_array().unwrap().is_empty(),
        "failed sign-ins are on the log: {kept}"
    );
    house.close().await;
}

#[tokio::test]
async fn each_resource_has_its_own_metadata_and_tokens() {
    let issuer = Issuer::start();
    let house = House::open(&format!("oidc: {{issuer: \"{}\"}}\n", issuer.url)).await;
    let base = &house.url;
    for (path, resource) in [
        ("", "/mcp"),
        ("/mcp", "/mcp"),
        ("/mcp/handbook", "/mcp/handbook"),
    ] {
        let place = format!("{base}/.well-known/oauth-protected-resource{path}");
        let (code, told) = answer(house.http.get(place)).await;
        assert_eq!(
            (code, &told["resource"]),
            (200, &json!(format!("{base}{resource}"))),
            "{path}"
        );
        assert_eq!(told["authorization_servers"], json!([issuer.url]));
    }
    for (path, metadata) in [
        ("/mcp", "/mcp"),
        ("/mcp/handbook", "/mcp/handbook"),
        ("/api/v1/me", "/mcp"),
    ] {
        let response = house
            .http
            .post(format!("{base}{path}"))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 401);
        let challenge = response.headers()["www-authenticate"].to_str().unwrap();
        let place =
            format!("resource_metadata=\"{base}/.well-known/oauth-protected-resource{metadata}\"");
        assert!(challenge.contains(&place), "{challenge}");
    }
    let whole = issuer
        .sign(json!({"claims": {"aud": format!("{base}/mcp")}}))
        .await;
    let part = issuer
        .sign(json!({"claims": {"aud": format!("{base}/mcp/handbook")}}))
        .await;
    let other = issuer
        .sign(json!({"claims": {"aud": format!("{base}/mcp/crm")}}))
        .await;
    for (token, path, let_in) in [
        (&whole, "/mcp", true),
        (&whole, "/mcp/handbook", true),
        (&part, "/mcp/handbook", true),
        (&part, "/mcp", false),
        (&part, "/mcp/crm", false),
        (&part, "/api/v1/me", false),
        (&other, "/mcp/handbook", false),
    ] {
        let (code, told) = house
            .post(path, token, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)
            .await;
        assert_eq!(code != 401, let_in, "{path}: {told}");
    }
    house.close().await;
}

/// Tokens end by their time, by revoking and with their person, and say when they were used last.
async fn tokens_live_and_end(place: Place) {
    let keep = tempfile::tempdir().unwrap();
    let store = Store::open(&place).await.unwrap();
    let file = "gateway: house\noperator: olga@x.example\npeople: {olga@x.example: {}}\n";
    let file = read_gateway("drawbridge.yaml", file).unwrap();
    let hands = Arc::new(Hands::default());
    let identify = Identify::new((keep.path(), b"secret"), store.clone(), hands.clone()).unwrap();
    let now = hands.now();
    let make = async |person: &str, expires: Option<Timestamp>| {
        let (kept, shown) = mint((person, "claude", "test"), now, expires).unwrap();
        store.add_token(&kept).await.unwrap();
        assert!(
            !format!("{kept:?}").contains(shown.expose()),
            "the token itself is kept"
        );
        (kept.id, shown.expose().clone())
    };
    let let_in = async |token: &str| {
        let mut headers = http::HeaderMap::new();
        headers.insert("host", "localhost".parse().unwrap());
        headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
        identify.caller(&headers, Door::Api, &file).await.is_ok()
    };
    let (id, good) = make("olga@x.example", Some(now + Duration::from_secs(3600))).await;
    let (_, over) = make("olga@x.example", Some(now)).await;
    let (_, stranger) = make("nobody@x.example", None).await;
    assert!(let_in(&good).await);
    assert!(!let_in(&over).await && !let_in(&stranger).await);
    identify.close().await;
    let used = store.token(&id).await.unwrap().unwrap().last_used;
    assert!(used.is_some_and(|used| used >= now), "{used:?}");
    assert!(
        store
            .revoke_token(&id, "olga@x.example", now)
            .await
            .unwrap()
    );
    assert!(!let_in(&good).await, "it was revoked");
    store.close().await;
}

#[tokio::test]
async fn tokens_live_and_end_on_sqlite() {
    let keep = tempfile::tempdir().unwrap();
    tokens_live_and_end(Place::Sqlite(keep.path().join("store.db"))).await;
}

#[tokio::test]
async fn tokens_live_and_end_on_postgresql() {
    let url = std::env::var_os("DRAWBRIDGE_TEST_POSTGRES").expect("`./test` names a PostgreSQL");
    let url = Secret::new(url.into_string().unwrap());
    tokens_live_and_end(Place::Postgres(url)).await;
}
