//! A gateway with hostile servers behind it, and what those saw.

use std::{
    fs::File,
    process::Stdio,
    time::{Duration, Instant},
};

use reqwest::RequestBuilder;
use serde_json::{Value, json};

pub(super) use super::server::Way;
use super::server::{Server, scripts};
use crate::gate::{Gate, Site};

pub(super) const ANN: &str = "ann@acme.example";
pub(super) const BOB: &str = "bob@acme.example";
/// Long enough for a server that is left alone for a while after each of several failures.
pub(super) const PATIENCE: Duration = Duration::from_secs(100);
const EFFECTS: &str = "[update, delete, send, trigger]";

/// Connectors to hostile servers, before a gateway runs on them.
pub(super) struct Den {
    pub(super) site: Site,
    pub(super) servers: Vec<Server>,
}

impl Den {
    /// A connector for each name, to a server of its own. `system` is more of the file's `system`.
    pub(super) fn new(way: Way, names: &[&str], system: &str) -> Self {
        let mut den = Self::empty();
        den.add(way, names, system);
        den
    }

    pub(super) fn empty() -> Self {
        let gateway = format!(
            "{}limits: {{per_person: 1000000/min, per_client: 1000000/min, per_connector: 1000000/min, \
             effects: {{per_person: 1000000/h, per_connector: 1000000/h}}}}\n",
            crate::gate::GATEWAY
        );
        let site = Site::new(&gateway);
        Self {
            site,
            servers: Vec::new(),
        }
    }

    /// Asks the first server what it offers; the others are the same.
    pub(super) fn add(&mut self, way: Way, names: &[&str], system: &str) {
        self.add_with(way, names, (system, &[]), &json!({}));
    }

    pub(super) fn add_with(
        &mut self,
        way: Way,
        names: &[&str],
        (system, more): (&str, &[&str]),
        state: &Value,
    ) {
        let mut file = None;
        for name in names {
            let server = Server::new(&self.site, name, way);
            server.state(state);
            let (first, text) = file.get_or_insert_with(|| {
                let text = self.written(&server, more);
                ((server.name.clone(), server.url()), edited(&text, system))
            });
            let text = text
                .replace(
                    &format!("connector: {}\n", first.0),
                    &format!("connector: {name}\n"),
                )
                .replace(
                    &format!("/servers/{}", first.0),
                    &format!("/servers/{name}"),
                )
                .replace(&first.1, &server.url());
            self.site.write(&format!("connectors/{name}.yaml"), &text);
            server.forget();
            self.servers.push(server);
        }
    }

    /// The file that `drawbridge connector add` writes.
    fn written(&self, server: &Server, more: &[&str]) -> String {
        let mut arguments = vec![
            "connector",
            "add",
            "mcp",
            &server.name,
            "--label",
            "internal",
        ];
        arguments.extend(more);
        let (scripts, folder) = (scripts(), server.folder.display().to_string());
        let (scripts, url) = (scripts.display().to_string(), server.url());
        let program = server.arguments();
        if server.way.is_http() {
            arguments.extend(["--url", &url]);
        } else {
            arguments.extend(["--read", &scripts, "--write", &folder, "--", "python3"]);
            arguments.extend(program.iter().map(String::as_str));
        }
        self.site.ok(&arguments);
        let path = self.site.path(&format!("connectors/{}.yaml", server.name));
        std::fs::read_to_string(path).unwrap()
    }

    pub(super) fn server(&mut self, name: &str) -> &mut Server {
        let mut servers = self.servers.iter_mut();
        servers.find(|server| server.name == name).unwrap()
    }

    /// Starts a gateway on it, whose traces are kept, and approves what waits.
    pub(super) async fn open(&self) -> Open {
        let gate = self.start();
        let own = std::fs::read_to_string(self.site.path(".drawbridge/local-token")).unwrap();
        let of = |path: &str| format!("{}/api/v1/connectors{path}", gate.url);
        let told = gate.http.get(of("")).bearer_auth(&own).send().await;
        let told: Value = told.unwrap().json().await.unwrap();
        assert_eq!(told["data"]["problems"], json!([]), "{told:#}");
        for one in told["data"]["connectors"].as_array().unwrap() {
            if let (Some(name), Some(hash)) = (one["name"].as_str(), one["waiting"].as_str()) {
                let path = of(&format!("/{name}/revisions/{hash}/approve"));
                let approval = gate.http.post(path).bearer_auth(&own);
                let done = approval.json(&json!({"reason": "test"})).send().await;
                let done: Value = done.unwrap().json().await.unwrap();
                assert_eq!(done["status"], "ok", "{done:#}");
            }
        }
        let [ann, bob] = [ANN, BOB].map(|person| self.site.token(person, "claude"));
        Open { gate, ann, bob }
    }

