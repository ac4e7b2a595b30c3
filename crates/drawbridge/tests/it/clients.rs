//! Real MCP clients, over HTTP and stdio, in both eras: what an AI gets by them.

use std::{
    ffi::OsString,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::bridge::{Bridge, PROGRAM};

/// The tools of somebody who may search the handbook, in the order they are listed.
const TOOLS: [&str; 6] = [
    "drawbridge_connectors",
    "drawbridge_result",
    "drawbridge_report",
    "handbook_search",
    "handbook_read",
    "handbook_list",
];

/// A folder or program that `./test` prepares and names.
pub(crate) fn prepared(name: &str) -> OsString {
    std::env::var_os(name).unwrap_or_else(|| panic!("`./test` prepares {name}"))
}

/// How a client reaches the gateway.
fn by_http(bridge: &Bridge) -> Value {
    json!({"url": bridge.url(), "token": bridge.token("ingrid", "claude")})
}

fn by_stdio(bridge: &Bridge) -> Value {
    let person = "ingrid@lindqvist.example";
    let folder = bridge.folder();
    json!({"command": [PROGRAM, "--dir", folder, "--person", person, "stdio"]})
}

/// Runs a Python client with its questions, and returns what it printed.
fn python(library: &str, era: &str, way: &Value, questions: &Value) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/client.py");
    let mut child = Command::new(prepared("DRAWBRIDGE_TEST_PYTHON"))
        .arg(script)
        .args([library, era])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut asked = way.clone();
    for (key, value) in questions.as_object().unwrap() {
        asked[key] = value.clone();
    }
    let mut input = child.stdin.take().unwrap();
    input.write_all(asked.to_string().as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let trace = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{library} {era}: {trace}");
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

fn questions() -> Value {
    json!({
        "until": ["drawbridge_connectors", {}, "(active)"],
        "calls": [
            ["handbook_search", {"query": "per diem Sweden"}],
            ["handbook_read", {"path": "handbook/travel-expenses-2026.md"}],
            ["drawbridge_connectors", {}],
            ["crm_search", {"query": "x"}],
            ["handbook_search", {"quer": "x", "limit": "many"}],
            ["handbook_read", {"path": "../../etc/passwd"}],
        ],
    })
}

/// What every client must get, whichever way it came.
fn check(told: &Value, era: &str, case: &str) {
    let revision = if era == "legacy" {
        "2025-11-25"
    } else {
        "2026-07-28"
    };
    assert_eq!(told["revision"], revision, "{case}");
    let tools = told["tools"].as_array().unwrap();
    let names: Vec<&str> = tools
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    assert_eq!(names, TOOLS, "{case}");
    for tool in tools {
        let hints = &tool["annotations"];
        let hints = ["readOnlyHint", "idempotentHint", "destructiveHint"].map(|hint| &hints[hint]);
        assert_eq!(hints, [true, true, false], "{case}: {tool}");
        assert!(
            tool["outputSchema"]["properties"]["data"].is_object(),
            "{case}"
        );
    }
    let purpose = "Let everyone's assistant search the documents";
    assert!(
        tools[3]["description"].as_str().unwrap().contains(purpose),
        "{case}"
    );
    let [search, read, connectors, denied, wrong, outside] =
        told["answers"].as_array().unwrap().as_slice()
    else {
        panic!("{case}: {told}");
    };
    for good in [search, read, connectors] {
        assert_eq!(
            (&good["error"], &good["structured"]["status"]),
            (&json!(false), &json!("ok")),
            "{case}"
        );
    }
    // Text alone is enough to answer and to cite, for clients that show nothing else to the AI.
    for text in [search, read].map(|answer| answer["text"].as_str().unwrap()) {
        assert!(
            text.to_lowercase().contains("diem")
                && text.contains("handbook/travel-expenses-2026.md"),
            "{case}: {text}"
        );
    }
    let mut sources = search["structured"]["sources"].as_array().unwrap().iter();
    let source = sources.find(|source| source["path"] == "handbook/travel-expenses-2026.md");
    let source = source.unwrap_or_else(|| panic!("{case}: {search}"));
    for told in ["version", "synced", "label", "title"] {
        assert!(source[told].is_string(), "{case}: {source}");
    }
    let text = connectors["text"].as_str().unwrap();
    assert!(
        text.contains("**handbook** (active)") && text.contains("Last synced: "),
        "{case}: {text}"
    );
    for (answer, status, says) in [
        (
            denied,
            "denied",
            "`drawbridge_connectors` says what you may",
        ),
        (wrong, "invalid", "`quer`: there is no such argument"),
        (outside, "not_found", "do not answer as though it had been"),
    ] {
        assert_eq!(
            (&answer["error"], &answer["structured"]["status"]),
            (&json!(true), &json!(status)),
            "{case}"
        );
        assert!(
            answer["text"].as_str().unwrap().contains(says),
            "{case}: {answer}"
        );
    }
    let text = wrong["text"].as_str().unwrap();
    assert!(
        text.contains("`query`: is missing") && text.contains("Mend the arguments"),
        "{case}: {text}"
    );
}

/// What a client gets from a connector that is paused: the same tools, and an answer that says so.
fn check_paused(told: &Value, case: &str) {
    assert_eq!(
        told["tools"].as_array().unwrap().len(),
        TOOLS.len(),
        "{case}"
    );
    let [search, connectors] = told["answers"].as_array().unwrap().as_slice() else {
        panic!("{case}: {told}");
    };
    assert_eq!(
        (&search["error"], &search["structured"]["status"]),
        (&json!(true), &json!("unavailable")),
        "{case}"
    );
    let text = search["text"].as_str().unwrap();
    assert!(
        text.contains("paused") && text.contains("Nothing was read"),
        "{case}: {text}"
    );
    let text = connectors["text"].as_str().unwrap();
    assert!(
        text.contains("**handbook** (paused)") && text.contains("Why: "),
        "{case}: {text}"
    );
}

async fn python_client(library: &str) {
    let bridge = Bridge::start().await;
    let ways = [(by_http(&bridge), "http"), (by_stdio(&bridge), "stdio")];
    std::thread::scope(|scope| {
        for era in ["auto", "legacy"] {
            for (way, name) in &ways {
                scope.spawn(move || {
                    let case = format!("{library} {era} {name}");
                    check(&python(library, era, way, &questions()), era, &case);
                });
            }
        }
    });
    let paused = bridge.line(&["pause", "handbook", "--reason", "moving house"]);
    assert!(paused.status.success());
    let questions =
        json!({"calls": [["handbook_search", {"query": "x"}], ["drawbridge_connectors", {}]]});
    for (way, name) in ways {
        check_paused(
            &python(library, "auto", &way, &questions),
            &format!("{library} {name}"),
        );
    }
}

#[tokio::test]
async fn the_official_python_client_works_both_ways_in_both_eras() {
    python_client("mcp").await;
}

#[tokio::test]
async fn fastmcp_works_both_ways_in_both_eras() {
    python_client("fastmcp").await;
}

struct Inspector {
    catalog: PathBuf,
    target: Vec<String>,
}

impl Inspector {
    fn http(bridge: &Bridge) -> Self {
        let token = format!("Authorization: Bearer {}", bridge.token("ingrid", "claude"));
        Self::new(
            bridge,
            &[
                "--transport",
                "http",
                "--server-url",
                bridge.url(),
                "--header",
                &token,
            ],
        )
    }

    fn stdio(bridge: &Bridge) -> Self {
        let folder = bridge.folder().to_str().unwrap();
        Self::new(
            bridge,
            &["--transport", "stdio", PROGRAM, "--dir", folder, "stdio"],
        )
    }

    fn new(bridge: &Bridge, target: &[&str]) -> Self {
        Self {
            catalog: bridge.folder().join("inspector.json"),
            target: target.iter().map(|&part| part.to_owned()).collect(),
        }
    }

    /// One question; the exit code, and the result it printed.
    fn ask(&self, era: &str, question: &[&str]) -> (Option<i32>, Value) {
        let tools = PathBuf::from(prepared("DRAWBRIDGE_TEST_TOOLS"));
        let launcher =
            tools.join("@modelcontextprotocol/inspector/clients/launcher/build/index.js");
        let output = Command::new(prepared("DRAWBRIDGE_TEST_NODE"))
            .arg(launcher)
            .arg("--cli")
            .args(&self.target)
            .args(["--protocol-era", era, "-q", "--format", "json"])
            .args(question)
            .env("MCP_CATALOG_PATH", &self.catalog)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let told: Value = text
            .lines()
            .find_map(|line| serde_json::from_str(line).ok())
            .unwrap_or_default();
        let trace = String::from_utf8_lossy(&output.stderr);
        assert!(!told.is_null(), "{era} {question:?}: {text} {trace}");
        (output.status.code(), told["result"].clone())
    }
}

/// What the Inspector must get, whichever way it came.
fn inspect(inspector: &Inspector, era: &str, case: &str) {
    // It exits with 6 where a tool's schema cannot be used by some client.
    let (code, listed) = inspector.ask(era, &["--method", "tools/list", "--strict"]);
    assert_eq!(code, Some(0), "{case}");
    let tools = listed["tools"].as_array().unwrap();
    let names: Vec<&str> = tools
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    assert_eq!(names, TOOLS, "{case}");
    let call = ["--method", "tools/call", "--tool-name"];
    let (code, told) = inspector.ask(era, &[&call[..], &["drawbridge_connectors"]].concat());
    let status = &told["structuredContent"]["status"];
    assert_eq!((code, status), (Some(0), &json!("ok")), "{case}");
    // What is not on its list it does not even send.
    let outside = ["handbook_read", "--tool-arg", "path=../../etc/passwd"];
    let (code, told) = inspector.ask(era, &[&call[..], &outside].concat());
    let status = &told["structuredContent"]["status"];
    assert_eq!(
        (code, status),
        (Some(5), &json!("not_found")),
        "{case}: {told}"
    );
}

#[tokio::test]
async fn the_inspector_works_both_ways_in_both_eras() {
    let bridge = Bridge::start().await;
    let ways = [
        (Inspector::http(&bridge), "http"),
        (Inspector::stdio(&bridge), "stdio"),
    ];
    std::thread::scope(|scope| {
        for era in ["modern", "legacy"] {
            for (inspector, way) in &ways {
                scope.spawn(move || inspect(inspector, era, &format!("{era} {way}")));
            }
        }
    });
    let inspector = Inspector::http(&bridge);
    let search = [
        "--method",
        "tools/call",
        "--tool-name",
        "handbook_search",
        "--tool-arg",
        "query=per diem Sweden",
        "limit=1",
    ];
    let (code, told) = inspector.ask("modern", &search);
    assert_eq!(code, Some(0));
    assert!(
        told["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("travel-expenses-2026"),
        "{told}"
    );
    assert!(
        bridge
            .line(&["pause", "handbook", "--reason", "moving house"])
            .status
            .success()
    );
    let (code, told) = inspector.ask("legacy", &search);
    assert_eq!(
        (code, &told["structuredContent"]["status"]),
        (Some(5), &json!("unavailable"))
    );
}
