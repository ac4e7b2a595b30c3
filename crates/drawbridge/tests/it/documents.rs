//! The documents kind keeps in step with its folder, over changes, restarts and damage.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use drawbridge_core::connector::Health;
use serde_json::{Value, json};

use crate::{
    bridge::Bridge,
    desk::{Desk, documents, gateway, paths, write},
};

const ANN: &str = "  ann: {name: Ann}\n";
const ALL: &str = "{who: [everyone], may: [read, search]}";

async fn desk(folder: &Path, system: &str) -> Desk {
    fs::create_dir_all(folder.join("documents")).unwrap();
    Desk::open(
        folder,
        &gateway(ANN),
        &documents(system, "label: internal", ALL),
    )
    .await
}

fn fill(documents: &Path, count: usize) {
    for number in 0..count {
        write(
            documents,
            &format!("f{}/d{number:04}.md", number % 7),
            format!("# Doc {number}\n\nheron number{number}"),
        );
    }
}

fn total(answer: &Value) -> Option<u64> {
    answer["data"]["total"].as_u64()
}

#[tokio::test]
async fn changes_and_deletes_show_at_once_and_a_read_never_shows_what_is_gone() {
    let keep = tempfile::tempdir().unwrap();
    let desk = desk(keep.path(), ", rescan_every: 1h").await;
    fill(&desk.documents(), 10);
    desk.synced(10).await;
    let heron = json!({"query": "heron", "limit": 50});
    write(&desk.documents(), "f0/new.md", "# New\n\nheron");
    desk.answers(("ann", "search", heron.clone()), |answer| {
        total(answer) == Some(11)
    })
    .await;
    // Without any waiting: what is shown is looked at again before it leaves.
    for number in 0..10 {
        let path = format!("f{}/d{number:04}.md", number % 7);
        if number % 2 == 0 {
            fs::remove_file(desk.documents().join(&path)).unwrap();
        } else {
            write(&desk.documents(), &path, "# Changed\n\nmoorhen");
        }
        let read = desk.ask("ann", "read", json!({"path": path})).await;
        let found = paths(&desk.ask("ann", "search", heron.clone()).await);
        assert!(!found.contains(&path), "{path}");
        match number % 2 {
            0 => assert_eq!(read["status"], "not_found"),
            _ => assert!(
                read["data"]["text"].as_str().unwrap().contains("moorhen"),
                "{read}"
            ),
        }
    }
    // A label that does not exist makes it invisible, and the reason is told to whoever asks.
    write(
        &desk.documents(),
        "f0/new.md",
        "---\nlabel: secret\n---\nheron",
    );
    assert_eq!(total(&desk.ask("ann", "search", heron).await), Some(0));
    let problems = desk.connector.inspect().await.problems;
    let problem = problems
        .iter()
        .find(|problem| problem.path == "f0/new.md")
        .unwrap();
    assert_eq!(
        problem.reason,
        "its label `secret` is no label of this gateway"
    );
}

