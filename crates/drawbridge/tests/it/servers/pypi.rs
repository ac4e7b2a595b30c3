//! Servers of PyPI's: git, time and fetch, which speak the newer era, and sqlite, which speaks the older.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::Path,
    process::Command,
};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Direct, alike, granted};
use crate::{
    clients::prepared,
    gate::{Gate, Site},
};

/// The environments that `./test` prepares: two, since the packages exclude each other.
const NEWER: &str = "DRAWBRIDGE_TEST_SERVERS";
const OLDER: &str = "DRAWBRIDGE_TEST_SERVERS_OLDER";
/// What makes commits alike that are made at other times.
const DATES: [&str; 2] = [
    "GIT_AUTHOR_DATE=2026-01-02T03:04:05+00:00",
    "GIT_COMMITTER_DATE=2026-01-02T03:04:05+00:00",
];

/// A gateway before a server of an environment of Python, which may read that, and the Python it is made from.
fn before(
    name: &str,
    command: &[String],
    (environment, more): (&str, &[&str]),
) -> (Site, Gate, String) {
    let folder = prepared(environment);
    let python = Path::new(&folder).join("bin/python").canonicalize();
    let python = python.unwrap_or_else(|error| panic!("`./test` prepares {folder:?}: {error}"));
    let base = python.parent().unwrap().parent().unwrap();
    let mut grants = vec![
        "--read",
        folder.to_str().unwrap(),
        "--read",
        base.to_str().unwrap(),
    ];
    grants.extend(more);
    granted(name, command, &grants)
}

/// A server of such an environment, with its arguments.
fn server(environment: &str, name: &str, arguments: &[&str]) -> Vec<String> {
    let folder = prepared(environment);
    let program = Path::new(&folder)
        .join("bin")
        .join(format!("mcp-server-{name}"));
    assert!(
        program.is_file(),
        "`./test` prepares `{}`",
        program.display()
    );
    let words = std::iter::once(program.to_str().unwrap()).chain(arguments.iter().copied());
    words.map(str::to_owned).collect()
}

#[tokio::test]
async fn every_tool_of_time_answers_through_the_bridge_as_directly() {
    let command = server(NEWER, "time", &["--local-timezone", "Europe/Berlin"]);
    let (_site, gate, token) = before("time", &command, (NEWER, &[]));
    let mut direct = Direct::start(&command);
    let wanted = direct.call("get_current_time", &json!({"timezone": "Asia/Tokyo"}));
    let got = gate
        .call(
            &token,
            "time_get_current_time",
            &json!({"timezone": "Asia/Tokyo"}),
        )
        .await;
    let told = |answer: &Value| answer["structuredContent"].clone();
    let (got, wanted) = (told(&got["data"]), told(&wanted));
    for key in ["timezone", "is_dst"] {
        assert_eq!(got[key], wanted[key], "{got:#} {wanted:#}");
    }
    let when = |told: &Value| {
        told["datetime"]
            .as_str()
            .unwrap()
            .parse::<Timestamp>()
            .unwrap()
    };
    assert!(
        (when(&got) - when(&wanted)).get_seconds() < 60,
        "{got:#} {wanted:#}"
    );
    let calls = [
        (
            "convert_time",
            json!({"source_timezone": "Europe/Berlin", "time": "16:30", "target_timezone": "Asia/Kolkata"}),
        ),
        (
            "convert_time",
            json!({"source_timezone": "Europe/Berlin", "time": "late", "target_timezone": "Asia/Kolkata"}),
        ),
        ("get_current_time", json!({"timezone": "Middle/Earth"})),
    ];
    alike("time", (&gate, &token), &mut direct, &calls, |value| value).await;
}

/// Pages for whoever asks on loopback, until the test ends. Returns where.
fn pages() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap())
                .lines()
                .map_while(Result::ok);
            let first = lines.next().unwrap_or_default();
            while lines.next().is_some_and(|line| !line.is_empty()) {}
            let (status, body) = match first.split(' ').nth(1) {
                Some("/page") => (
                    "200 OK",
                    "<html><head><title>Bridges</title></head><body><h1>Bridges</h1><p>Some are <b>drawn</b> \u{fc}p.</p></body></html>",
                ),
                _ => ("404 Not Found", "nothing"),
            };
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn every_tool_of_fetch_answers_through_the_bridge_as_directly() {
    let at = pages();
    // Its own guard keeps it from loopback otherwise.
    let command = server(NEWER, "fetch", &["--allow-private-ips"]);
    let (_site, gate, token) = before("fetch", &command, (NEWER, &["--network"]));
    let mut direct = Direct::start(&command);
    let page = format!("{at}/page");
    let calls = [
        ("fetch", json!({"url": page})),
        ("fetch", json!({"url": page, "raw": true})),
        (
            "fetch",
            json!({"url": page, "max_length": 12, "start_index": 3}),
        ),
        ("fetch", json!({"url": format!("{at}/none")})),
    ];
    alike("fetch", (&gate, &token), &mut direct, &calls, |value| value).await;
    let answer = gate
        .call(&token, "fetch_fetch", &json!({"url": page}))
        .await;
    assert!(
        answer["data"].to_string().contains("**drawn**"),
        "{answer:#}"
    );
}

