//! A firm whose assistant keeps notes and tickets: documents and a database, people who ask and
//! people who decide.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sha2::Digest;
use sqlx::{Connection, Executor, Row, SqliteConnection};

use crate::log::served::{House, Served};

/// Long enough for anything that comes true at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Who asks.
pub(crate) const ANN: &str = "ann@x.example";
/// Who decides.
pub(crate) const LENA: &str = "lena@x.example";
/// Who decides, too.
pub(crate) const MAX: &str = "max@x.example";
/// Who keeps the connectors.
pub(crate) const BOB: &str = "bob@x.example";

/// Every effect asks a lead.
pub(crate) const ASK: &str =
    "  - {when: {power: [write, update, delete]}, ask: [\"group:leads\"]}\n";
/// Every effect goes through.
pub(crate) const AUTO: &str = "  - {when: {power: [write, update, delete]}, auto: true}\n";

pub(crate) struct Firm {
    pub(crate) house: House,
}

/// A firm whose gateway runs.
pub(crate) struct Open {
    pub(crate) served: Served,
    http: reqwest::Client,
}

/// Somebody with a token.
#[derive(Clone)]
pub(crate) struct Person {
    url: String,
    pub(crate) token: String,
    http: reqwest::Client,
}

impl Firm {
    /// A firm with these gates, on SQLite or on PostgreSQL.
    pub(crate) fn new(url: Option<String>, gates: &str) -> Self {
        let firm = Self {
            house: House::new(url),
        };
        firm.gateway("");
        firm.connectors(gates);
        std::fs::create_dir_all(firm.notes()).unwrap();
        firm
    }

    pub(crate) async fn on(engine: &str, gates: &str) -> Self {
        let url = match engine {
            "postgres" => Some(crate::log::served::database().await),
            _ => None,
        };
        Self::with_tickets(url, gates).await
    }

    pub(crate) async fn with_tickets(url: Option<String>, gates: &str) -> Self {
        let firm = Self::new(url, gates);
        firm.tickets("CREATE TABLE tickets (id INTEGER PRIMARY KEY, subject TEXT NOT NULL, status TEXT NOT NULL, amount INTEGER)")
            .await;
        firm.tickets(
            "INSERT INTO tickets VALUES (1, 'first', 'open', 10), (2, 'second', 'open', 20)",
        )
        .await;
        firm
    }

    /// Writes `drawbridge.yaml`, with more at its end.
    pub(crate) fn gateway(&self, more: &str) {
        let store = match self.house.url {
            Some(_) => "store: env:LOG_TEST_STORE\n",
            None => "",
        };
        let file = format!(
            "gateway: firm\naddress: 127.0.0.1:0\noperator: olga@x.example\n{store}\
             people:\n  olga@x.example: {{groups: [owners]}}\n  {ANN}: {{groups: [staff]}}\n  \
             {BOB}: {{groups: [staff]}}\n  {LENA}: {{groups: [leads]}}\n  {MAX}: {{groups: [leads]}}\n\
             limits: {{per_person: 1000000/min, per_client: 1000000/min, per_connector: 1000000/min, \
             effects: {{per_person: 1000000/h, per_connector: 1000000/h}}}}\n{more}"
        );
        std::fs::write(self.house.folder.join("drawbridge.yaml"), file).unwrap();
    }

    fn connectors(&self, gates: &str) {
        self.connector(
            ("notes", "kind: documents, folder: notes"),
            "{include: [\"**/*.md\"], label: internal, writable: [\"**\"]}",
            ("read, search, draft, write, update, delete", gates),
        );
        self.crm(gates);
    }

    /// The database alone, with these gates.
    pub(crate) fn crm(&self, gates: &str) {
        self.connector(
            ("crm", "kind: sql, url: \"sqlite:crm.db\", applied_table: true"),
            "{label: internal, tables: {tickets: {key: id, fields: [id, subject, status, amount], \
             writable: {id: {}, subject: {}, status: [open, closed], amount: {min: 0, max: 1000000}}}}}",
            ("read, write, update, delete", gates),
        );
    }

