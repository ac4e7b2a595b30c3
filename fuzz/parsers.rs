//! Every parser of ours that reads what others write: seeds, and what must hold of any input.
//!
//! Included by the fuzz targets beside this file, and by the short form among the tests.

use std::sync::{Arc, LazyLock, Mutex, atomic::AtomicU32, atomic::Ordering};

use drawbridge::{
    audit::Proof,
    clock::SystemClock,
    door::{json, names},
    identify::{Identify, mint},
    store::{Place, Store},
};
use drawbridge_core::{
    call::{Action, Door},
    connector::Clock,
    decide::{PolicyFile, RuleBook, Ruled},
    file::{FileErrors, GatewayFile, Rate, Span, Who, read_connector, read_gateway},
    log::{
        Record, Seal,
        checkpoint::{PublicKey, Signer},
    },
};
use drawbridge_kinds::kinds::{KINDS, documents::extract, sql};
use http::{HeaderMap, HeaderValue, Uri, header};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

/// One parser.
pub(crate) struct Parser {
    /// The fuzz target's name.
    pub(crate) name: &'static str,
    /// Input that it takes, to start from.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// Reads input, and panics where something does not hold that must.
    pub(crate) read: fn(&[u8]),
}

/// All of them.
pub(crate) static PARSERS: &[Parser] = &[
    Parser {
        name: "gateway_file",
        seeds: || texts(&[GATEWAY]),
        read: gateway_file,
    },
    Parser {
        name: "connector_file",
        seeds: || texts(&[CONNECTOR]),
        read: connector_file,
    },
    Parser {
        name: "policies",
        seeds: || texts(&[POLICIES]),
        read: policies,
    },
    Parser {
        name: "words",
        seeds: || texts(&["90d", "30s", "60/min", "group:hr", "ann@x.se", "person:ann"]),
        read: words,
    },
    Parser {
        name: "json_guard",
        seeds: || texts(&[CALL, "{\"a\":[1,2.5e3,null,true,\"\\u00e5\"]}"]),
        read: json_guard,
    },
    Parser {
        name: "host_and_origin",
        seeds: || {
            texts(&[
                "127.0.0.1:7300\nhttp://localhost:7300",
                "[::1]\nhttps://ai.x.example",
            ])
        },
        read: host_and_origin,
    },
    Parser {
        name: "checkpoint",
        seeds: || vec![NOTE.1.clone().into_bytes()],
        read: checkpoint,
    },
    Parser {
        name: "public_key",
        seeds: || vec![NOTE.0.to_string().into_bytes()],
        read: public_key,
    },
    Parser {
        name: "record",
        seeds: || texts(&[RECORD]),
        read: record,
    },
    Parser {
        name: "proof",
        seeds: || texts(&[PROOF]),
        read: proof,
    },
    Parser {
        name: "seal",
        seeds: || vec![SEAL.seal(b"offset 20").into_bytes()],
        read: seal,
    },
    Parser {
        name: "token",
        seeds: || {
            vec![
                HOUSE.token.clone().into_bytes(),
                b"dbr_0123456789ab_x".to_vec(),
                b"eyJhbGciOiJFUzI1NiJ9.e30.c2ln".to_vec(),
            ]
        },
        read: token,
    },
    Parser {
        name: "markdown",
        seeds: || texts(&["---\nlabel: internal\n---\n# A\n\nb\n\n## C\n```\n# d\n```\n"]),
        read: markdown,
    },
    Parser {
        name: "extract_frames",
        seeds: || vec![b"\0\0\0\x04a.md\0\0\0\x05# A\nb".to_vec()],
        read: extract_frames,
    },
    Parser {
        name: "sql_question",
        seeds: || texts(&QUESTIONS),
        read: sql_question,
    },
];

/// The parser with this name reads some input.
pub(crate) fn read(name: &str, input: &[u8]) {
    let parser = PARSERS.iter().find(|parser| parser.name == name);
    (parser.expect("there is such a parser").read)(input);
}

