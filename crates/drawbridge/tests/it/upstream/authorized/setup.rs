//! A firm with one MCP server that an authorization server guards.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Output, Stdio},
};

use serde_json::{Value, json};

use super::super::setup::{HERE, OLGA, Upstream, Written, told};
use crate::{
    acting::firm::{Firm, Open, Person},
    clients::prepared,
    log::served::House,
};

/// What every secret of the authorization server begins with.
pub(crate) const CANARY: &str = "canary-";
/// What a client that is known beforehand says who it is with.
pub(crate) const CLIENT: &str = "canary-client-secret";
pub(crate) const WHOAMI: &[(&str, &str)] = &[("whoami", "{power: read}")];
pub(crate) const ALL: &[(&str, &str)] = &[
    ("whoami", "{power: read}"),
    ("note", "{power: write}"),
    ("admin", "{power: read}"),
];

/// The authorization server, and the MCP server that it guards.
pub(crate) struct Issuer {
    child: Child,
    pub(crate) issuer: String,
    pub(crate) mcp: String,
    http: reqwest::Client,
}

impl Issuer {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(prepared("DRAWBRIDGE_TEST_PYTHON"))
            .arg(format!("{HERE}/authorization.py"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let text = |key: &str| said[key].as_str().unwrap().to_owned();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        Self {
            child,
            issuer: text("issuer"),
            mcp: text("mcp"),
            http: http.build().unwrap(),
        }
    }

    pub(crate) async fn control(&self, change: Value) {
        let url = format!("{}/control", self.issuer);
        let done = self.http.post(url).json(&change).send().await.unwrap();
        assert!(done.status().is_success());
    }

    pub(crate) async fn seen(&self) -> Value {
        let url = format!("{}/seen", self.issuer);
        self.http
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    /// How often it was asked for a token by a grant.
    pub(crate) async fn asked(&self, grant: &str) -> usize {
        let seen = self.seen().await;
        let asked = seen["token"].as_array().unwrap().iter();
        asked.filter(|one| one["grant_type"] == grant).count()
    }

    /// A browser in which somebody has signed in: where it is sent back to.
    pub(crate) async fn browse(&self, user: &str, address: &str) -> String {
        let asked = self.http.get(address).header("X-User", user);
        let sent = asked.send().await.unwrap();
        let back = sent.headers().get("Location");
        let back = back.unwrap_or_else(|| panic!("{}", sent.status()));
        back.to_str().unwrap().to_owned()
    }

    /// A browser goes to an address on its own machine.
    pub(crate) async fn back(&self, address: &str) -> u16 {
        self.http
            .get(address)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `connect` on its way: the address that it prints, until the browser has come back.
pub(crate) struct Connecting {
    child: Child,
    pub(crate) address: String,
    errors: BufReader<std::process::ChildStderr>,
}

impl Connecting {
    /// What it prints in the end.
    pub(crate) fn end(mut self) -> (Output, String) {
        let mut rest = String::new();
        self.errors.read_to_string(&mut rest).unwrap();
        (self.child.wait_with_output().unwrap(), rest)
    }

    pub(crate) fn give_up(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

pub(crate) struct Guarded {
    pub(crate) upstream: Upstream,
    pub(crate) issuer: Issuer,
}

impl Guarded {
    /// With a credential that asks for this beside its resource.
    pub(crate) fn new(oauth: &str) -> Self {
        Self::on(House::new(None), oauth)
    }

    pub(crate) fn on(house: House, oauth: &str) -> Self {
        let guarded = Self {
            upstream: Upstream::within(house),
            issuer: Issuer::start(),
        };
        if guarded.upstream.firm.house.url.is_some() {
            guarded.gateway("store: env:LOG_TEST_STORE\n");
        }
        guarded.declare(oauth);
        guarded
    }

    /// Writes into drawbridge.yaml what is asked for; `ISSUER` is the authorization server.
    pub(crate) fn declare(&self, oauth: &str) {
        let mcp = &self.issuer.mcp;
        let oauth = oauth.replace("ISSUER", &self.issuer.issuer);
        self.gateway(&format!(
            "credentials:\n  up-account: {{owner: {OLGA}, approved_by: {OLGA}, from: {{oauth: {{resource: \"{mcp}\", \
             {oauth}}}}}}}\n"
        ));
    }

    pub(crate) fn gateway(&self, more: &str) {
        let path = self.upstream.firm.house.folder.join("drawbridge.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.split("credentials:\n").next().unwrap();
        std::fs::write(path, format!("{text}{more}")).unwrap();
    }

    pub(crate) fn secret(&self, name: &str, secret: &str) {
        use std::io::Write;
        let mut command = self.upstream.firm.house.command(&[]);
        let command = command.args(["secret", "set", name]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(secret.as_bytes())
            .unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// Writes the connector's file from what the server says, and reviews it.
    pub(crate) fn added(&self, tools: &'static [(&'static str, &'static str)], identity: &str) {
        let flags = ["--label", "internal", "--url", &self.issuer.mcp];
        let own = ["--credential", "up-account"];
        let out = self.upstream.line(&[&flags[..], &own].concat());
        assert!(out.status.success(), "{}", told(&out));
        self.upstream.write(Written {
            tools,
            ..Written::default()
        });
        let path = self.upstream.path();
        let text = std::fs::read_to_string(&path).unwrap();
        let account = "  account: the tests\n";
        let text = text.replace(account, &format!("{account}{identity}"));
        std::fs::write(path, text).unwrap();
        self.upstream.firm.review("up");
    }

    /// A gateway, whose log is a file of the workspace.
    pub(crate) fn open(&self) -> Open {
        let log = self.upstream.firm.house.folder.join("serve.log");
        let run = format!("exec \"$@\" 2>>{}", log.display());
        let served = self.upstream.firm.house.serve_by(&["sh", "-c", &run, "sh"]);
        self.upstream.firm.of(served.unwrap())
    }

    /// The same firm on another machine: another gateway on the same store.
    pub(crate) fn twin(&self) -> Firm {
        let house = self.upstream.firm.house.twin();
        let keys = self.upstream.firm.house.state().join("keys");
        let own = house.state().join("keys/sealing");
        std::fs::copy(keys.join("sealing"), own).unwrap();
        for name in ["drawbridge.yaml", "connectors/up.yaml"] {
            let path = house.folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::copy(self.upstream.firm.house.folder.join(name), path).unwrap();
        }
        Firm { house }
    }

    pub(crate) fn client(&self, open: &Open, person: &str) -> Person {
        open.client(&self.upstream.firm, person, "claude")
    }

    /// Begins to connect an account.
    pub(crate) fn connecting(&self, arguments: &[&str]) -> Result<Connecting, String> {
        let mut command = self.upstream.firm.house.command(&[]);
        let mut child = command
            .args(arguments)
            .arg("--json")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut all = String::new();
        while errors.read_line(&mut all).unwrap() > 0 {
            let address = all.lines().find(|line| line.starts_with("http"));
            if let Some(address) = address.map(str::to_owned) {
                return Ok(Connecting {
                    child,
                    address,
                    errors,
                });
            }
        }
        let out = child.wait_with_output().unwrap();
        Err(format!("{all}{}", String::from_utf8_lossy(&out.stdout)))
    }

    /// Connects an account as this user of the authorization server.
    pub(crate) async fn connect(&self, arguments: &[&str], user: &str) -> Value {
        let connecting = self.connecting(arguments).unwrap();
        let back = self.issuer.browse(user, &connecting.address).await;
        self.issuer.back(&back).await;
        let (out, rest) = connecting.end();
        assert!(!rest.contains(CANARY), "{rest}");
        let said = String::from_utf8_lossy(&out.stdout);
        assert!(!said.contains(CANARY), "{said}");
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{rest}"))
    }

    /// Ends the gateway, and looks for every secret in all files, and in what the log prints.
    pub(crate) fn nowhere(&self, open: Open) {
        let mut served = open.served;
        served.terminate();
        let mut looked = 0;
        let mut folders = vec![self.upstream.firm.house.folder.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let bytes = std::fs::read(&path).unwrap();
                let held = bytes
                    .windows(CANARY.len())
                    .any(|part| part == CANARY.as_bytes());
                assert!(!held, "{} holds a secret", path.display());
                looked += 1;
            }
        }
        assert!(looked > 5);
        assert!(!self.upstream.records().contains(CANARY));
    }
}

/// Whose account an answer is of.
pub(crate) fn user(answer: &Value) -> Value {
    answer["data"]["structuredContent"]["user"].clone()
}

pub(crate) fn nothing() -> Value {
    json!({})
}