#[tokio::test]
async fn every_tool_of_sqlite_answers_through_the_bridge_as_directly() {
    let keep = tempfile::tempdir().unwrap();
    let [mine, theirs] = ["mine", "theirs"].map(|name| keep.path().join(name));
    let at = |folder: &Path| {
        std::fs::create_dir(folder).unwrap();
        let file = folder.join("shop.db");
        server(OLDER, "sqlite", &["--db-path", file.to_str().unwrap()])
    };
    let (command, other) = (at(&mine), at(&theirs));
    let grants = ["--write", mine.to_str().unwrap()];
    let (_site, gate, token) = before("sqlite", &command, (OLDER, &grants));
    let mut direct = Direct::start(&other);
    let query = |text: &str| json!({"query": text});
    let calls = [
        (
            "create_table",
            query("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT)"),
        ),
        (
            "write_query",
            query("INSERT INTO items (name) VALUES ('br\u{fc}cke'), ('gate')"),
        ),
        ("read_query", query("SELECT * FROM items ORDER BY id")),
        ("read_query", query("DELETE FROM items")),
        ("list_tables", json!({})),
        ("describe_table", json!({"table_name": "items"})),
        ("append_insight", json!({"insight": "two items"})),
    ];
    alike("sqlite", (&gate, &token), &mut direct, &calls, |value| {
        value
    })
    .await;
    assert!(mine.join("shop.db").is_file());
}

/// A repository with a commit, and a change that is none yet.
fn repository(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(folder).args(arguments);
        command.envs(DATES.map(|date| date.split_once('=').unwrap()));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["config", "user.name", "Ann"]);
    git(&["config", "user.email", super::ANN]);
    std::fs::write(folder.join("a.txt"), "one\ntwo\n").unwrap();
    git(&["add", "a.txt"]);
    git(&["commit", "-q", "-m", "first"]);
    std::fs::write(folder.join("a.txt"), "one\n2\n").unwrap();
}

#[tokio::test]
async fn every_tool_of_git_answers_through_the_bridge_as_directly() {
    let keep = tempfile::tempdir().unwrap();
    let [mine, theirs] = ["mine", "theirs"].map(|name| keep.path().join(name).join("house"));
    let at = |folder: &Path| {
        repository(folder);
        let path = folder.to_str().unwrap();
        let command = server(NEWER, "git", &["--repository", path]);
        let mut line = vec!["/usr/bin/env".to_owned()];
        line.extend(DATES.map(str::to_owned));
        line.extend(command);
        line
    };
    let (command, other) = (at(&mine), at(&theirs));
    let grants = ["--write", mine.to_str().unwrap()];
    let (_site, gate, token) = before("git", &command, (NEWER, &grants));
    let mut direct = Direct::start(&other);
    let calls = [
        ("git_status", json!({})),
        ("git_diff_unstaged", json!({})),
        ("git_add", json!({"files": ["a.txt"]})),
        ("git_diff_staged", json!({"context_lines": 1})),
        ("git_reset", json!({})),
        ("git_add", json!({"files": ["a.txt"]})),
        ("git_commit", json!({"message": "second"})),
        ("git_log", json!({"max_count": 5})),
        ("git_show", json!({"revision": "HEAD"})),
        ("git_show", json!({"revision": "none"})),
        ("git_diff", json!({"target": "HEAD~1"})),
        ("git_create_branch", json!({"branch_name": "side"})),
        ("git_checkout", json!({"branch_name": "side"})),
        ("git_branch", json!({"branch_type": "local"})),
        ("git_status", json!({})),
    ];
    in_both((&gate, &token), &mut direct, (&mine, &theirs), &calls).await;
    let head =
        |folder: &Path| std::fs::read_to_string(folder.join(".git/refs/heads/main")).unwrap();
    assert_eq!(head(&mine), head(&theirs));
}

/// Calls every tool both ways, each in a repository of its own.
async fn in_both(
    (gate, token): (&Gate, &str),
    direct: &mut Direct,
    (mine, theirs): (&Path, &Path),
    calls: &[(&str, Value)],
) {
    let mut missing = direct.tools();
    for (tool, arguments) in calls {
        missing.retain(|one| one != tool);
        let within = |folder: &Path| {
            let mut arguments = arguments.clone();
            arguments["repo_path"] = json!(folder);
            arguments
        };
        let wanted = direct.call(tool, &within(theirs));
        let answer = gate
            .call(token, &format!("git_{tool}"), &within(mine))
            .await;
        if wanted["isError"] == json!(true) {
            assert_eq!(answer["status"], "failed", "{tool}: {answer:#} {wanted:#}");
            continue;
        }
        assert_eq!(answer["status"], "ok", "{tool}: {answer:#} {wanted:#}");
        let got = answer["data"]["content"].to_string();
        let got = got.replace(mine.to_str().unwrap(), theirs.to_str().unwrap());
        assert_eq!(got, wanted["content"].to_string(), "{tool} {arguments}");
    }
    assert_eq!(missing, Vec::<String>::new(), "not called");
}
