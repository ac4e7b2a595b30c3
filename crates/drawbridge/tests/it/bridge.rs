//! A running gateway: the sample company in a folder of its own.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_drawbridge");

pub(crate) struct Bridge {
    child: Child,
    address: Value,
    folder: PathBuf,
    http: reqwest::Client,
    keep: Option<tempfile::TempDir>,
}

impl Bridge {
    /// Starts the sample company, and waits until its documents are searchable.
    pub(crate) async fn start() -> Self {
        let keep = tempfile::tempdir().unwrap();
        let folder = keep.path().join("demo");
        Self::on(keep, folder).await
    }

    /// Starts on a folder that may hold something already.
    pub(crate) async fn on(keep: tempfile::TempDir, folder: PathBuf) -> Self {
        let bridge = Self::begin(keep, folder);
        let end = Instant::now() + Duration::from_secs(60);
        // Until the first sync is complete, answers say that they are not whole.
        while bridge
            .call("ingrid", "handbook_list", json!({"limit": 1}))
            .await["status"]
            != "ok"
        {
            assert!(Instant::now() < end, "the first sync does not end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bridge
    }

    /// Starts, and does not wait for the first sync.
    fn begin(keep: tempfile::TempDir, folder: PathBuf) -> Self {
        // Another test of this process may have done it already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut child = Command::new(PROGRAM)
            .args(["demo", "--json", "--dir"])
            .arg(&folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = Self::address_of(&mut child);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            child,
            address,
            folder,
            http,
            keep: Some(keep),
        }
    }

    /// Where a `demo --json` that has started is.
    pub(crate) fn address_of(child: &mut Child) -> Value {
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        serde_json::from_str(&line).unwrap()
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn token(&self, person: &str, client: &str) -> String {
        let callers = self.address["callers"].as_array().unwrap();
        let one = callers
            .iter()
            .find(|one| {
                one["person"].as_str().unwrap().starts_with(person) && one["client"] == client
            })
            .unwrap();
        one["token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn call(&self, person: &str, tool: &str, arguments: Value) -> Value {
        let token = self.token(person, "claude");
        self.send(&token, tool, &arguments).await.unwrap()
    }

    pub(crate) async fn send(
        &self,
        token: &str,
        tool: &str,
        arguments: &Value,
    ) -> reqwest::Result<Value> {
        let url = format!("{}/tools/{tool}", self.address["api"].as_str().unwrap());
        self.http
            .post(url)
            .bearer_auth(token)
            .json(arguments)
            .send()
            .await?
            .json()
            .await
    }

    /// The gateway's process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where MCP is.
    pub(crate) fn url(&self) -> &str {
        self.address["mcp"].as_str().unwrap()
    }

    pub(crate) fn mcp(&self) -> reqwest::RequestBuilder {
        self.http
            .post(self.address["mcp"].as_str().unwrap())
            .header("Accept", "application/json, text/event-stream")
    }

    /// Runs the command line on this workspace.
    pub(crate) fn line(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM)
            .arg("--dir")
            .arg(&self.folder)
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Starts again after a kill, on the same folder.
    pub(crate) fn again(mut self) -> Self {
        let keep = self.keep.take().unwrap();
        Self::begin(keep, self.folder.clone())
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