    pub(super) fn start(&self) -> Gate {
        let traces = self.site.path("traces");
        let errors = File::options().create(true).append(true).open(&traces);
        let mut command = self.site.command(&["serve"]);
        Gate::start(command.stdout(Stdio::piped()).stderr(errors.unwrap()))
    }

    /// Everything that is told or kept anywhere.
    pub(super) fn everything(&self) -> String {
        let traces = std::fs::read(self.site.path("traces")).unwrap_or_default();
        let mut all = String::from_utf8_lossy(&traces).into_owned();
        for command in [
            &["log", "--limit", "1000"][..],
            &["connectors"],
            &["approvals"],
        ] {
            let told = self.site.line(command);
            all.push_str(&String::from_utf8_lossy(&told.stdout));
            all.push_str(&String::from_utf8_lossy(&told.stderr));
        }
        for file in ["drawbridge.db", "drawbridge.db-wal"] {
            let path = self.site.path(&format!(".drawbridge/{file}"));
            let bytes = std::fs::read(path).unwrap_or_default();
            all.push_str(&String::from_utf8_lossy(&bytes));
        }
        all
    }
}

/// Everybody may do everything, reading is what only reads, and effects need nobody's word.
fn edited(text: &str, system: &str) -> String {
    let mut text = text
        .replace("  kind: mcp\n", &format!("  kind: mcp\n{system}"))
        .replace(
            "approval: []",
            &format!("approval:\n  - {{when: {{power: {EFFECTS}}}, auto: true}}"),
        )
        .replace("recovery: {}", "recovery: {pause: [\"group:owners\"]}");
    for tool in ["slow", "big", "image", "fail", "broken", "invalid"] {
        text = text.replace(
            &format!("    {tool}: {{power: trigger}}"),
            &format!("    {tool}: {{power: read}}"),
        );
    }
    let (before, after) = text.split_once("permissions:\n  - {who: [").unwrap();
    let (_, after) = after.split_once(']').unwrap();
    format!("{before}permissions:\n  - {{who: [everyone]{after}")
}

/// A gateway that runs.
pub(super) struct Open {
    pub(super) gate: Gate,
    pub(super) ann: String,
    pub(super) bob: String,
}

impl Open {
    pub(super) fn ask(&self, token: &str, tool: &str, arguments: &Value) -> RequestBuilder {
        let url = format!("{}/api/v1/tools/{tool}", self.gate.url);
        self.gate.http.post(url).bearer_auth(token).json(arguments)
    }

    /// What Ann is answered.
    pub(super) async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.gate.call(&self.ann, tool, &arguments).await
    }

    pub(super) async fn echo(&self, name: &str, text: &str) -> Value {
        self.call(&format!("{name}_echo"), json!({"text": text}))
            .await
    }

    /// Waits until a server answers.
    pub(super) async fn good(&self, name: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = self.echo(name, "good").await;
            if answer["status"] == "ok" {
                assert_eq!(text_of(&answer), "good", "{answer:#}");
                return;
            }
            assert!(
                Instant::now() < end,
                "`{name}` never works again: {answer:#}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What an MCP client is answered.
    pub(super) async fn mcp(&self, method: &str, params: Value) -> Value {
        let sent = self
            .gate
            .http
            .post(format!("{}/mcp", self.gate.url))
            .bearer_auth(&self.ann)
            .header("Accept", "application/json, text/event-stream")
            .header("MCP-Protocol-Version", "2025-11-25")
            .json(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
            .send()
            .await;
        let text = sent.unwrap().text().await.unwrap();
        let json = text
            .split_once("data: {")
            .map_or(text.clone(), |(_, data)| {
                format!("{{{}", data.lines().next().unwrap())
            });
        serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// A number of its process, in KiB: `VmRSS`, or `VmHWM`, the most it ever was.
    pub(super) fn memory(&self, of: &str) -> u64 {
        let path = format!("/proc/{}/status", self.gate.process());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with(of)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

/// The text of an answer, as the server wrote it.
pub(super) fn text_of(answer: &Value) -> &str {
    answer["data"]["content"][0]["text"]
        .as_str()
        .unwrap_or_default()
}

/// Whether a process runs. One that ended and was not waited for does not.
pub(super) fn runs(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some(None | Some('Z' | 'X')))
}