    fn connector(&self, (name, system): (&str, &str), scope: &str, (access, gates): (&str, &str)) {
        let text = format!(
            "connector: {name}\n\
             purpose: {{task: Tests, owner: {BOB}, review_every: 90d}}\n\
             system: {{{system}}}\n\
             scope: {scope}\n\
             access: [{access}]\n\
             identity: {{account: the tests, approved_by: {BOB}}}\n\
             permissions:\n  - {{who: [everyone], may: [{access}]}}\n\
             logging: {{keep: 400d}}\n\
             approval:\n{gates}\
             recovery: {{undo: 7d, pause: [\"group:leads\"]}}\n"
        );
        let folder = self.house.folder.join("connectors");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.yaml")), text).unwrap();
    }

    pub(crate) fn notes(&self) -> PathBuf {
        self.house.folder.join("notes")
    }

    pub(crate) fn note(&self, name: &str, text: &str) {
        std::fs::write(self.notes().join(name), text).unwrap();
    }

    pub(crate) fn says(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.notes().join(name)).ok()
    }

    pub(crate) async fn database(&self) -> SqliteConnection {
        let file = self.house.folder.join("crm.db");
        if !file.exists() {
            std::fs::write(&file, "").unwrap();
        }
        let url = format!("sqlite:{}", file.display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        connection
            .execute("PRAGMA busy_timeout = 10000")
            .await
            .unwrap();
        connection
    }

    pub(crate) async fn tickets(&self, statement: &str) {
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        self.database().await.execute(statement).await.unwrap();
    }

    pub(crate) async fn number(&self, question: &str) -> i64 {
        let statement = sqlx::AssertSqlSafe(question.to_owned());
        self.database()
            .await
            .fetch_one(statement)
            .await
            .unwrap()
            .get(0)
    }

    pub(crate) async fn text(&self, question: &str) -> String {
        let statement = sqlx::AssertSqlSafe(question.to_owned());
        let row = self.database().await.fetch_one(statement).await.unwrap();
        row.get::<Option<String>, _>(0).unwrap_or_default()
    }

    /// Opens for the first time: connectors are reviewed.
    pub(crate) async fn open(&self) -> Open {
        let open = self.open_again();
        for name in ["notes", "crm"] {
            self.review(name);
        }
        open
    }

    pub(crate) fn review(&self, name: &str) {
        let out = self
            .house
            .line(&["approve-revision", name, "--reason", "as agreed"]);
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
    }

    /// Puts something else into a connector's file, and has it reviewed.
    pub(crate) async fn revise(&self, name: &str, (from, to): (&str, &str)) {
        let file = self.house.folder.join(format!("connectors/{name}.yaml"));
        let before = std::fs::read_to_string(&file).unwrap();
        let text = before.replace(from, to);
        assert_ne!(text, before);
        std::fs::write(&file, &text).unwrap();
        let hash = json!(hex::encode(sha2::Sha256::digest(text.as_bytes())));
        let end = Instant::now() + PATIENCE;
        loop {
            let shown = self.line(&["diff", name]);
            if shown["data"]["waiting"].is_object() {
                self.review(name);
            }
            if shown["data"]["in_force"] == hash {
                return;
            }
            assert!(Instant::now() < end, "{shown:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) fn open_again(&self) -> Open {
        self.of(self.house.serve())
    }

    pub(crate) fn of(&self, served: Served) -> Open {
        Open {
            served,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    /// The command line, which must succeed.
    pub(crate) fn line(&self, arguments: &[&str]) -> Value {
        let out = self
            .house
            .command(&[])
            .args(arguments)
            .arg("--json")
            .output()
            .unwrap();
        serde_json::from_slice(&out.stdout)
            .unwrap_or_else(|_| panic!("{arguments:?}: {}", String::from_utf8_lossy(&out.stderr)))
    }
}

impl Open {
    /// A person's AI client.
    pub(crate) fn client(&self, firm: &Firm, person: &str, client: &str) -> Person {
        let made = firm.line(&["token", "new", "--client", client, "--person", person]);
        self.with(&made)
    }

    /// A person with a token of their own.
    pub(crate) fn person(&self, firm: &Firm, person: &str) -> Person {
        let made = firm.line(&["token", "new", "--personal", "--person", person]);
        self.with(&made)
    }

    fn with(&self, made: &Value) -> Person {
        let token = made["data"]["token"]
            .as_str()
            .unwrap_or_else(|| panic!("{made}"));
        self.holding(token)
    }

    pub(crate) fn holding(&self, token: &str) -> Person {
        Person {
            url: self.served.caller.url.clone(),
            token: token.to_owned(),
            http: self.http.clone(),
        }
    }
}

impl Person {
    pub(crate) fn mcp_url(&self) -> String {
        format!("{}/mcp", self.url)
    }

    /// What MCP answers to this token.
    pub(crate) async fn mcp(&self) -> u16 {
        let request = self
            .http
            .post(self.mcp_url())
            .bearer_auth(&self.token)
            .body("{}");
        request.send().await.unwrap().status().as_u16()
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> reqwest::Result<Value> {
        let request = request
            .bearer_auth(&self.token)
            .timeout(Duration::from_secs(60));
        request.send().await?.json().await
    }

    /// Calls a tool; none where nobody answers.
    pub(crate) async fn tries(&self, tool: &str, arguments: &Value) -> Option<Value> {
        let url = format!("{}/api/v1/tools/{tool}", self.url);
        self.send(self.http.post(url).json(arguments)).await.ok()
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.tries(tool, &arguments).await.unwrap()
    }

    /// Calls a tool that must ask first; the plan's id.
    pub(crate) async fn asks(&self, tool: &str, arguments: Value) -> String {
        let answer = self.call(tool, arguments).await;
        assert_eq!(answer["status"], "approval_needed", "{answer:#}");
        answer["plan"]["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.try_post(path, &body).await.unwrap()
    }

    pub(crate) async fn try_post(&self, path: &str, body: &Value) -> Option<Value> {
        let url = format!("{}/api/v1{path}", self.url);
        self.send(self.http.post(url).json(body)).await.ok()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.try_get(path).await.unwrap()
    }

    pub(crate) async fn try_get(&self, path: &str) -> Option<Value> {
        let url = format!("{}/api/v1{path}", self.url);
        self.send(self.http.get(url)).await.ok()
    }

    /// A plan, whole.
    pub(crate) async fn plan(&self, id: &str) -> Value {
        let answer = self.get(&format!("/approvals/{id}")).await;
        assert_eq!(answer["status"], "ok", "{answer:#}");
        answer["data"].clone()
    }

    /// Says yes to a plan as it is at this moment.
    pub(crate) async fn approve(&self, id: &str) -> Value {
        let digest = self.plan(id).await["digest"].clone();
        self.post(
            &format!("/approvals/{id}/approve"),
            json!({"digest": digest}),
        )
        .await
    }

    /// Gives a plan other arguments.
    pub(crate) async fn edit(&self, id: &str, arguments: Value) -> Value {
        let body = json!({"arguments": arguments});
        self.post(&format!("/approvals/{id}/edit"), body).await
    }

    /// Waits until a plan has come to an end, or is at a stage.
    pub(crate) async fn until(&self, id: &str, stages: &[&str]) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let plan = self.plan(id).await;
            if stages.contains(&plan["stage"].as_str().unwrap()) {
                return plan;
            }
            assert!(Instant::now() < end, "{stages:?}: {plan:#}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What the AI is told of a plan.
    pub(crate) async fn result(&self, id: &str) -> Value {
        self.call("drawbridge_result", json!({"id": id})).await
    }
}
