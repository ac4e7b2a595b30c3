//! Real files in a real folder: what is done is what the plan says, whatever happens in between.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use drawbridge_core::{
    answer::Status,
    plan::{Image, Plan, Reversal, Target},
};
use proptest::prelude::*;

use super::{
    disk::{Disk, aside, unfinished},
    item::Item,
    steps::{self, Found, all_are_after, settle, tests::apply},
};

type Tree = BTreeMap<String, Vec<u8>>;

fn tree(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let name = entry
                    .path()
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                tree.insert(name, fs::read(entry.path()).unwrap());
            }
        }
    }
    tree
}

fn item(path: &str, before: Option<&str>, after: Option<&str>) -> Item {
    let image = |text: Option<&str>| text.map(|text| Image::Text(text.to_owned()));
    let target = Target {
        resource: path.to_owned(),
        facets: BTreeMap::new(),
        before: image(before),
        after: image(after),
    };
    let plan = Plan {
        action: "update".to_owned(),
        power: drawbridge_core::call::Power::Update,
        sentence: String::new(),
        targets: vec![target],
        reversal: Reversal::Reversible,
        work: serde_json::Value::Null,
    };
    Item::all(&plan).unwrap().remove(0)
}

fn inverse(of: &Item) -> Item {
    item(&of.path, of.after.as_deref(), of.before.as_deref())
}

fn folder() -> (tempfile::TempDir, Disk) {
    let keep = tempfile::tempdir().unwrap();
    let root = keep.path().join("documents");
    fs::create_dir_all(root.join("notes")).unwrap();
    let disk = Disk::new(&root);
    (keep, disk)
}

const NAMES: [&str; 4] = ["a.md", "b.md", "notes/c.md", "notes/d.md"];

