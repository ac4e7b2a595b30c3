//! A hostile server: how it is told to behave, and what it saw.

use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::setup::PATIENCE;
use crate::gate::Site;

/// Where programs are looked for, by the gateway too.
const SEARCH: &str = "/usr/local/bin:/usr/bin:/bin";

/// How a hostile server is reached, and of which era it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Way {
    Stdio(&'static str),
    Json(&'static str),
    Sse(&'static str),
    /// A server of the older era that demands sessions.
    Sessions,
}

impl Way {
    pub(super) fn is_http(self) -> bool {
        !matches!(self, Self::Stdio(_))
    }

    fn flags(self) -> Vec<&'static str> {
        match self {
            Self::Stdio(era) | Self::Json(era) => vec!["--era", era],
            Self::Sse(era) => vec!["--era", era, "--sse"],
            Self::Sessions => vec!["--era", "legacy", "--sessions"],
        }
    }
}

pub(super) fn scripts() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/upstream")
}

/// A hostile server: its files, and its process where it is reached over HTTP.
pub(super) struct Server {
    pub(super) name: String,
    pub(super) way: Way,
    pub(super) folder: PathBuf,
    running: Option<(Child, u16)>,
}

impl Server {
    pub(super) fn new(site: &Site, name: &str, way: Way) -> Self {
        let folder = site.path(&format!("servers/{name}"));
        std::fs::create_dir_all(&folder).unwrap();
        let (name, running) = (name.to_owned(), None);
        let mut server = Self {
            name,
            way,
            folder,
            running,
        };
        server.state(&json!({}));
        if way.is_http() {
            server.serve();
        }
        server
    }

    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![scripts().join("server.py").display().to_string()];
        arguments.extend(self.way.flags().into_iter().map(str::to_owned));
        for file in ["state", "log", "data"] {
            let path = self.folder.join(file).display().to_string();
            arguments.extend([format!("--{file}"), path]);
        }
        arguments
    }

    /// Starts the server that is reached over HTTP, on the port it had before.
    pub(super) fn serve(&mut self) {
        let port = self.running.as_ref().map_or(0, |(_, port)| *port);
        self.kill();
        let told = self.folder.join("port");
        let _ = std::fs::remove_file(&told);
        let child = Command::new("/usr/bin/env")
            .arg("python3")
            .args(self.arguments())
            .args(["--http", &port.to_string(), "--port-file"])
            .arg(&told)
            .env("PATH", SEARCH)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = child.unwrap();
        let end = Instant::now() + PATIENCE;
        let port = loop {
            if let Ok(port) = std::fs::read_to_string(&told) {
                break port.parse().unwrap();
            }
            assert!(Instant::now() < end, "the server does not start");
            std::thread::sleep(Duration::from_millis(10));
        };
        self.running = Some((child, port));
    }

    /// Starts it again if it ended.
    pub(super) fn revive(&mut self) {
        let ended = |(child, _): &mut (Child, u16)| child.try_wait().unwrap().is_some();
        if self.running.as_mut().is_some_and(ended) {
            self.serve();
        }
    }

    pub(super) fn kill(&mut self) {
        if let Some((child, _)) = &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(super) fn url(&self) -> String {
        let port = self.running.as_ref().map_or(0, |(_, port)| *port);
        format!("http://127.0.0.1:{port}/mcp")
    }

    /// Changes how it behaves.
    pub(super) fn state(&self, state: &Value) {
        let unfinished = self.folder.join("state.new");
        std::fs::write(&unfinished, state.to_string()).unwrap();
        std::fs::rename(unfinished, self.folder.join("state")).unwrap();
    }

    /// What it keeps for its tools.
    pub(super) fn data(&self) -> Value {
        let text = std::fs::read_to_string(self.folder.join("data")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_else(|_| json!({"next": 0, "keys": {}}))
    }

    pub(super) fn keep(&self, data: &Value) {
        std::fs::write(self.folder.join("data"), data.to_string()).unwrap();
    }

    /// What it saw, line by line.
    pub(super) fn log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines = text.lines();
        lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    pub(super) fn forget(&self) {
        let _ = File::create(self.folder.join("log"));
    }

    pub(super) fn seen(&self, method: &str) -> Vec<Value> {
        let mut seen = self.log();
        seen.retain(|line| line["method"] == method);
        seen
    }

    pub(super) fn count(&self, method: &str) -> usize {
        self.seen(method).len()
    }

    /// The process that was started last.
    pub(super) fn process(&self) -> u32 {
        let starts = self.seen("start");
        let id = starts.last().and_then(|start| start["pid"].as_u64());
        u32::try_from(id.expect("it was never started")).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
