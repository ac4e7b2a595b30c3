//! The official conformance suite, against a committed list of what fails and why.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    bridge::PROGRAM,
    clients::prepared,
    house::House as Within,
    log::served::House,
    upstream::setup::{Upstream, Written},
};

/// Callers without a token, since the suite sends none, and room for all it asks.
const FILE: &str = "anonymous: true\nlimits: {per_person: 100000/min, per_client: 100000/min}\n";

/// How the suite ends the name of a folder of results.
const STAMP: &str = "-2026-11-26T01-20-29-010Z";

/// The checks of one run that did not pass: scenario and check, with what the suite says.
fn run(asked: &[&str], requirements: &str, folder: &Path) -> BTreeMap<String, String> {
    let tools = PathBuf::from(prepared("DRAWBRIDGE_TEST_TOOLS"));
    let output = Command::new(prepared("DRAWBRIDGE_TEST_NODE"))
        .arg(tools.join("@modelcontextprotocol/conformance/dist/index.js"))
        .args(asked)
        .args(["--requirements", requirements, "-o"])
        .arg(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("SUMMARY ==="), "the suite broke: {text}");
    let mut failed = BTreeMap::new();
    let mut scenarios = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(place) = folders.pop() {
        for entry in std::fs::read_dir(&place).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            }
        }
        let Ok(checks) = std::fs::read_to_string(place.join("checks.json")) else {
            continue;
        };
        // `server-NAME` and a stamp, or `NAME` and a stamp.
        let name = place.strip_prefix(folder).unwrap().to_str().unwrap();
        let name = &name[..name.len() - STAMP.len()];
        let scenario = name.strip_prefix("server-").unwrap_or(name);
        let checks: Vec<Value> = serde_json::from_str(&checks).unwrap();
        scenarios += 1;
        for check in checks {
            if !matches!(check["status"].as_str(), Some("SUCCESS" | "INFO")) {
                let key = format!("{scenario}: {}", check["id"].as_str().unwrap());
                let why = check["errorMessage"].as_str().unwrap_or_default();
                failed.insert(key, why.to_owned());
            }
        }
    }
    assert!(scenarios > 20, "only {scenarios} scenarios ran");
    failed
}

/// The committed list: `scenario: check  # reason`.
fn expected(requirements: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/conformance");
    let text = std::fs::read_to_string(folder.join(format!("{requirements}.txt"))).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (key, reason) = line
                .split_once("  # ")
                .unwrap_or_else(|| panic!("{line}: no reason"));
            (key.trim().to_owned(), reason.to_owned())
        })
        .collect()
}

/// Whatever fails is on the list, and whatever is on the list fails.
fn compare(failed: &BTreeMap<String, String>, list: &str) {
    let expected = expected(list);
    let fresh: Vec<_> = failed
        .iter()
        .filter(|(key, _)| !expected.contains_key(*key))
        .collect();
    let mended: Vec<_> = expected
        .keys()
        .filter(|key| !failed.contains_key(*key))
        .collect();
    assert!(fresh.is_empty(), "fails and is not on the list: {fresh:#?}");
    assert!(
        mended.is_empty(),
        "passes and is still on the list: {mended:#?}"
    );
}

/// What the file of the suite's own server grants: all of it.
const ALL: &str = "  resources: [{uri: \"test://**\"}]\n  \
    prompts: [test_simple_prompt, test_prompt_with_arguments, test_prompt_with_embedded_resource, \
    test_prompt_with_image, test_input_required_result_prompt]\n  \
    asks: [form, page, sampling, roots]\n  completion: true\n";

/// The suite against a server of its own behind the gateway, at the door of that connector.
fn behind(requirements: &str) {
    let upstream = Upstream::of(House::new(None), ("suite.py", "anonymous: true\n"));
    upstream.added(&[], &[]);
    let file = upstream.file();
    let (_, tools) = file.split_once("  tools:\n").unwrap();
    let names = tools.lines().take_while(|line| line.starts_with("    "));
    let names: BTreeSet<&str> = names
        .filter(|line| !line.starts_with("     "))
        .map(|line| line.trim().split(':').next().unwrap())
        .collect();
    assert!(names.len() > 20, "{file}");
    let tools: Vec<(&str, &str)> = names.iter().map(|name| (*name, "{power: read}")).collect();
    upstream.write(Written {
        tools: &tools,
        scope: ALL,
        permissions: "  - {who: [anonymous], may: [POWERS]}\n",
        ..Written::default()
    });
    upstream.pinned();
    let open = upstream.open();
    let url = format!("{}/mcp/up", open.served.caller.url);
    let keep = tempfile::tempdir().unwrap();
    let asked = ["server", "--url", &url, "--timeout", "30000"];
    let failed = run(&asked, requirements, keep.path());
    compare(&failed, &format!("{requirements}-behind"));
}

#[test]
fn a_server_behind_the_gateway_speaks_2026_07_28_as_the_suite_wants() {
    behind("2026-07-28");
}

#[test]
fn a_server_behind_the_gateway_speaks_2025_11_25_as_the_suite_wants() {
    behind("2025-11-25");
}

async fn conform(requirements: &'static str) {
    let house = Within::open(FILE).await;
    let keep = tempfile::tempdir().unwrap();
    let (url, folder) = (format!("{}/mcp", house.url), keep.path().to_owned());
    let running = move || {
        let asked = ["server", "--url", &url, "--timeout", "30000"];
        run(&asked, requirements, &folder)
    };
    let failed = tokio::task::spawn_blocking(running).await.unwrap();
    compare(&failed, requirements);
    house.close().await;
}

/// The gateway as a client: `gateway_as_client.py` drives a real one by its command line.
fn conform_as_client(requirements: &str) {
    let keep = tempfile::tempdir().unwrap();
    let driver = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/tools/gateway_as_client.py"
    );
    let python = PathBuf::from(prepared("DRAWBRIDGE_TEST_PYTHON"));
    let command = format!("{} {driver} {PROGRAM}", python.display());
    let asked = ["client", "--command", &command, "--timeout", "120000"];
    let failed = run(&asked, requirements, keep.path());
    compare(&failed, &format!("client-{requirements}"));
}

#[test]
fn revision_2026_07_28_is_spoken_to_servers_as_the_suite_wants() {
    conform_as_client("2026-07-28");
}

#[test]
fn revision_2025_11_25_is_spoken_to_servers_as_the_suite_wants() {
    conform_as_client("2025-11-25");
}

#[tokio::test(flavor = "multi_thread")]
async fn revision_2026_07_28_is_spoken_as_the_suite_wants() {
    conform("2026-07-28").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revision_2025_11_25_is_spoken_as_the_suite_wants() {
    conform("2025-11-25").await;
}