#[tokio::test]
async fn a_read_is_not_overwritten_by_a_listing_that_began_before_it() {
    let keep = tempfile::tempdir().unwrap();
    let desk = desk(keep.path(), ", rescan_every: 1s").await;
    fill(&desk.documents(), 40);
    desk.synced(40).await;
    // Each round changes every file, which starts a listing, and reads while that runs.
    for round in 0..4 {
        fill(&desk.documents(), 40);
        let path = format!("f{}/d{round:04}.md", round % 7);
        for version in 0..4 {
            let word = format!("moorhen{round}x{version}");
            write(&desk.documents(), &path, format!("# Doc\n\n{word}"));
            for _ in 0..2 {
                let read = desk.ask("ann", "read", json!({"path": path})).await;
                assert!(
                    read["data"]["text"].as_str().unwrap().contains(&word),
                    "{read}"
                );
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_removed_below_a_folder_that_cannot_be_listed() {
    let keep = tempfile::tempdir().unwrap();
    let desk = desk(keep.path(), ", rescan_every: 1s").await;
    write(&desk.documents(), "kept/a.md", "heron");
    write(&desk.documents(), "gone/b.md", "heron");
    desk.synced(2).await;
    // What is no folder cannot be listed, by root neither.
    let aside = keep.path().join("aside");
    fs::rename(desk.documents(), &aside).unwrap();
    fs::write(desk.documents(), "no folder").unwrap();
    desk.until("it is not degraded", |inspection| {
        inspection.summary.contains("cannot be opened")
    })
    .await;
    assert_eq!(desk.connector.inspect().await.resources, 2);
    fs::remove_file(desk.documents()).unwrap();
    fs::rename(&aside, desk.documents()).unwrap();
    fs::remove_dir_all(desk.documents().join("gone")).unwrap();
    desk.until("it does not recover", |inspection| {
        inspection.resources == 1 && inspection.problem_count == 0
    })
    .await;
}

#[tokio::test]
async fn what_is_kept_answers_after_a_restart_and_unchanged_files_are_not_read_again() {
    let keep = tempfile::tempdir().unwrap();
    let first = desk(keep.path(), "").await;
    fill(&first.documents(), 60);
    first.synced(60).await;
    let question = json!({"query": "heron number7", "limit": 5});
    let before = first.ask("ann", "search", question.clone()).await;
    first.clock.pass(Duration::from_secs(3_600));
    first.connector.close().await;
    assert_eq!(
        first.ask("ann", "search", question.clone()).await["status"],
        "unavailable"
    );
    let second = desk(keep.path(), "").await;
    let after = second.ask("ann", "search", question.clone()).await;
    assert_eq!(
        before["data"], after["data"],
        "at once, and with the time of the first reading"
    );
    second.connector.close().await;
    // Damaged, cut short, of another format, or simply not there: it is made anew.
    let index = keep.path().join("state/index");
    let damages: [(&str, Damage); 5] = [
        ("deleted", |index| fs::remove_dir_all(index).unwrap()),
        ("emptied", |index| {
            fs::write(index.join("meta.json"), "").unwrap()
        }),
        ("of another format", |index| {
            fs::write(index.join("about"), "drawbridge documents 0").unwrap()
        }),
        ("a flipped byte", |index| {
            let store = largest(index);
            let mut bytes = fs::read(&store).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(store, bytes).unwrap();
        }),
        ("cut short", |index| {
            let store = fs::File::options()
                .write(true)
                .open(largest(index))
                .unwrap();
            store.set_len(10).unwrap();
        }),
    ];
    for (name, damage) in damages {
        damage(&index);
        let desk = desk(keep.path(), "").await;
        desk.synced(60).await;
        let answer = desk.ask("ann", "search", question.clone()).await;
        assert_eq!(answer["data"]["hits"], before["data"]["hits"], "{name}");
        desk.connector.close().await;
    }
}

#[tokio::test]
async fn what_changed_while_it_was_closed_is_not_answered_as_if_it_were_whole() {
    let keep = tempfile::tempdir().unwrap();
    let first = desk(keep.path(), ", rescan_every: 1h").await;
    fill(&first.documents(), 400);
    first.synced(400).await;
    first.connector.close().await;
    for number in 0..400 {
        let path = format!("f{}/d{number:04}.md", number % 7);
        write(&first.documents(), &path, "# Doc\n\nmoorhen, moorhen");
    }
    let second = desk(keep.path(), ", rescan_every: 1h").await;
    let nothing = json!({"query": "moorhen"});
    let early = second.ask("ann", "search", nothing.clone()).await;
    let inspection = second.connector.inspect().await;
    assert_ne!(total(&early), Some(400), "it is read too soon to tell");
    assert_ne!(early["missing"], json!([]), "{early}");
    assert_eq!(inspection.health, Health::Syncing, "{inspection:?}");
    assert!(
        inspection.synced.is_some(),
        "when it was last in step is kept"
    );
    second.synced(400).await;
    let whole = second.ask("ann", "search", nothing).await;
    assert_eq!((total(&whole), &whole["missing"]), (Some(400), &json!([])));
    second.connector.close().await;
    // Where nothing changed, the first question is answered whole.
    let third = desk(keep.path(), ", rescan_every: 1h").await;
    let kept = third
        .ask("ann", "search", json!({"query": "moorhen"}))
        .await;
    assert_eq!((total(&kept), &kept["missing"]), (Some(400), &json!([])));
}

/// Does something to an index that is closed.
type Damage = fn(&Path);

/// The largest file of an index.
fn largest(index: &Path) -> std::path::PathBuf {
    let files = fs::read_dir(index)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap()
}

#[tokio::test]
async fn an_index_whose_folder_goes_away_while_it_runs_is_made_anew() {
    let keep = tempfile::tempdir().unwrap();
    let desk = desk(keep.path(), "").await;
    fill(&desk.documents(), 20);
    desk.synced(20).await;
    fs::remove_dir_all(keep.path().join("state")).unwrap();
    write(&desk.documents(), "more.md", "heron");
    desk.answers(("ann", "search", json!({"query": "heron"})), |answer| {
        total(answer) == Some(21) && answer["missing"] == json!([])
    })
    .await;
}

#[tokio::test]
async fn a_second_gateway_on_the_same_folder_does_not_disturb_the_first() {
    let keep = tempfile::tempdir().unwrap();
    let first = desk(keep.path(), ", rescan_every: 1s").await;
    fill(&first.documents(), 10);
    first.synced(10).await;
    let second = desk(keep.path(), ", rescan_every: 1s").await;
    second.synced(10).await;
    write(&first.documents(), "more.md", "heron");
    for desk in [&first, &second] {
        let heron = ("ann", "search", json!({"query": "heron"}));
        let answer = desk
            .answers(heron, |answer| total(answer) == Some(11))
            .await;
        assert_eq!(answer["missing"], json!([]));
    }
    second.connector.close().await;
    first.connector.close().await;
    let third = desk(keep.path(), "").await;
    let kept = third.ask("ann", "search", json!({"query": "heron"})).await;
    assert_eq!(
        (total(&kept), &kept["missing"]),
        (Some(11), &json!([])),
        "the index of the first is kept"
    );
}

#[tokio::test]
async fn old_documents_are_told_or_refused_as_the_file_says() {
    for (when, refused) in [("warn", false), ("refuse", true)] {
        let keep = tempfile::tempdir().unwrap();
        let desk = desk(
            keep.path(),
            &format!(", rescan_every: 1h, stale_after: 1h, when_stale: {when}"),
        )
        .await;
        fill(&desk.documents(), 3);
        desk.synced(3).await;
        for (action, question) in [
            ("search", json!({"query": "heron"})),
            ("search", json!({"query": "nowhere"})),
            ("list", json!({})),
            ("read", json!({"path": "f0/d0000.md"})),
        ] {
            let fresh = desk.ask("ann", action, question.clone()).await;
            assert_eq!(fresh["notices"], json!([]), "{fresh}");
            desk.clock.pass(Duration::from_secs(7_200));
            let old = desk.ask("ann", action, question.clone()).await;
            desk.clock.pass(Duration::from_secs(0));
            if refused {
                assert_eq!(old["status"], "stale", "{old}");
            } else {
                assert!(
                    old["notices"][0].as_str().unwrap().contains("longer ago"),
                    "{old}"
                );
                for source in old["sources"].as_array().unwrap() {
                    assert_eq!(source["stale"], true, "{source}");
                }
            }
            desk.clock.back(Duration::from_secs(7_200));
        }
    }
}

#[tokio::test]
async fn a_thousand_changed_files_are_searchable_soon_and_none_is_lost() {
    let keep = tempfile::tempdir().unwrap();
    let desk = desk(keep.path(), ", rescan_every: 1h").await;
    let began = Instant::now();
    fill(&desk.documents(), 1_000);
    desk.synced(1_000).await;
    let first = began.elapsed();
    for number in 0..1_000 {
        let text = format!("# Doc {number}\n\nmoorhen number{number}");
        write(
            &desk.documents(),
            &format!("f{}/d{number:04}.md", number % 7),
            text,
        );
    }
    let began = Instant::now();
    let moorhen = ("ann", "search", json!({"query": "moorhen"}));
    desk.answers(moorhen, |answer| total(answer) == Some(1_000))
        .await;
    println!(
        "1,000 files: first sync {first:?}, all changed {:?}",
        began.elapsed()
    );
    let heron = desk.ask("ann", "search", json!({"query": "heron"})).await;
    assert_eq!(total(&heron), Some(0), "no old version is left");
    let mut single = Vec::new();
    for number in 0..20 {
        write(
            &desk.documents(),
            &format!("single{number}.md"),
            "# Single\n\nbittern",
        );
        let began = Instant::now();
        let bittern = ("ann", "search", json!({"query": "bittern"}));
        desk.answers(bittern, |answer| total(answer) == Some(number + 1))
            .await;
        single.push(began.elapsed());
    }
    single.sort();
    println!(
        "one changed file: p50 {:?}, p95 {:?}",
        single[10], single[18]
    );
}

#[tokio::test]
async fn a_gateway_killed_while_it_syncs_finds_everything_afterwards() {
    let mut bridge = Bridge::start().await;
    let folder = bridge.folder().join("documents/handbook");
    for number in 0..300 {
        write(
            &bridge.folder().join("documents"),
            &format!("handbook/k{number:03}.md"),
            format!("# K\n\nbittern {number}"),
        );
    }
    // Killed at some moments of the sync, of which each leaves another state behind.
    let mut bridges = 0;
    for wait in [60, 200, 350, 500, 900] {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        bridge.kill();
        bridge = bridge.again();
        bridges += 1;
    }
    assert_eq!(bridges, 5);
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = bridge
            .call("ingrid", "handbook_search", json!({"query": "bittern"}))
            .await;
        if answer["status"] == "ok" && total(&answer) == Some(300) {
            break;
        }
        assert!(Instant::now() < end, "{answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(folder.is_dir());
}

/// Files of the real corpus, where it is there; of the sample company, where it is not.
#[tokio::test]
async fn every_file_is_a_document_or_a_problem_with_a_reason() {
    let keep = tempfile::tempdir().unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let given = std::env::var_os("DRAWBRIDGE_TEST_DATA").map(std::path::PathBuf::from);
    let corpus = [
        given.unwrap_or_default(),
        here.join("../../../shared/data"),
        here.join("../../demo/documents"),
    ];
    let corpus = corpus.into_iter().find(|folder| folder.is_dir()).unwrap();
    let copied = Command::new("cp")
        .arg("-rL")
        .arg(&corpus)
        .arg(keep.path().join("documents"))
        .stdout(Stdio::null())
        .status();
    assert!(copied.unwrap().success());
    let (mut files, mut bytes, mut folders) = (0, 0, vec![keep.path().join("documents")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                files += 1;
                bytes += entry.metadata().unwrap().len();
            }
        }
    }
    let began = Instant::now();
    let desk = desk(keep.path(), "").await;
    desk.until("it does not sync", |inspection| {
        inspection.synced.is_some() && inspection.progress.is_none()
    })
    .await;
    let took = began.elapsed();
    let inspection = desk.connector.inspect().await;
    let hidden = files - inspection.resources;
    assert!(
        inspection.problem_count >= hidden,
        "{hidden} of {files} files are neither"
    );
    assert!(
        inspection
            .problems
            .iter()
            .all(|problem| !problem.reason.is_empty())
    );
    println!(
        "{}: {files} files, {} documents, {hidden} hidden, {} problems; {:.0} files/s, {:.1} MB/s",
        corpus.display(),
        inspection.resources,
        inspection.problem_count,
        files as f64 / took.as_secs_f64(),
        bytes as f64 / took.as_secs_f64() / 1e6
    );
}

/// Not a test of time: it prints what the build at hand takes, and checks only that the answers are right.
#[tokio::test]
async fn ten_thousand_documents_are_searched_through_a_view() {
    let long = std::env::var_os("DRAWBRIDGE_LONG").is_some();
    let count: usize = if long { 10_000 } else { 300 };
    let keep = tempfile::tempdir().unwrap();
    fs::create_dir_all(keep.path().join("documents")).unwrap();
    let grant = "{who: [everyone], may: [read, search], only: {label: internal}}";
    let file = documents(", rescan_every: 1h", "label: internal", grant);
    for number in 0..count {
        let front = if number % 3 == 0 {
            "---\nlabel: restricted\n---\n"
        } else {
            ""
        };
        // A few words are common and most are rare, as in any language.
        let words: String = (1..120)
            .map(|place| format!("w{} ", (number * 31 + place * place) % (7 * place)))
            .collect();
        write(
            &keep.path().join("documents"),
            &format!("f{}/d{number:05}.md", number % 50),
            format!("{front}# D{number}\n\n{words}"),
        );
    }
    let began = Instant::now();
    let desk = Desk::open(keep.path(), &gateway(ANN), &file).await;
    desk.synced(count).await;
    let synced = began.elapsed();
    let mut took = Vec::new();
    for number in 0..200 {
        let question = json!({"query": format!("w{} w{} w{}", number % 90, number * 3 % 400, number * 7 % 800)});
        let began = Instant::now();
        let answer = desk.ask("ann", "search", question).await;
        took.push(began.elapsed());
        let hits = answer["data"]["hits"].as_array().unwrap();
        assert!(hits.iter().all(|hit| hit["label"] == "internal"));
    }
    took.sort();
    desk.connector.close().await;
    let began = Instant::now();
    let again = Desk::open(keep.path(), &gateway(ANN), &file).await;
    let found = again.ask("ann", "search", json!({"query": "w1"})).await;
    assert_eq!(
        found["missing"],
        json!([]),
        "what is kept is compared with the folder"
    );
    println!(
        "{count} documents: synced in {synced:?}; search p50 {:?}, p99 {:?}; opened again in {:?}",
        took[100],
        took[197],
        began.elapsed()
    );
}
