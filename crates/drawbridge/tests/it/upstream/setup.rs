//! A firm with one upstream server, whose file is written by `connector add` and then by hand.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    acting::firm::{ANN, BOB, Firm, LENA, MAX, Open, PATIENCE, Person},
    log::served::House,
};

/// Where the server is kept.
pub(crate) const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/upstream");
/// Who runs the gateway, and wrote the file.
pub(crate) const OLGA: &str = "olga@x.example";
/// Everyone may do everything.
pub(crate) const EVERYONE: &str = "  - {who: [everyone], may: [POWERS]}\n";
/// Every effect goes through.
pub(crate) const AUTO: &str = "  - {when: {power: [EFFECTS]}, auto: true}\n";
/// Every effect asks a lead.
pub(crate) const ASK: &str = "  - {when: {power: [EFFECTS]}, ask: [\"group:leads\"]}\n";
/// The version of MCP that has no handshake.
const MODERN: &str = "2026-07-28";

pub(crate) struct Upstream {
    pub(crate) firm: Firm,
    script: &'static str,
    folder: PathBuf,
    /// The server, where it is one elsewhere.
    elsewhere: Option<Child>,
}

/// What a file says beside its pins.
#[derive(Clone, Copy)]
pub(crate) struct Written<'a> {
    /// Each tool, and what stands after its name.
    pub(crate) tools: &'a [(&'a str, &'a str)],
    /// More of `scope`.
    pub(crate) scope: &'a str,
    pub(crate) permissions: &'a str,
    pub(crate) approval: &'a str,
}

impl Default for Written<'_> {
    fn default() -> Self {
        Self {
            tools: &[],
            scope: "",
            permissions: EVERYONE,
            approval: AUTO,
        }
    }
}

impl Upstream {
    pub(crate) fn new() -> Self {
        Self::within(House::new(None))
    }

    pub(crate) fn within(house: House) -> Self {
        Self::of(house, ("server.py", ""))
    }

