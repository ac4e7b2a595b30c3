//! No path leads out of the folder, and no two names lead to one document.

use std::{
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::desk::{Desk, documents, gateway, paths, write};

/// What is in the file outside, and must never be in an answer.
const CANARY: &str = "canaryoutside";
const ALL: &str = "{who: [everyone], may: [read, search]}";

async fn desk(folder: &Path, system: &str) -> Desk {
    fs::create_dir_all(folder.join("documents/sub")).unwrap();
    fs::create_dir_all(folder.join("outside")).unwrap();
    fs::write(folder.join("outside/secret.md"), CANARY).unwrap();
    write(
        &folder.join("documents"),
        "sub/inside.md",
        "# Inside\n\nheron",
    );
    Desk::open(
        folder,
        &gateway("  ann: {name: Ann}\n"),
        &documents(system, "label: internal", ALL),
    )
    .await
}

/// Every way to write a name that the lists of attackers know, and that a file system may fold.
fn spellings(name: &str) -> Vec<String> {
    let mut all = Vec::new();
    let ups = [
        "../",
        "..\\",
        "..%2f",
        "%2e%2e/",
        "%252e%252e%252f",
        "..%c0%af",
        "..%ef%bc%8f",
        "....//",
        "..;/",
        ".././",
        "．．/",
        "‥/",
        "..\u{2215}",
        "..\u{ff0f}",
        "\u{2024}\u{2024}/",
        "..%00/",
        "..\0/",
        "..//",
        "/../",
        "./../",
        "sub/../../",
        "sub/../",
        "sub/./../../",
        "/",
        "//",
        "///",
        "\\\\server\\",
        "C:\\",
        "file://",
        "~/",
        "/proc/self/root/",
        "/proc/self/cwd/",
        "/dev/fd/",
        "\\\\?\\",
    ];
    for up in ups {
        for depth in 1..6 {
            all.push(format!("{}{name}", up.repeat(depth)));
            all.push(format!("sub/{}{name}", up.repeat(depth)));
        }
    }
    let ends = [
        "\0", "\0.md", "%00", "%00.md", " ", ".", "./", "/", "//", "/.", "::$DATA", "\n", "\r\n",
        "?", "#", "\u{202e}", "\u{200b}",
    ];
    for end in ends {
        all.push(format!("{name}{end}"));
        all.push(format!("{end}{name}"));
    }
    all.push(name.to_uppercase());
    all.push(name.replace('i', "ı"));
    all.push(name.replace('i', "I\u{307}"));
    all.push(
        name.chars()
            .map(|one| {
                if one.is_ascii_graphic() {
                    char::from_u32(one as u32 + 0xfee0).unwrap()
                } else {
                    one
                }
            })
            .collect(),
    );
    all.push(name.replace('e', "e\u{301}"));
    all.push(name.replace('/', "\u{2215}"));
    all.push(format!("{}{name}", "a/".repeat(9_000)));
    all.push("x".repeat(20_000));
    all.push(format!("{}{name}", "../".repeat(6_000)));
    all
}

#[tokio::test]
async fn every_other_spelling_of_a_path_is_answered_like_a_missing_one() {
    let keep = tempfile::tempdir().unwrap();
    let desk = desk(keep.path(), "").await;
    desk.synced(1).await;
    assert!(
        desk.ask("ann", "read", json!({"path": "sub/inside.md"}))
            .await["data"]["text"]
            .is_string()
    );
    let missing = desk.ask("ann", "read", json!({"path": "none.md"})).await;
    assert_eq!(missing["status"], "not_found");
    let outside = keep.path().join("outside/secret.md");
    let names = [
        "outside/secret.md",
        "secret.md",
        "etc/passwd",
        "inside.md",
        outside.to_str().unwrap(),
    ];
    let mut tried = 0;
    for path in names
        .iter()
        .flat_map(|name| spellings(name))
        .chain(spellings("sub/inside.md"))
    {
        let answer = desk.ask("ann", "read", json!({"path": path})).await;
        assert_eq!(answer, missing, "{path:?}");
        for action in ["search", "list"] {
            let answer = desk
                .ask("ann", action, json!({"query": CANARY, "folder": path}))
                .await;
            assert_ne!(answer["data"]["total"], 2, "{path:?}");
            assert!(
                !answer.to_string().replace(&path, "").contains(CANARY),
                "{path:?}"
            );
        }
        tried += 1;
    }
    assert!(tried > 2_000, "{tried}");
}

#[tokio::test]
async fn links_and_odd_names_are_refused_with_the_reason() {
    let keep = tempfile::tempdir().unwrap();
    let outside = keep.path().join("outside");
    let desk = desk(keep.path(), "").await;
    let inside = desk.documents();
    symlink(outside.join("secret.md"), inside.join("link.md")).unwrap();
    symlink("sub/inside.md", inside.join("within.md")).unwrap();
    symlink(&outside, inside.join("folder.md")).unwrap();
    symlink(&outside, inside.join("outside")).unwrap();
    symlink("loop.md", inside.join("loop.md")).unwrap();
    fs::hard_link(outside.join("secret.md"), inside.join("hard.md")).unwrap();
    fs::write(inside.join("no\u{308}t-composed.md"), "heron").unwrap();
    fs::write(inside.join(" space.md"), "heron").unwrap();
    fs::write(inside.join("line\nbreak.md"), "heron").unwrap();
    fs::write(
        inside.join(std::ffi::OsStr::from_bytes(b"latin\xe9.md")),
        "heron",
    )
    .unwrap();
    fs::create_dir(inside.join("folder with end ")).unwrap();
    fs::write(inside.join("folder with end /x.md"), "heron").unwrap();
    pipe(&inside.join("pipe.md"));
    let expected = [
        (" space.md", "begins or ends with a space"),
        ("folder.md", "links are not followed"),
        ("hard.md", "a second name"),
        ("latin\u{fffd}.md", "no Unicode"),
        ("line\nbreak.md", "control character"),
        ("link.md", "links are not followed"),
        ("loop.md", "links are not followed"),
        ("no\u{308}t-composed.md", "composed form"),
        ("outside", "links are not followed"),
        ("pipe.md", "no plain file"),
        ("within.md", "links are not followed"),
    ];
    desk.until("the problems are not told", |inspection| {
        let told = |(path, reason): &(&str, &str)| {
            inspection
                .problems
                .iter()
                .any(|problem| problem.path == *path && problem.reason.contains(reason))
        };
        inspection.resources >= 1 && expected.iter().all(told)
    })
    .await;
    let answer = desk
        .ask(
            "ann",
            "search",
            json!({"query": format!("{CANARY} heron"), "limit": 50}),
        )
        .await;
    let found = paths(&answer);
    assert!(
        found
            .iter()
            .all(|path| path == "sub/inside.md" || path == "folder with end /x.md"),
        "{found:?}"
    );
    for (path, _) in expected {
        assert_eq!(
            desk.ask("ann", "read", json!({"path": path})).await["status"],
            "not_found",
            "{path:?}"
        );
    }
}

#[tokio::test]
async fn a_hard_link_is_read_where_the_file_allows_it() {
    let keep = tempfile::tempdir().unwrap();
    let desk = desk(keep.path(), ", hard_links: allow").await;
    fs::hard_link(
        keep.path().join("outside/secret.md"),
        desk.documents().join("hard.md"),
    )
    .unwrap();
    desk.synced(2).await;
    assert!(
        desk.ask("ann", "read", json!({"path": "hard.md"}))
            .await
            .to_string()
            .contains(CANARY)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_swapped_for_a_link_during_reads_never_shows_what_is_outside() {
    let long = std::env::var_os("DRAWBRIDGE_LONG").is_some();
    let (most, enough) = if long { (100_000, 500) } else { (500, 5) };
    let keep = tempfile::tempdir().unwrap();
    let desk = desk(keep.path(), ", rescan_every: 1s").await;
    desk.synced(1).await;
    let (stop, swaps) = (AtomicBool::new(false), AtomicUsize::new(0));
    let inside = desk.documents();
    let mut read = 0;
    let handle = tokio::runtime::Handle::current();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (link, folder) = (inside.join("../link"), inside.join("../folder"));
            while !stop.load(Ordering::Relaxed) {
                // The file for a link to one outside, and its folder for a link to another.
                let _ = fs::remove_file(&link);
                symlink("../../outside/secret.md", &link).unwrap();
                fs::rename(&link, inside.join("sub/inside.md")).unwrap();
                // Now and then the link stays for a while, so that it is met.
                if swaps.load(Ordering::Relaxed) % 10 == 0 {
                    std::thread::sleep(Duration::from_millis(3));
                }
                write(&inside, "../fresh.md", "heron");
                fs::rename(inside.join("../fresh.md"), inside.join("sub/inside.md")).unwrap();
                fs::rename(inside.join("sub"), &folder).unwrap();
                symlink("../outside", inside.join("sub")).unwrap();
                fs::remove_file(inside.join("sub")).unwrap();
                fs::rename(&folder, inside.join("sub")).unwrap();
                // Now and then it stands still, so that it is read at all.
                if swaps.fetch_add(1, Ordering::Relaxed) % 100 == 0 {
                    std::thread::sleep(Duration::from_millis(400));
                }
            }
        });
        let asked = scope.spawn(|| {
            // Whatever happens, the swapper must end.
            let _stop = Stop(&stop);
            let (mut read, mut round) = (0, 0);
            let end = Instant::now() + Duration::from_secs(120);
            while swaps.load(Ordering::Relaxed) < most || read < enough {
                assert!(Instant::now() < end, "{swaps:?} swaps, {read} reads");
                let path = ["sub/inside.md", "sub/secret.md"][round % 2];
                round += 1;
                for (action, question) in [
                    ("read", json!({"path": path})),
                    ("search", json!({"query": format!("{CANARY} heron")})),
                ] {
                    let answer: Value = handle.block_on(desk.ask("ann", action, question));
                    let text = answer.to_string();
                    assert!(!text.contains(CANARY), "{text}");
                    read += usize::from(text.contains("heron"));
                }
            }
            read
        });
        read = asked.join().unwrap();
    });
    println!("{swaps:?} swaps, {read} answers with the right content");
}

/// Says stop when it goes out of scope, also by a panic.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo")
        .arg(path)
        .status()
        .unwrap();
    assert!(made.success());
}