const GATEWAY: &str = "gateway: acme
address: 127.0.0.1:7300
public_url: https://ai.x.example
hosts: [bridge.lan]
operator: ann@x.se
labels: [public, internal, secret]
people:
  ann@x.se: {name: Ann, groups: [hr], attributes: {department: hr}}
roles: {owner: [\"group:hr\"], reviewer: [ann@x.se]}
oidc: {issuer: https://id.x.example, clock_skew: 60s, claims: {groups: roles}, scopes: [mcp]}
limits: {per_person: 60/min, concurrent: 8, timeout: 30s, answer_bytes: 100000}
anonymous: true
";

const CONNECTOR: &str = "connector: handbook
purpose: {task: Find rules, owner: ann@x.se, review_every: 90d}
system: {kind: documents, folder: docs, stale_after: 24h, when_stale: refuse, limits: {per_client: 20/h}}
scope: {include: [\"**/*.md\"], exclude: [\"x/**\"], label: internal, folders: [{path: \"hr/**\", label: secret, department: hr}]}
access: [read, search]
identity: {account: me, acts_for: service, approved_by: ann@x.se, rotate_every: 90d}
permissions:
  - {who: [everyone], may: [read], only: {label: {up_to: internal}, department: person.department}}
  - {who: [\"group:hr\", \"client:claude\"], may: [read, search], only: {folder: [\"hr/**\", \"x*\"]}}
logging: {keep: 400d, content: digest}
approval: []
recovery: {undo: 7d, pause: [\"group:hr\"]}
";

const POLICIES: &str = "@id(\"a\")
@advice(\"ask somebody else\")
forbid(principal in Drawbridge::Group::\"hr\", action == Drawbridge::Action::\"handbook_search\", resource)
when { context.arguments has query && context.arguments.query like \"*salary*\" }
unless { resource is Drawbridge::Resource && resource.rank < 2 };
";

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"handbook_read","arguments":{"path":"a.md"}}}"#;

const RECORD: &str = r#"{"id":"0190a1b2-0000-7000-8000-000000000000","time":"2026-01-02T03:04:05Z","person":"ann@x.se","client":"claude","door":"mcp","connector":"handbook","action":"read","power":"read","asked":{"arguments":{"path":"00"}},"decided":{"allowed":true,"reasons":["a"]},"status":"ok","returned":{"count":1,"bytes":2,"digest":"00","label":"public","targets":["a.md"]},"duration_us":5}"#;

const PROOF: &str = r#"{"place":0,"body":"e30=","path":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="],"checkpoint":"acme\n1\nAAAA\n\n"}"#;

/// Whatever it is, Markdown is read: in full, and what it says of itself apart from its text.
fn markdown(bytes: &[u8]) {
    let extracted = extract::read("a.md", bytes).expect("Markdown can always be read");
    if extracted.front_error.is_some() {
        assert!(extracted.front.is_empty(), "half of what it says is kept");
    }
    for section in &extracted.sections {
        assert!(section.heading.len() <= 6, "{section:?}");
        assert!(!section.text.trim().is_empty(), "{section:?}");
    }
}

/// The child that reads files answers what is whole and stops at what is not.
fn extract_frames(bytes: &[u8]) {
    let mut answers = Vec::new();
    // A frame that is cut off ends it: that is no fault.
    let _ = extract::answer_all(&mut &*bytes, &mut answers);
    let mut rest = answers.as_slice();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap();
        let answer = after.get(..length).expect("an answer is cut off");
        let answer: Result<extract::Extracted, extract::Unreadable> =
            serde_json::from_slice(answer).expect("an answer is no JSON");
        drop(answer);
        rest = &after[length..];
    }
    assert!(rest.is_empty());
}

fn texts(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// The gateway's file that other files are read beside.
static BESIDE: LazyLock<GatewayFile> =
    LazyLock::new(|| read_gateway("drawbridge.yaml", GATEWAY).expect("the seed is right"));

/// A key, and a checkpoint that it signed.
static NOTE: LazyLock<(PublicKey, String)> = LazyLock::new(|| {
    let signer = Signer::new("acme", &Signer::generate().expect("random")).expect("a key");
    (signer.public(), signer.sign(7, [9; 32], 3))
});

static SEAL: LazyLock<Seal> = LazyLock::new(|| Seal::new(b"secret", "cursor"));

/// What tells callers apart, with one token that is good.
static HOUSE: LazyLock<House> = LazyLock::new(House::open);

struct House {
    runtime: tokio::runtime::Runtime,
    identify: Identify,
    token: String,
    _keep: tempfile::TempDir,
}

impl House {
    fn open() -> Self {
        let keep = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let (identify, token) = runtime.block_on(async {
            let place = Place::Sqlite(keep.path().join("drawbridge.db"));
            let store = Store::open(&place).await.expect("a store");
            let (kept, shown) =
                mint(("ann@x.se", "claude", "test"), clock.now(), None).expect("random");
            store.add_token(&kept).await.expect("kept");
            let identify =
                Identify::new((keep.path(), b"secret"), store, clock.clone()).expect("opened");
            (identify, shown.expose().clone())
        });
        Self {
            runtime,
            identify,
            token,
            _keep: keep,
        }
    }
}

/// Errors lead to a place, and say what to do.
fn told(errors: &FileErrors) {
    assert!(!errors.0.is_empty());
    for error in &errors.0 {
        assert!(error.line > 0 && error.column > 0, "{error:?}");
        assert!(
            !error.rule.is_empty() && !error.mend.is_empty(),
            "{error:?}"
        );
    }
}

fn gateway_file(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    match read_gateway("drawbridge.yaml", text) {
        Ok(file) => assert!(file.person(&file.operator).is_some()),
        Err(errors) => told(&errors),
    }
}

fn connector_file(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    match read_connector("handbook.yaml", "handbook", text, &BESIDE, KINDS) {
        Ok((file, _)) => assert_eq!(file.connector, "handbook"),
        Err(errors) => told(&errors),
    }
}

fn policies(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (file, kind) = read_connector("handbook.yaml", "handbook", CONNECTOR, &BESIDE, KINDS)
        .expect("the seed is right");
    let file = Arc::new(file);
    let actions: Arc<[Arc<Action>]> = kind
        .actions(&file.part())
        .into_iter()
        .map(Arc::new)
        .collect();
    let ruled = Ruled {
        file: &file,
        kind,
        actions: &actions,
    };
    let policies = PolicyFile {
        name: "policies/x.cedar".to_owned(),
        text: text.to_owned(),
    };
    if let Err(errors) = RuleBook::build(&BESIDE, &[ruled], &[policies]) {
        told(&errors);
        let ours = errors
            .0
            .iter()
            .find(|error| error.file == "drawbridge.yaml");
        assert_eq!(ours, None, "a policy broke what is ours");
    }
}

/// What is read and printed is read as the same again.
fn words(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(span) = text.parse::<Span>() {
        assert_eq!(span.to_string().parse(), Ok(span));
    }
    if let Ok(rate) = text.parse::<Rate>() {
        assert_eq!(rate.to_string().parse(), Ok(rate));
    }
    if let Ok(who) = text.parse::<Who>() {
        assert_eq!(who.to_string().parse(), Ok(who));
    }
}

fn json_guard(input: &[u8]) {
    if json::check(input).is_ok() {
        let value: serde_json::Value = serde_json::from_slice(input).expect("the parser takes it");
        let printed = serde_json::to_vec(&value).expect("it prints");
        assert_eq!(json::check(&printed), Ok(()), "no key comes twice");
    }
}

/// Host in the first line, origin in the second: neither leads to a name that is not ours.
fn host_and_origin(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let mut headers = HeaderMap::new();
    let Some(Ok(host)) = lines.next().map(HeaderValue::from_bytes) else {
        return;
    };
    headers.insert(header::HOST, host);
    let Some(called) = names::authority(&Uri::from_static("/mcp"), &headers) else {
        return;
    };
    let own = [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "ai.x.example",
        "bridge.lan",
    ];
    let ours = |host: &str| own.iter().any(|own| own.eq_ignore_ascii_case(host));
    assert!(
        !names::is_own(&BESIDE, &called) || ours(called.host()),
        "{called}"
    );
    let origin = lines
        .next()
        .and_then(|origin| std::str::from_utf8(origin).ok());
    if let Some(origin) = origin
        && names::is_own(&BESIDE, &called)
        && names::is_own_origin(&BESIDE, origin, &called)
    {
        let from: Uri = origin.parse().expect("an address");
        assert!(from.host().is_some_and(ours), "{origin}");
    }
}

/// Nothing but what the key signed opens.
fn checkpoint(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(opened) = NOTE.0.open(text) {
        assert_eq!((opened.size, opened.root), (7, [9; 32]));
        // Others may have signed it too: further lines change nothing of what it says.
        let (said, _) = NOTE.1.split_once("\n\n").expect("a note");
        assert!(text.starts_with(said), "{text}");
    }
}

fn public_key(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(key) = PublicKey::parse(text) {
        assert_eq!(PublicKey::parse(&key.to_string()), Ok(key));
    }
}

fn record(input: &[u8]) {
    if let Ok(record) = serde_json::from_slice::<Record>(input) {
        let printed = serde_json::to_vec(&record).expect("it prints");
        let again = serde_json::from_slice::<Record>(&printed).expect("it reads");
        assert_eq!(again, record);
    }
}

fn proof(input: &[u8]) {
    if let Ok(proof) = serde_json::from_slice::<Proof>(input) {
        assert_eq!(proof.record(&NOTE.0), None, "nothing is on this log");
    }
}

fn seal(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Some(content) = SEAL.open(text) {
        assert_eq!(content, b"offset 20");
        assert_eq!(SEAL.seal(&content), text, "it has one spelling");
    }
}

/// A token is good for one person or for nobody.
fn token(input: &[u8]) {
    let mut headers = HeaderMap::new();
    let Ok(value) = HeaderValue::from_bytes(&[b"Bearer ", input].concat()) else {
        return;
    };
    headers.insert(header::AUTHORIZATION, value);
    let found = HOUSE.identify.caller(&headers, Door::Mcp, &BESIDE);
    if let Ok(caller) = HOUSE.runtime.block_on(found) {
        assert_eq!(caller.person.id, "ann@x.se");
        assert_eq!(input.trim_ascii(), HOUSE.token.as_bytes());
    }
}

const QUESTIONS: [&str; 12] = [
    "SELECT * FROM customers",
    "SELECT c.id, o.note FROM customers c JOIN orders o ON o.customer_id = c.id ORDER BY 1 LIMIT 5",
    "WITH a AS (SELECT id, name FROM customers) SELECT count(*) FROM a WHERE name LIKE 'A%'",
    "SELECT id FROM customers UNION SELECT customer_id FROM orders",
    "SELECT name, count(*) FILTER (WHERE id > 1) FROM customers GROUP BY name HAVING count(*) > 0",
    "SELECT id, row_number() OVER (PARTITION BY name ORDER BY id DESC) FROM customers",
    "SELECT (SELECT max(o.id) FROM orders o WHERE o.customer_id = c.id) FROM customers c",
    "SELECT CASE WHEN email IS NULL THEN 'none' ELSE upper(email) END AS \"e\" FROM customers",
    "SELECT secret, vault.word FROM customers, vault -- /* ' */ ;",
    "SELECT 'it''s \\' || \"secret\" || [word] || `region` FROM main.customers NATURAL JOIN vault",
    "SELECT * FROM (VALUES (1, 'a')) AS v, orders WHERE (id, note) IN (SELECT id, note FROM orders)",
    "SELECT - id, CAST(id AS TEXT), id BETWEEN 1 AND 2, id IN (1, 2) FROM customers AS vault",
];

/// Two databases that are alike but for what nobody may see of them.
static HIDDEN: LazyLock<Hidden> = LazyLock::new(Hidden::open);

struct Hidden {
    runtime: tokio::runtime::Runtime,
    databases: Mutex<[SqliteConnection; 2]>,
}

/// How often SQLite is asked whether to go on, once in a thousand steps.
const MOST_ASKED: u32 = 2_000;

impl Hidden {
    fn open() -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let rows = [
            "(2, 'canary', 'south', 'canary@c', 'canary'), (3, 'Bo', NULL, 'b', 'b'),",
            "",
        ];
        let databases = rows.map(|rows| {
            let word = if rows.is_empty() { "" } else { "canary" };
            let schema = format!(
                "CREATE TABLE customers (id INTEGER PRIMARY KEY, name, region, email, secret);
                 CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id, note, margin);
                 CREATE TABLE vault (id INTEGER PRIMARY KEY, word);
                 INSERT INTO customers VALUES {rows} (1, 'Ann', 'north', 'a{word}@x', '{word}');
                 INSERT INTO orders VALUES (1, 1, 'one', '{word}'), (2, 2, NULL, '{word}');
                 INSERT INTO vault VALUES (1, '{word}');"
            );
            runtime.block_on(async {
                let mut database = SqliteConnection::connect(":memory:").await.expect("opened");
                let made = sqlx::raw_sql(AssertSqlSafe(schema))
                    .execute(&mut database)
                    .await;
                made.expect("it is SQL");
                database
            })
        });
        let databases = Mutex::new(databases);
        Self { runtime, databases }
    }

    /// The answers of both, or nothing where it takes too long.
    fn ask(&self, text: &str, values: &[String]) -> Option<[Vec<String>; 2]> {
        let mut databases = self.databases.lock().expect("it is held for one question");
        let [one, other] = &mut *databases;
        self.runtime.block_on(async {
            let one = answer(one, text, values).await?;
            Some([one, answer(other, text, values).await?])
        })
    }
}

async fn answer(
    database: &mut SqliteConnection,
    text: &str,
    values: &[String],
) -> Option<Vec<String>> {
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    let mut handle = database.lock_handle().await.expect("it works");
    handle.set_progress_handler(1_000, move || {
        count.fetch_add(1, Ordering::Relaxed) < MOST_ASKED
    });
    drop(handle);
    let mut query = sqlx::query(AssertSqlSafe(text.to_owned()));
    for value in values {
        query = query.bind(value);
    }
    let rows = query.fetch_all(database).await;
    if asked.load(Ordering::Relaxed) >= MOST_ASKED {
        return None;
    }
    let cell = |row: &sqlx::sqlite::SqliteRow, at: usize| {
        let bytes: Option<Vec<u8>> = row.get_unchecked(at);
        bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    Some(match rows {
        Ok(rows) => rows
            .iter()
            .map(|row| {
                format!(
                    "{:?}",
                    (0..row.len()).map(|at| cell(row, at)).collect::<Vec<_>>()
                )
            })
            .collect(),
        Err(error) => vec![error.to_string()],
    })
}

/// Whatever is let through reads nothing but what may be seen: what else there is changes no answer.
fn sql_question(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let scope = serde_json::json!({"tables": {
        "customers": {"key": "id", "fields": ["id", "name", "email"], "mask": {"email": "partial"},
            "rows": "region = :person.region"},
        "orders": {"key": "id", "fields": ["id", "customer_id", "note"]},
    }});
    let given = [("person.region".to_owned(), "north".to_owned())].into();
    let Ok((rewritten, values)) = sql::rewritten(&scope, &given, text) else {
        return;
    };
    if let Some([full, bare]) = HIDDEN.ask(&rewritten, &values) {
        assert_eq!(full, bare, "{rewritten}");
        let told = full.join(" ").to_lowercase();
        assert!(
            !told.contains("canary") || text.to_lowercase().contains("canary"),
            "{rewritten}"
        );
    }
}