    /// With the server of another script, and more in drawbridge.yaml.
    pub(crate) fn of(house: House, (script, extra): (&'static str, &str)) -> Self {
        let file = format!(
            "gateway: firm\naddress: 127.0.0.1:0\noperator: {OLGA}\n\
             people:\n  {OLGA}: {{groups: [owners]}}\n  \
             {ANN}: {{groups: [staff], attributes: {{customer: acme}}}}\n  \
             {BOB}: {{groups: [staff]}}\n  {LENA}: {{groups: [leads]}}\n  {MAX}: {{groups: [leads]}}\n\
             limits: {{per_person: 1000000/min, per_client: 1000000/min, per_connector: 1000000/min, \
             effects: {{per_person: 1000000/h, per_connector: 1000000/h}}}}\n{extra}"
        );
        std::fs::write(house.folder.join("drawbridge.yaml"), file).unwrap();
        let folder = house.folder.join("upstream");
        std::fs::create_dir_all(&folder).unwrap();
        Self {
            firm: Firm { house },
            script,
            folder,
            elsewhere: None,
        }
    }

    /// One over stdio, with this in its file, reviewed.
    pub(crate) fn with(flags: &[&str], written: Written<'_>) -> Self {
        let upstream = Self::new();
        upstream.added(&[], flags);
        upstream.write(written);
        upstream.firm.review("up");
        upstream
    }

    /// One over HTTP, with this in its file, reviewed.
    pub(crate) fn over_http(flags: &[&str], written: Written<'_>) -> Self {
        let mut upstream = Self::new();
        let url = upstream.serve_elsewhere(flags);
        let out = upstream.line(&["--label", "internal", "--url", &url]);
        assert!(out.status.success(), "{}", told(&out));
        upstream.write(written);
        upstream.firm.review("up");
        upstream
    }

    /// Starts the server over HTTP; its address.
    pub(crate) fn serve_elsewhere(&mut self, flags: &[&str]) -> String {
        let mut child = Command::new("python3")
            .arg(format!("{HERE}/{}", self.script))
            .args(["--http", "0"])
            .args(self.files())
            .args(flags)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        errors.read_line(&mut line).unwrap();
        self.elsewhere = Some(child);
        let url = line
            .split_whitespace()
            .find(|word| word.starts_with("http"));
        url.unwrap_or_else(|| panic!("{line}")).to_owned()
    }

    fn files(&self) -> Vec<String> {
        ["state", "log", "data"]
            .into_iter()
            .flat_map(|name| {
                let path = self.folder.join(name).display().to_string();
                [format!("--{name}"), path]
            })
            .collect()
    }

    /// The server's command.
    pub(crate) fn command(&self, flags: &[&str]) -> Vec<String> {
        let mut command = vec!["python3".to_owned(), format!("{HERE}/{}", self.script)];
        command.extend(self.files());
        command.extend(flags.iter().map(|flag| (*flag).to_owned()));
        command
    }

    /// `connector add mcp up`, with more before the command.
    pub(crate) fn line(&self, arguments: &[&str]) -> Output {
        let mut command = self.firm.house.command(&[]);
        command.args(["connector", "add", "mcp", "up", "--task", "Tests"]);
        command.args(arguments).output().unwrap()
    }

    /// The same for a server over stdio that may use its own folder.
    pub(crate) fn add(&self, more: &[&str], flags: &[&str]) -> Output {
        let folder = self.folder.display().to_string();
        let own = ["--label", "internal", "--read", HERE, "--write", &folder];
        let command = self.command(flags);
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        self.line(&[&own, more, &["--"], &command].concat())
    }

    pub(crate) fn added(&self, more: &[&str], flags: &[&str]) {
        let out = self.add(more, flags);
        assert!(out.status.success(), "{}", told(&out));
    }

    /// Takes into the file what the server says of all that it names, and has it reviewed.
    pub(crate) fn pinned(&self) {
        let out = self.firm.house.line(&["connector", "pin", "up"]);
        assert!(out.status.success(), "{}", told(&out));
        self.firm.review("up");
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.firm.house.folder.join("connectors/up.yaml")
    }

    pub(crate) fn file(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }

    /// Writes the file anew, but for what was pinned.
    pub(crate) fn write(&self, written: Written<'_>) {
        std::fs::write(self.path(), rewritten(&self.file(), OLGA, written)).unwrap();
    }

    /// Tells the server how it is to behave from here on.
    pub(crate) fn state(&self, state: &Value) {
        let unfinished = self.folder.join("state.new");
        std::fs::write(&unfinished, state.to_string()).unwrap();
        std::fs::rename(unfinished, self.folder.join("state")).unwrap();
    }

    /// Everything that reached the server.
    pub(crate) fn log(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        // The last line may be half written.
        log.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// The arguments of every call of a tool that reached it.
    pub(crate) fn calls(&self, tool: &str) -> Vec<Value> {
        let log = self.log();
        let calls = log
            .iter()
            .filter(|entry| entry["method"] == "tools/call" && entry["params"]["name"] == tool);
        calls
            .map(|entry| entry["params"]["arguments"].clone())
            .collect()
    }

    /// What its tools keep.
    pub(crate) fn data(&self) -> Value {
        let data = std::fs::read_to_string(self.folder.join("data")).unwrap_or_default();
        serde_json::from_str(&data).unwrap_or(Value::Null)
    }

    /// Puts something into a file of its own behind the server's back.
    pub(crate) fn keys(&self, keys: &Value) {
        let data = json!({"next": 0, "keys": keys, "sent": []});
        std::fs::write(self.folder.join("data"), data.to_string()).unwrap();
    }

    pub(crate) fn open(&self) -> Open {
        self.firm.open_again()
    }

    /// Every record on the log of the gateway, as `drawbridge log` prints it.
    pub(crate) fn records(&self) -> String {
        let out = self.firm.house.line(&["log", "--json", "--limit", "500"]);
        String::from_utf8_lossy(&out.stdout).into_owned()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(child) = &mut self.elsewhere {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A file that `connector add` wrote, with this in it, and what was pinned as it is.
pub(crate) fn rewritten(file: &str, owner: &str, written: Written<'_>) -> String {
    let (head, rest) = file.split_once("  tools:\n").unwrap();
    let pinned = rest.find("  # What the system said").unwrap();
    let (pinned, _) = rest[pinned..].split_once("access:").unwrap();
    let tools: String = written
        .tools
        .iter()
        .map(|(name, rule)| format!("    {name}: {rule}\n"))
        .collect();
    let words = written.tools.iter().map(|(_, rule)| {
        let (_, word) = rule.split_once("power: ").unwrap();
        word.split([',', '}']).next().unwrap().trim()
    });
    let reads = (!written.scope.is_empty()).then_some("read");
    let powers: BTreeSet<&str> = words.chain(reads).collect();
    let effects = powers
        .iter()
        .filter(|word| !["read", "search"].contains(*word));
    let effects = effects.copied().collect::<Vec<_>>().join(", ");
    let powers = powers.into_iter().collect::<Vec<_>>().join(", ");
    let identity = file.split_once("identity:\n").unwrap().1;
    let credential = identity.lines().find(|line| line.contains("credential:"));
    let credential = credential.map_or_else(String::new, |line| format!("{line}\n"));
    // Rules about what a file does not give are errors.
    let permissions = written.permissions.replace("POWERS", &powers);
    let approval = if effects.is_empty() {
        "  []\n".to_owned()
    } else {
        written.approval.replace("EFFECTS", &effects)
    };
    format!(
        "{head}{}  tools:\n{tools}{pinned}access: [{powers}]\n\
         identity:\n  account: the tests\n{credential}  approved_by: {owner}\n\
         permissions:\n{permissions}logging: {{keep: 400d}}\n\
         approval:\n{approval}recovery: {{undo: 7d, pause: [\"group:leads\"]}}\n",
        written.scope
    )
}

/// What the server itself answers, asked without a gateway.
pub(crate) fn direct(method: &str, params: &Value) -> Value {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut params = params.clone();
    params["_meta"] = meta;
    let ask = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let mut child = Command::new("python3")
        .arg(format!("{HERE}/server.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(format!("{ask}\n").as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    drop(input);
    child.wait().unwrap();
    let answer: Value = serde_json::from_str(&line).unwrap();
    let mut result = answer["result"].clone();
    result.as_object_mut().unwrap().remove("resultType");
    result
}

pub(crate) fn told(out: &Output) -> String {
    let (told, wrong) = (
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr),
    );
    format!("{told}{wrong}")
}

/// Asks the gateway over MCP.
pub(crate) async fn mcp(person: &Person, method: &str, params: Value) -> Value {
    mcp_at(person, "", (method, params)).await["result"].clone()
}

/// Asks the gateway over MCP at the door of one connector; the whole answer.
pub(crate) async fn mcp_at(
    person: &Person,
    path: &str,
    (method, mut params): (&str, Value),
) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client
        .post(format!("{}{path}", person.mcp_url()))
        .bearer_auth(&person.token)
        .header("Accept", "application/json, text/event-stream")
        .header("MCP-Protocol-Version", MODERN)
        .header("Mcp-Method", method);
    if let Some(name) = params["name"].as_str().or(params["uri"].as_str()) {
        request = request.header("Mcp-Name", name);
    }
    let ask = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let answer = request.json(&ask).send().await.unwrap();
    answer.json().await.unwrap()
}

/// Calls a tool over MCP.
pub(crate) async fn mcp_call(person: &Person, tool: &str, arguments: Value) -> Value {
    mcp(
        person,
        "tools/call",
        json!({"name": tool, "arguments": arguments}),
    )
    .await
}

/// The tools of the upstream that a person is offered over MCP.
pub(crate) async fn listed(person: &Person) -> Vec<Value> {
    let list = mcp(person, "tools/list", json!({})).await;
    let tools = list["tools"].as_array().unwrap().iter();
    let own = tools.filter(|tool| tool["name"].as_str().unwrap().starts_with("up_"));
    own.cloned().collect()
}

/// Calls until the answer has a status.
pub(crate) async fn until(
    person: &Person,
    (tool, arguments): (&str, Value),
    status: &str,
) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = person.call(tool, arguments.clone()).await;
        if answer["status"] == status {
            return answer;
        }
        assert!(Instant::now() < end, "{tool} is never {status}: {answer:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
