//! What leaves the log as a file or a stream: exports, proofs, pages, and following it.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

use super::served::{House, Load};

fn told(out: &Output) -> Value {
    serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&out.stderr)))
}

async fn written() -> House {
    let house = House::on_sqlite();
    let served = house.serve();
    let load = Load::of(&served.caller, 8);
    load.reach(300).await;
    load.end().await;
    served
        .caller
        .send("nothing_here", "{}".to_owned())
        .await
        .unwrap();
    house
}

fn python() -> String {
    let python = std::env::var_os("DRAWBRIDGE_TEST_PYTHON")
        .expect("`./test` prepares Python's packages and names them here");
    python.into_string().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_verified_by_us_and_by_other_peoples_libraries() {
    let house = written().await;
    let file = house.folder.join("export.jsonl");
    let path = file.to_str().unwrap();
    let out = house.line(&["log", "export", "--format", "jsonl", "--out", path]);
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let key = String::from_utf8(house.line(&["log", "key"]).stdout).unwrap();
    let key = key.trim();
    let verified = house.line(&["log", "verify", "--json", "--key", key, "--file", path]);
    let verified = told(&verified);
    let records = verified["data"]["records"].as_u64().unwrap();
    assert!(records > 300, "{verified}");
    let second = Command::new(python())
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/tools/second_verifier.py"
        ))
        .args(["root", path, &format!("{path}.checkpoint"), key])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stdout).into_owned();
    assert!(
        said.starts_with("ok "),
        "{said}{}",
        String::from_utf8_lossy(&second.stderr)
    );
    let text = std::fs::read_to_string(&file).unwrap();
    for (what, changed) in [
        (
            "one byte",
            text.replacen("search", "Search", 1)
                .replacen("\"ok\"", "\"denied\"", 1),
        ),
        ("a line less", text.split_inclusive('\n').skip(1).collect()),
        ("two lines swapped", {
            let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
            lines.swap(3, 4);
            lines.concat()
        }),
    ] {
        std::fs::write(&file, changed).unwrap();
        let out = house.line(&["log", "verify", "--key", key, "--file", path]);
        assert!(!out.status.success(), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ocsf_events_fit_the_schema() {
    let house = written().await;
    let schema = Command::new(python())
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/tools/second_verifier.py"
        ))
        .arg("ocsf")
        .output()
        .unwrap();
    let schema: Value = serde_json::from_slice(&schema.stdout).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let out = house.line(&["log", "export", "--format", "ocsf"]);
    let text = String::from_utf8(out.stdout).unwrap();
    let mut statuses = std::collections::BTreeSet::new();
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let wrong: Vec<String> = schema
            .iter_errors(&event)
            .map(|error| format!("{} {error}", error.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{wrong:?} {event}");
        let activity = event["activity_id"].as_u64().unwrap();
        assert_eq!(event["type_uid"], json!(600_300 + activity));
        statuses.insert((
            event["status_code"].as_str().unwrap().to_owned(),
            event["status_id"].as_u64(),
        ));
    }
    assert!(
        statuses.contains(&("ok".to_owned(), Some(1))),
        "{statuses:?}"
    );
    assert!(
        statuses.contains(&("denied".to_owned(), Some(2))),
        "{statuses:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_pages_and_proofs() {
    let house = written().await;
    let served = house.serve();
    let (_, all) = served.caller.get("/api/v1/records/export/jsonl").await;
    let whole = all.lines().count();
    let (mut seen, mut query) = (0, "limit=70".to_owned());
    loop {
        let (code, page) = served
            .caller
            .get(&format!("/api/v1/records?action=connectors&{query}"))
            .await;
        assert_eq!(code, 200, "{page}");
        let page: Value = serde_json::from_str(&page).unwrap();
        seen += page["data"]["records"].as_array().unwrap().len();
        match page["data"]["next"]["before"].as_u64() {
            Some(before) => query = format!("limit=70&before={before}"),
            None => break,
        }
    }
    let (_, named) = served
        .caller
        .get("/api/v1/records/export/jsonl?action=drawbridge_connectors")
        .await;
    let (_, listed) = served
        .caller
        .get("/api/v1/records/export/jsonl?status=denied")
        .await;
    assert!(
        named.lines().count() + seen + listed.lines().count() > 300,
        "{seen} of {whole}"
    );
    for line in listed.lines() {
        assert!(line.contains("\"status\":\"denied\""), "{line}");
    }
    for (arguments, some) in [
        (vec!["--since", "1h"], true),
        (vec!["--until", "1h"], false),
        (vec!["--text", "NOTHING_HERE"], true),
        (vec!["--text", "no such text"], false),
        (vec!["--person", "olga@x.example"], true),
        (vec!["--person", "ann@x.example"], false),
        (vec!["--status", "denied", "--client", "command-line"], true),
    ] {
        let mut line = vec!["log", "--json"];
        line.extend(arguments.clone());
        let found = told(&house.line(&line));
        let found = found["data"]["records"].as_array().unwrap();
        assert_eq!(!found.is_empty(), some, "{arguments:?}");
    }
    let found = told(&house.line(&["log", "--json", "--status", "denied"]));
    let id = found["data"]["records"][0]["id"].as_str().unwrap();
    let proof = house.folder.join("proof.json");
    std::fs::write(&proof, house.line(&["log", "prove", id, "--json"]).stdout).unwrap();
    let path = proof.to_str().unwrap();
    drop(served);
    let held = house.line(&["log", "verify", "--proof", path, "--json"]);
    assert_eq!(told(&held)["data"]["id"], id);
    let text = std::fs::read_to_string(&proof).unwrap();
    std::fs::write(&proof, text.replacen("\"place\":", "\"place\":1", 1)).unwrap();
    assert!(
        !house
            .line(&["log", "verify", "--proof", path])
            .status
            .success()
    );
}

/// Verifying needs no right to write, and leaves no trace.
#[tokio::test(flavor = "multi_thread")]
async fn verifying_changes_nothing() {
    let house = written().await;
    let state = house.state();
    let look = || {
        let mut files: Vec<(std::path::PathBuf, Vec<u8>)> = Vec::new();
        for name in [
            "drawbridge.db",
            "drawbridge.db-wal",
            "checkpoint",
            "checkpoint.frontier",
        ] {
            files.push((
                state.join(name),
                std::fs::read(state.join(name)).unwrap_or_default(),
            ));
        }
        files
    };
    let before = look();
    house.verify();
    assert!(before == look(), "verifying changed a file");
    // A copy alone, with the key alone, on a place that cannot be written.
    let key = String::from_utf8(house.line(&["log", "key"]).stdout).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let away = house.folder.join("away");
    std::fs::create_dir_all(&away).unwrap();
    super::served::copy_store(&state.join("drawbridge.db"), &away.join("copy.db"));
    let copy = away.join("copy.db");
    let out = Command::new(crate::bridge::PROGRAM)
        .args(["log", "verify", "--key", key.trim(), "--store"])
        .arg(copy)
        .current_dir(elsewhere.path())
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let left = std::fs::read_dir(elsewhere.path()).unwrap().count();
    assert_eq!(left, 0, "no workspace is needed or made");
}

#[tokio::test(flavor = "multi_thread")]
async fn following_goes_on_over_a_restart() {
    for house in [House::on_sqlite(), House::on_postgres().await] {
        let mut served = house.serve();
        let first = served.caller.until_answered().await;
        let mut follower = house
            .command(&[])
            .args(["log", "--follow", "--json", "--text", "connectors"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
        let mut next = move || -> String {
            let line = lines.next().unwrap().unwrap();
            let record: Value = serde_json::from_str(&line).unwrap();
            record["id"].as_str().unwrap().to_owned()
        };
        assert_eq!(next(), first);
        let mut calls = Vec::new();
        for _ in 0..3 {
            calls.push(served.caller.until_answered().await);
        }
        served.kill();
        let served = house.serve();
        for _ in 0..3 {
            calls.push(served.caller.until_answered().await);
        }
        let seen: Vec<String> = (0..calls.len()).map(|_| next()).collect();
        assert_eq!(seen, calls, "each once, in order");
        follower.kill().unwrap();
        follower.wait().unwrap();
    }
}
