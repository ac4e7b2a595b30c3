//! The demo: it starts quickly, says how to try it, and its three questions have answers.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bridge::{Bridge, PROGRAM};

fn paths(answer: &Value) -> Vec<String> {
    let hits = answer["data"]["hits"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer}"));
    hits.iter()
        .map(|hit| hit["path"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn the_three_questions_are_answered_for_those_who_may_know() {
    let bridge = Bridge::start().await;
    for person in ["maja", "erik", "ingrid"] {
        let ask = |query: &str| {
            let arguments = json!({"query": query});
            let bridge = &bridge;
            async move { bridge.call(person, "handbook_search", arguments).await }
        };
        let per_diem = ask("What is the per diem for travel?").await;
        assert_eq!(
            paths(&per_diem)[0],
            "handbook/travel-expenses-2026.md",
            "{person}"
        );
        assert!(
            !per_diem.to_string().contains("travel-expenses-2024"),
            "{person}: superseded"
        );
        let path = json!({"path": "handbook/travel-expenses-2026.md"});
        let read = bridge.call(person, "handbook_read", path).await;
        assert!(read.to_string().contains("320 SEK"), "{person}");

        let refund = ask("What is the refund window for made-to-order furniture?").await;
        let found = paths(&refund).contains(&"support/refunds.md".to_owned());
        assert_eq!(found, person != "erik", "{person}: {:?}", paths(&refund));
        let told = refund.to_string().contains("14 days") && found;
        assert_eq!(told, person != "erik", "{person}");

        let heron = ask("What is Project Heron?").await;
        let found = paths(&heron).contains(&"hr/project-heron.md".to_owned());
        assert_eq!(found, person == "ingrid", "{person}: {:?}", paths(&heron));
        assert_eq!(
            heron.to_string().contains("eleven"),
            person == "ingrid",
            "{person}"
        );
    }
    // The other client is one of Maja's too, and has its own rule.
    let bot = bridge.token("maja", "reporting-bot");
    let answer = bridge
        .send(&bot, "handbook_search", &json!({"query": "per diem"}))
        .await
        .unwrap();
    assert_eq!(answer["status"], "ok");
}

#[tokio::test]
async fn the_company_has_forty_documents_in_eight_formats_and_none_is_left_out() {
    let bridge = Bridge::start().await;
    let documents = bridge.folder().join("documents");
    let (mut count, mut formats, mut folders) =
        (0, std::collections::BTreeSet::new(), vec![documents]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                count += 1;
                formats.insert(entry.path().extension().unwrap().to_owned());
            }
        }
    }
    assert!(count >= 40 && formats.len() >= 8, "{count} in {formats:?}");
    let line = bridge.line(&["--json", "check"]);
    let checked: Value = serde_json::from_slice(&line.stdout).unwrap();
    assert!(!checked.to_string().contains("with a problem"), "{checked}");
    assert!(
        !checked.to_string().contains("\"colour\":\"red\""),
        "{checked}"
    );
    let labels: std::collections::BTreeSet<String> = bridge
        .call("ingrid", "handbook_list", json!({"limit": 200}))
        .await["sources"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|source| source["label"].as_str().map(str::to_owned))
        .collect();
    if !labels.is_empty() {
        assert_eq!(labels.len(), 3, "{labels:?}");
    }
}

#[test]
fn json_says_on_its_first_line_how_to_reach_it_and_keeps_what_a_user_changed() {
    let keep = tempfile::tempdir().unwrap();
    let folder = keep.path().join("lindqvist");
    let own = "# My own welcome\n";
    for round in 0..2 {
        let began = Instant::now();
        let mut child = std::process::Command::new(PROGRAM)
            .args(["demo", "--json", "--dir"])
            .arg(&folder)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut output, &mut line).unwrap();
        let took = began.elapsed();
        let _ = child.kill();
        let _ = child.wait();
        // The figure is for a release build; a debug build on a busy machine is given more.
        assert!(took < Duration::from_secs(10), "{took:?}");
        println!("first line after {took:?}");
        let told: Value = serde_json::from_str(&line).unwrap();
        let keys: Vec<&String> = told.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["mcp", "api", "console", "callers"]);
        let callers = told["callers"].as_array().unwrap();
        let distinct = |key: &str| {
            let all: std::collections::BTreeSet<&str> = callers
                .iter()
                .map(|caller| caller[key].as_str().unwrap())
                .collect();
            all.len()
        };
        assert_eq!((distinct("person"), distinct("client")), (3, 2));
        assert_eq!(distinct("token"), callers.len());
        let welcome = folder.join("documents/handbook/welcome.md");
        if round == 0 {
            std::fs::write(&welcome, own).unwrap();
        } else {
            assert_eq!(std::fs::read_to_string(&welcome).unwrap(), own);
        }
    }
}
