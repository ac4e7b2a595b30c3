//! A gateway in a process of its own, on a workspace that a test writes.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::bridge::PROGRAM;

/// Long enough for any condition that comes true at all.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const GATEWAY: &str = "gateway: acme\naddress: 127.0.0.1:0\noperator: olga@acme.example\n\
    people:\n  olga@acme.example: {groups: [owners]}\n  \
    ann@acme.example: {groups: [staff], attributes: {department: sales}}\n  \
    bob@acme.example: {groups: [staff]}\n";

/// A connector `NAME` over the folder `NAME-files`, owned by Bob and for everyone.
pub(crate) fn connector(name: &str) -> String {
    format!(
        "connector: {name}\n\
         purpose: {{task: Look things up, owner: bob@acme.example, review_every: 90d}}\n\
         system: {{kind: documents, folder: {name}-files}}\n\
         scope: {{include: [\"**/*.md\"], label: internal}}\n\
         access: [read, search]\n\
         identity: {{account: gateway, approved_by: olga@acme.example}}\n\
         permissions:\n  - {{who: [everyone], may: [read, search]}}\n\
         logging: {{keep: 400d}}\n\
         recovery: {{pause: [\"group:owners\"]}}\n"
    )
}

/// A folder with files, before a gateway runs on it.
pub(crate) struct Site {
    keep: tempfile::TempDir,
    /// `DRAWBRIDGE_STORE`, where the store is not SQLite.
    pub(crate) store: Option<String>,
}

impl Site {
    pub(crate) fn new(gateway: &str) -> Self {
        let site = Self {
            keep: tempfile::tempdir().unwrap(),
            store: None,
        };
        site.write("drawbridge.yaml", gateway);
        site
    }

    /// A site with approved connectors of these names, each with one document.
    pub(crate) fn with(names: &[&str]) -> Self {
        let site = Self::new(GATEWAY);
        site.fill(names);
        site
    }

    pub(crate) fn fill(&self, names: &[&str]) {
        for name in names {
            self.write(&format!("{name}-files/hello.md"), "# Hello\n\nlanterns\n");
            self.write(&format!("connectors/{name}.yaml"), &connector(name));
        }
        if !names.is_empty() {
            self.ok(&[&["approve-revision", "--reason", "test"][..], names].concat());
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.keep.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .arg("--dir")
            .arg(self.keep.path())
            .args(arguments)
            .stdin(Stdio::null());
        if let Some(store) = &self.store {
            command.env("DRAWBRIDGE_STORE", store);
        }
        command
    }

    pub(crate) fn line(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed, and returns what it prints.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.line(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let mut all = vec!["--json"];
        all.extend(arguments);
        let output = self.line(&all);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"))
    }

    /// A token for a person.
    pub(crate) fn token(&self, person: &str, client: &str) -> String {
        let made = self.json(&["--person", person, "token", "new", "--client", client]);
        made["data"]["token"]
            .as_str()
            .unwrap_or_else(|| panic!("{made}"))
            .to_owned()
    }

    /// Starts a gateway on it.
    pub(crate) fn serve(&self) -> Gate {
        let mut command = self.command(&["serve"]);
        Gate::start(command.stdout(Stdio::piped()).stderr(Stdio::null()))
    }
}

/// A running gateway.
pub(crate) struct Gate {
    child: Child,
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
}

impl Gate {
    pub(crate) fn start(command: &mut Command) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line.split_whitespace().find_map(|word| {
            let word = word.trim_end_matches([';', '.']);
            Some(word.strip_suffix("/mcp")?.to_owned())
        });
        Self {
            child,
            url: url.unwrap_or_else(|| panic!("no address in `{line}`")),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    pub(crate) async fn call(&self, token: &str, tool: &str, arguments: &Value) -> Value {
        let sent = self
            .http
            .post(format!("{}/api/v1/tools/{tool}", self.url))
            .bearer_auth(token)
            .json(arguments)
            .send()
            .await;
        sent.unwrap().json().await.unwrap()
    }

    pub(crate) async fn status(&self, token: &str, tool: &str) -> String {
        let answer = self.call(token, tool, &json!({"query": "lanterns"})).await;
        answer["status"].as_str().unwrap().to_owned()
    }

    /// Waits until a search has this status.
    pub(crate) async fn until(&self, token: &str, tool: &str, status: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let is = self.status(token, tool).await;
            if is == status {
                return;
            }
            assert!(Instant::now() < end, "`{tool}` is {is}, never {status}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a condition.
pub(crate) async fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The processes that a process started, by their command lines.
pub(crate) fn children(of: u32) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    let threads = std::fs::read_dir(format!("/proc/{of}/task"));
    for thread in threads.into_iter().flatten().flatten() {
        let own = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for id in own.split_whitespace().filter_map(|id| id.parse().ok()) {
            let line = std::fs::read_to_string(format!("/proc/{id}/cmdline"));
            found.push((id, line.unwrap_or_default().replace('\0', " ")));
        }
    }
    found
}

pub(crate) fn signal(name: &str, process: u32) {
    let _ = Command::new("kill")
        .args([format!("-{name}"), process.to_string()])
        .stderr(Stdio::null())
        .status();
}
