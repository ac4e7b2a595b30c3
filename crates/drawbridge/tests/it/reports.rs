//! Exports in a folder, read by confined children of the gateway.

use std::{fs, io::Write, path::Path};

use serde_json::{Value, json};

use crate::desk::{Desk, documents, gateway, write};

const PEOPLE: &str = "  ann: {name: Ann, groups: [all]}\n";

async fn open(folder: &Path) -> Desk {
    fs::create_dir_all(folder.join("exports")).unwrap();
    let scope = "tables: {t: {key: id, fields: [id, what], label: public}}";
    let file = documents("", scope, "{who: [everyone], may: [read]}")
        .replace(
            "kind: documents, folder: documents",
            "kind: sql, url: \"reports:exports\"",
        )
        .replace("access: [read, search]", "access: [read]");
    Desk::open(folder, &gateway(PEOPLE), &file).await
}

async fn list(desk: &Desk) -> Value {
    desk.ask("ann", "list", json!({"table": "t"})).await
}

#[tokio::test]
async fn an_answer_says_when_its_file_was_changed() {
    let keep = tempfile::tempdir().unwrap();
    let desk = open(keep.path()).await;
    write(&keep.path().join("exports"), "t.csv", "id,what\n1,heron\n");
    aged(keep.path(), 1_767_225_600);
    let answer = list(&desk).await;
    assert_eq!(answer["data"]["rows"], json!([{"id": 1, "what": "heron"}]));
    let modified = &answer["sources"][0]["modified"];
    assert_eq!(modified, "2026-01-01T00:00:00Z", "{answer}");
}

/// Gives the file another time, in seconds since 1970.
fn aged(folder: &Path, seconds: u64) {
    let mut options = fs::File::options();
    let file = options
        .write(true)
        .open(folder.join("exports/t.csv"))
        .unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    file.set_modified(time).unwrap();
}

#[tokio::test]
async fn old_exports_are_called_so_or_refused() {
    for (more, told) in [
        ("stale_after: 24h", true),
        ("stale_after: 24h, when_stale: refuse", false),
    ] {
        let keep = tempfile::tempdir().unwrap();
        fs::create_dir_all(keep.path().join("exports")).unwrap();
        write(&keep.path().join("exports"), "t.csv", "id,what\n1,heron\n");
        let scope = "query: true, tables: {t: {key: id, fields: [id, what], label: public}}";
        let file = documents("", scope, "{who: [everyone], may: [read, search]}").replace(
            "kind: documents, folder: documents",
            &format!("kind: sql, url: \"reports:exports\", {more}"),
        );
        let desk = Desk::open(keep.path(), &gateway(PEOPLE), &file).await;
        let asked = [
            ("list", json!({"table": "t"})),
            ("search", json!({"table": "t"})),
            ("query", json!({"sql": "SELECT what FROM t"})),
        ];
        // An hour and 25 hours before what the desk takes for now.
        aged(keep.path(), 1_780_311_600);
        for (action, arguments) in asked.clone() {
            let answer = desk.ask("ann", action, arguments).await;
            assert_eq!(answer["notices"], json!([]), "{answer}");
            assert!(answer["sources"][0].get("stale").is_none(), "{answer}");
        }
        aged(keep.path(), 1_780_225_200);
        for (action, arguments) in asked {
            let answer = desk.ask("ann", action, arguments).await;
            if told {
                assert_eq!(answer["sources"][0]["stale"], true, "{action}: {answer}");
                assert!(answer.to_string().contains("say so when you answer"));
            } else {
                assert_eq!(answer["status"], "stale", "{action}: {answer}");
                assert!(!answer.to_string().contains("heron"));
            }
        }
    }
}

/// Kibibytes of memory that this process had at most.
fn most_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn a_million_rows_take_little_memory() {
    let keep = tempfile::tempdir().unwrap();
    let desk = open(keep.path()).await;
    let path = keep.path().join("exports/t.csv");
    let mut file = std::io::BufWriter::new(fs::File::create(path).unwrap());
    writeln!(file, "id,what").unwrap();
    for id in 0..1_000_000 {
        writeln!(file, "{id},a value of the row {id} that is not too short").unwrap();
    }
    file.flush().unwrap();
    drop(file);
    let (before, began) = (most_memory(), std::time::Instant::now());
    // A question may end before all is loaded; a later one finds it done.
    let answer = loop {
        let answer = desk
            .ask("ann", "read", json!({"table": "t", "key": 999_999}))
            .await;
        if answer["status"] != "timeout" || began.elapsed().as_secs() > 120 {
            break answer;
        }
    };
    assert_eq!(answer["data"]["row"]["id"], 999_999, "{answer}");
    let grown = most_memory() - before;
    println!("{grown} KiB more, {:?}", began.elapsed());
    assert!(grown < 64 << 10, "{grown} KiB more");
}