fn text_of(tree: &Tree, name: &str) -> Option<String> {
    tree.get(name)
        .map(|bytes| String::from_utf8(bytes.clone()).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done in whichever order: taken back in reverse, all is byte for byte as before.
    #[test]
    fn undone_in_reverse_all_is_as_before(
        batches in proptest::collection::vec(
            proptest::collection::btree_map(0..NAMES.len(), proptest::option::of("[a-z\n]{0,20}"), 1..4),
            1..8,
        )
    ) {
        let (keep, disk) = folder();
        let root = keep.path().join("documents");
        fs::write(root.join("a.md"), "first").unwrap();
        let at_first = tree(&root);
        let mut done: Vec<Vec<Item>> = Vec::new();
        for (turn, batch) in batches.into_iter().enumerate() {
            let now = tree(&root);
            let items: Vec<Item> = batch
                .into_iter()
                .filter_map(|(index, after)| {
                    let before = text_of(&now, NAMES[index]);
                    (before != after).then(|| item(NAMES[index], before.as_deref(), after.as_deref()))
                })
                .collect();
            let applied = apply(&disk, &items, &format!("k{turn}")).unwrap();
            prop_assert_eq!(applied.len(), items.len());
            for one in &items {
                prop_assert_eq!(text_of(&tree(&root), &one.path), one.after.clone());
            }
            done.push(items);
        }
        for (turn, items) in done.iter().enumerate().rev() {
            all_are_after(&disk, items).unwrap();
            let back: Vec<Item> = items.iter().map(inverse).collect();
            apply(&disk, &back, &format!("u{turn}")).unwrap();
        }
        prop_assert_eq!(tree(&root), at_first);
    }
}

/// The same key again changes nothing more, also when it is another call of apply.
#[test]
fn the_same_key_twice_is_done_once() {
    let (keep, disk) = folder();
    let root = keep.path().join("documents");
    fs::write(root.join("a.md"), "old").unwrap();
    let items = [
        item("a.md", Some("old"), Some("new")),
        item("notes/c.md", None, Some("c")),
    ];
    let first = apply(&disk, &items, "key").unwrap();
    let stamps = || fs::metadata(root.join("a.md")).unwrap().modified().unwrap();
    let stamp = stamps();
    assert_eq!(apply(&disk, &items, "key").unwrap(), first);
    assert_eq!(stamps(), stamp);
}

/// A batch of which one is no longer as planned changes none.
#[test]
fn a_conflict_in_a_batch_changes_nothing() {
    let (keep, disk) = folder();
    let root = keep.path().join("documents");
    for (name, text) in [
        ("a.md", "a"),
        ("b.md", "changed meanwhile"),
        ("notes/c.md", "c"),
    ] {
        fs::write(root.join(name), text).unwrap();
    }
    let before = tree(&root);
    let items = [
        item("a.md", Some("a"), None),
        item("b.md", Some("b"), Some("bb")),
        item("notes/c.md", Some("c"), Some("cc")),
    ];
    let failure = apply(&disk, &items, "key").unwrap_err();
    assert_eq!(failure.status, Status::Conflict);
    assert_eq!(tree(&root), before);
    let exists = apply(&disk, &[item("a.md", None, Some("x"))], "key2").unwrap_err();
    assert_eq!(exists.status, Status::Conflict);
    assert_eq!(tree(&root), before);
}

/// Links, files with a second name, and folders that are none are left alone.
#[test]
fn nothing_leads_out_of_the_folder() {
    let (keep, disk) = folder();
    let root = keep.path().join("documents");
    let outside = keep.path().join("outside.md");
    fs::write(&outside, "secret").unwrap();
    std::os::unix::fs::symlink(&outside, root.join("link.md")).unwrap();
    std::os::unix::fs::symlink(keep.path(), root.join("up")).unwrap();
    fs::hard_link(&outside, root.join("second.md")).unwrap();
    for (path, before) in [
        ("link.md", Some("secret")),
        ("up/outside.md", Some("secret")),
        ("second.md", Some("secret")),
        ("link.md", None),
        ("../outside.md", Some("secret")),
        ("/etc/hostname", Some("x")),
    ] {
        for after in [Some("overwritten"), None] {
            if before.is_none() && after.is_none() {
                continue;
            }
            assert!(
                apply(&disk, &[item(path, before, after)], "key").is_err(),
                "{path}"
            );
        }
    }
    assert_eq!(fs::read_to_string(&outside).unwrap(), "secret");
    assert!(
        fs::symlink_metadata(root.join("link.md"))
            .unwrap()
            .is_symlink()
    );
}

/// Everything that a crash can leave behind is brought to an end that is told truly.
#[test]
#[expect(clippy::too_many_lines, reason = "one row for each case")]
fn what_a_crash_leaves_behind_is_settled() {
    let name = aside("key", 0);
    type Case = (
        Option<&'static str>,
        Option<&'static str>,
        Option<&'static str>,
        Option<&'static str>,
    );
    // What is under the name, what is beside it; before and after of the plan.
    let cases: [(Case, &str, Option<&str>); 16] = [
        ((None, None, None, Some("new")), "not", None),
        ((None, Some("new"), None, Some("new")), "not", None),
        (
            (Some("theirs"), Some("new"), None, Some("new")),
            "not",
            Some("theirs"),
        ),
        (
            (Some("new"), None, None, Some("new")),
            "applied",
            Some("new"),
        ),
        (
            (Some("theirs"), None, None, Some("new")),
            "unknown",
            Some("theirs"),
        ),
        (
            (Some("old"), Some("new"), Some("old"), Some("new")),
            "not",
            Some("old"),
        ),
        (
            (Some("new"), Some("old"), Some("old"), Some("new")),
            "applied",
            Some("new"),
        ),
        (
            (Some("theirs"), Some("old"), Some("old"), Some("new")),
            "applied",
            Some("theirs"),
        ),
        (
            (Some("new"), None, Some("old"), Some("new")),
            "applied",
            Some("new"),
        ),
        (
            (Some("new"), Some("theirs"), Some("old"), Some("new")),
            "not",
            Some("theirs"),
        ),
        (
            (Some("theirs"), Some("new"), Some("old"), Some("new")),
            "not",
            Some("theirs"),
        ),
        (
            (Some("theirs"), None, Some("old"), Some("new")),
            "unknown",
            Some("theirs"),
        ),
        ((None, Some("old"), Some("old"), None), "applied", None),
        (
            (None, Some("theirs"), Some("old"), None),
            "not",
            Some("theirs"),
        ),
        ((None, None, Some("old"), None), "applied", None),
        ((Some("old"), None, Some("old"), None), "not", Some("old")),
    ];
    for ((is, beside, before, after), found, left) in cases {
        let (keep, disk) = folder();
        let root = keep.path().join("documents");
        let part = unfinished(&name);
        let files = [
            ("a.md", is),
            (name.as_str(), beside),
            (part.as_str(), Some("ha")),
        ];
        for (name, text) in files {
            if let Some(text) = text {
                fs::write(root.join(name), text).unwrap();
            }
        }
        let items = [item("a.md", before, after)];
        let word = match settle(&disk, &items, "key").unwrap() {
            Found::Applied(_) => "applied",
            Found::NotApplied => "not",
            Found::Unknown(_) => "unknown",
        };
        let case = format!("{is:?} {beside:?} {before:?} {after:?}");
        assert_eq!(word, found, "{case}");
        assert_eq!(text_of(&tree(&root), "a.md").as_deref(), left, "{case}");
        assert!(
            !root.join(&name).exists() && !root.join(&part).exists(),
            "{case}"
        );
        // Looking again finds the same; where somebody changed it right after, the first look took
        // the evidence away.
        let again = settle(&disk, &items, "key").unwrap();
        match again {
            Found::Applied(_) => assert_eq!(found, "applied", "{case}"),
            Found::NotApplied => assert_eq!(found, "not", "{case}"),
            Found::Unknown(_) => assert_eq!(left, Some("theirs"), "{case}"),
        }
    }
}

/// An editor that replaces the file all the time never loses what it wrote: what ends up there is its
/// newest text, or ours on top of exactly what was planned.
#[test]
fn an_editor_at_the_same_moment_loses_nothing() {
    let rounds = if std::env::var_os("DRAWBRIDGE_LONG").is_some() {
        5_000
    } else {
        1_000
    };
    let (keep, disk) = folder();
    let (root, disk) = (keep.path().join("documents"), Arc::new(disk));
    let mut conflicts = 0;
    for round in 0..rounds {
        fs::write(root.join("a.md"), "old").unwrap();
        let begin = Arc::new(AtomicBool::new(false));
        let editor = {
            let (root, begin) = (root.clone(), begin.clone());
            thread::spawn(move || {
                while !begin.load(Ordering::Acquire) {
                    std::hint::spin_loop();
                }
                for _ in 0..round % 40 * 20 {
                    std::hint::spin_loop();
                }
                if round % 2 == 0 {
                    fs::write(root.join("mine"), "theirs").unwrap();
                    fs::rename(root.join("mine"), root.join("a.md")).unwrap();
                } else {
                    fs::write(root.join("a.md"), "theirs").unwrap();
                }
            })
        };
        begin.store(true, Ordering::Release);
        let done = apply(
            &disk,
            &[item("a.md", Some("old"), Some("new"))],
            &format!("k{round}"),
        );
        editor.join().unwrap();
        let left = fs::read_to_string(root.join("a.md")).unwrap();
        // They wrote without looking, so theirs is what stays, whichever came first.
        assert_eq!(left, "theirs", "{round}: {done:?}");
        conflicts += usize::from(done.is_err());
        assert_eq!(tree(&root).len(), 1, "{round}: {:?}", tree(&root));
    }
    assert!(conflicts > 0, "they never met, so nothing was tested");
}

/// A gateway that ended before it began a batch takes back nothing that a person did meanwhile.
#[test]
fn what_a_person_did_by_hand_is_not_taken_back() {
    let (keep, disk) = folder();
    let root = keep.path().join("documents");
    fs::write(root.join("b.md"), "b").unwrap();
    // A person deleted a.md by hand; the plan was never begun.
    let items = [item("a.md", Some("a"), None), item("b.md", Some("b"), None)];
    let before = tree(&root);
    let _ = settle(&disk, &items, "key").unwrap();
    assert_eq!(tree(&root), before, "by settle");
    assert!(apply(&disk, &items, "key").is_err());
    assert_eq!(tree(&root), before, "by apply");
}

/// What two people wrote one after the other while names were exchanged is all kept.
#[test]
fn no_text_of_a_person_is_dropped_as_ours() {
    let (keep, disk) = folder();
    let root = keep.path().join("documents");
    fs::write(root.join("a.md"), "theirs, newer").unwrap();
    fs::write(root.join(aside("key", 0)), "theirs").unwrap();
    let items = [item("a.md", Some("old"), Some("new"))];
    let before = tree(&root);
    assert!(matches!(
        settle(&disk, &items, "key").unwrap(),
        Found::Unknown(_)
    ));
    assert_eq!(tree(&root), before);
}

/// What the tests of a disk of its own are told where it is.
const OWN_DISK: &str = "DRAWBRIDGE_TEST_DISK";

/// A disk that is full, or that may only be read, changes nothing and leaves nothing behind; and when
/// there is room again, the same is done.
#[test]
fn a_full_disk_and_one_that_is_only_read_change_nothing() {
    if let Some(root) = std::env::var_os(OWN_DISK) {
        return on_a_small_disk(Path::new(&root));
    }
    let keep = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=256k,nr_inodes=12 tmpfs \"$1\" && exec \"$0\" --exact \
                  kinds::documents::change::tests::a_full_disk_and_one_that_is_only_read_change_nothing";
    let started = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg(keep.path())
        .env(OWN_DISK, keep.path())
        .output();
    let told = format!("{started:?}");
    // A machine on which nobody may mount anything cannot show it.
    if !told.contains("running 1 test") {
        eprintln!("not shown here: {told}");
        return;
    }
    assert!(started.unwrap().status.success(), "{told}");
}

/// The command that a gateway's machine mounts with.
fn mount(root: &Path, how: &str) {
    let mut mount = std::process::Command::new("mount");
    assert!(
        mount
            .args(["-o", how])
            .arg(root)
            .status()
            .unwrap()
            .success()
    );
}

fn on_a_small_disk(root: &Path) {
    let disk = Disk::new(root);
    fs::write(root.join("a.md"), "old").unwrap();
    fs::write(root.join("b.md"), "b").unwrap();
    let before = tree(root);
    no_room_for_texts(root, &disk);
    let items = [
        item("a.md", Some("old"), Some("new")),
        item("b.md", Some("b"), None),
    ];
    no_room_for_names(root, (&disk, &items));
    mount(root, "remount,ro");
    for item in &items {
        let failure = apply(&disk, std::slice::from_ref(item), "read").unwrap_err();
        assert_eq!(failure.status, Status::Unavailable, "{failure:?}");
        assert!(
            failure.message.contains("may not write there"),
            "{failure:?}"
        );
    }
    mount(root, "remount,rw");
    assert_eq!(tree(root), before);
    apply(&disk, &items, "names").unwrap();
    assert_eq!(text_of(&tree(root), "a.md").as_deref(), Some("new"));
}

fn no_room_for_texts(root: &Path, disk: &Disk) {
    let before = tree(root);
    let large = "x".repeat(300_000);
    let small = "y".repeat(100_000);
    let plans = [
        vec![item("a.md", Some("old"), Some(&large))],
        vec![item("new.md", None, Some(&large))],
        // The second one does not fit any more.
        vec![
            item("a.md", Some("old"), Some(&small)),
            item("new.md", None, Some(&large)),
        ],
        vec![
            item("b.md", Some("b"), None),
            item("m.md", None, Some(&small)),
            item("n.md", None, Some(&small)),
            item("o.md", None, Some(&small)),
        ],
    ];
    for (index, items) in plans.iter().enumerate() {
        let key = format!("full{index}");
        let failure = apply(disk, items, &key).unwrap_err();
        assert_eq!(failure.status, Status::Unavailable, "{failure:?}");
        assert!(failure.message.contains("the disk is full"), "{failure:?}");
        assert_eq!(tree(root), before);
        assert_eq!(settle(disk, items, &key).unwrap(), Found::NotApplied);
    }
}

/// Room for one more name, where what is written and the mark need two.
fn no_room_for_names(root: &Path, (disk, items): (&Disk, &[Item])) {
    let mut fillers = 0;
    while fs::write(root.join(format!("filler{fillers}")), "").is_ok() {
        fillers += 1;
    }
    fs::remove_file(root.join("filler0")).unwrap();
    let full = tree(root);
    let failure = apply(disk, items, "names").unwrap_err();
    assert!(failure.message.contains("the disk is full"), "{failure:?}");
    assert_eq!(tree(root), full);
    for filler in 1..fillers {
        let _ = fs::remove_file(root.join(format!("filler{filler}")));
    }
    // The one that could be opened, but not written.
    let _ = fs::remove_file(root.join(format!("filler{fillers}")));
}

/// What replaces a file is as open or as closed as it was, also while it is written.
#[test]
fn a_document_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt;
    let (keep, disk) = folder();
    let file = keep.path().join("documents/a.md");
    for mode in [0o600, 0o640, 0o664, 0o444] {
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        apply(
            &disk,
            &[item("a.md", Some("old"), Some("new"))],
            &format!("k{mode}"),
        )
        .unwrap();
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            mode
        );
        fs::remove_file(&file).unwrap();
    }
}

/// Whoever looked what came of it must not be proved wrong by what only waited for its turn.
#[test]
fn what_was_given_up_before_its_turn_is_not_done_any_more() {
    let (keep, disk) = folder();
    let root = keep.path().join("documents");
    let disk = Arc::new(disk);
    let given_up = tokio_util::sync::CancellationToken::new();
    let items = [item("new.md", None, Some("late"))];
    let turn = disk.alone.lock().unwrap();
    let late = thread::spawn({
        let (disk, items, given_up) = (disk.clone(), items.clone(), given_up.clone());
        move || steps::apply(&disk, (&items, "key"), &given_up)
    });
    given_up.cancel();
    drop(turn);
    let settled = settle(&disk, &items, "key").unwrap();
    let failure = late.join().unwrap().unwrap_err();
    assert_eq!(settled, Found::NotApplied);
    assert_eq!(failure.status, Status::Failed);
    assert_eq!(tree(&root), Tree::new(), "it was done late");
}
