//! Each step of a change is failed, ended or disturbed in turn: what is told stays true, and what a
//! person wrote stays.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    os::unix::fs::{FileExt, MetadataExt},
    path::Path,
};

use drawbridge_core::{
    answer::{Failure, Status},
    plan::{Applied, Change},
};
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use super::{Disk, Found, Item, settle};

/// What happens at a step of this thread, and whether it goes on.
type Disturbance = Box<dyn FnMut(usize) -> bool>;

thread_local! {
    static DISTURBED: RefCell<Option<(usize, Disturbance)>> = const { RefCell::new(None) };
}

/// Stands in each change of the disk.
pub(in super::super) fn step() -> Result<(), Failure> {
    let Some((count, mut disturbance)) = DISTURBED.take() else {
        return Ok(());
    };
    let goes_on = disturbance(count);
    DISTURBED.replace(Some((count + 1, disturbance)));
    if goes_on {
        return Ok(());
    }
    Err(Failure::new(Status::Unavailable, "the disk is at fault"))
}

/// Does this while it is disturbed, and counts its steps.
fn disturbed<T>(by: impl FnMut(usize) -> bool + 'static, work: impl FnOnce() -> T) -> (T, usize) {
    DISTURBED.replace(Some((0, Box::new(by))));
    let done = work();
    let (count, _) = DISTURBED.take().unwrap();
    (done, count)
}

type Tree = BTreeMap<String, String>;

const NAMES: [&str; 4] = ["a.md", "b.md", "notes/c.md", "notes/d.md"];

fn tree(root: &Path) -> Tree {
    let mut tree = Tree::new();
    for folder in ["", "notes/"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                let name = entry.file_name().into_string().unwrap();
                let text = fs::read_to_string(entry.path()).unwrap();
                tree.insert(format!("{folder}{name}"), text);
            }
        }
    }
    tree
}

/// A folder in which `a.md`, `b.md` and `notes/d.md` say something.
fn folder() -> (tempfile::TempDir, Tree) {
    // In memory where there is such a place: here names count, not how durable they are.
    let keep = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let keep = keep.unwrap();
    fs::create_dir(keep.path().join("notes")).unwrap();
    for name in ["a.md", "b.md", "notes/d.md"] {
        fs::write(keep.path().join(name), format!("{name} before")).unwrap();
    }
    let tree = tree(keep.path());
    (keep, tree)
}

fn item(path: &str, after: Option<&str>) -> Item {
    let before = (path != "notes/c.md").then(|| format!("{path} before"));
    let change = match (&before, after) {
        (None, _) => Change::Create,
        (_, Some(_)) => Change::Update,
        (_, None) => Change::Delete,
    };
    Item {
        path: path.to_owned(),
        before,
        after: after.map(str::to_owned),
        change,
        access: None,
    }
}

/// Does it, and nobody gives it up.
pub(in super::super) fn apply(
    disk: &Disk,
    items: &[Item],
    key: &str,
) -> Result<Vec<Applied>, Failure> {
    super::apply(disk, (items, key), &CancellationToken::new())
}

fn plans() -> Vec<Vec<Item>> {
    vec![
        vec![item("notes/c.md", Some("made"))],
        vec![item("a.md", Some("changed"))],
        vec![item("b.md", None)],
        vec![
            item("a.md", Some("changed")),
            item("b.md", None),
            item("notes/c.md", Some("made")),
            item("notes/d.md", Some("changed too")),
        ],
    ]
}

fn after(before: &Tree, items: &[Item]) -> Tree {
    let mut tree = before.clone();
    for item in items {
        match &item.after {
            Some(text) => tree.insert(item.path.clone(), text.clone()),
            None => tree.remove(&item.path),
        };
    }
    tree
}

fn settled(root: &Path, items: &[Item]) -> Found {
    settle(&Disk::new(root), items, "key").unwrap()
}

/// How many steps a plan takes that nothing disturbs.
fn steps_of(items: &[Item]) -> usize {
    let (keep, _) = folder();
    let (done, count) = disturbed(|_| true, || apply(&Disk::new(keep.path()), items, "key"));
    done.unwrap();
    count
}

/// Wherever the gateway is killed, and killed again while it looks what came of it: at last it tells
/// truly what did, and nothing of it is left half done.
#[test]
fn a_gateway_killed_at_any_step_tells_what_came_of_it() {
    for items in plans() {
        let mut ends = [0, 0];
        for first in 0..=steps_of(&items) {
            for second in 0..=40 {
                let (keep, before) = folder();
                let disk = Disk::new(keep.path());
                let _ = disturbed(move |at| at < first, || apply(&disk, &items, "key"));
                let disk = Disk::new(keep.path());
                let (_, reached) =
                    disturbed(move |at| at < second, || settle(&disk, &items, "key"));
                let found = settled(keep.path(), &items);
                let case = format!("{first} {second} {items:?}");
                let (expected, end) = match &found {
                    Found::Applied(_) => (after(&before, &items), 1),
                    Found::NotApplied => (before, 0),
                    Found::Unknown(why) => panic!("{case}: {why}"),
                };
                assert_eq!(tree(keep.path()), expected, "{case}");
                assert_eq!(settled(keep.path(), &items), found, "{case}");
                ends[end] += 1;
                if reached <= second {
                    break;
                }
            }
        }
        assert!(ends[0] > 0 && ends[1] > 0, "{ends:?}");
    }
}

/// Whichever step fails: no status but `unknown` is told while something is or may yet be changed.
#[test]
fn a_failing_disk_is_told_truly() {
    for items in plans() {
        for failing in 0..steps_of(&items) {
            for second in failing..failing + 30 {
                let (keep, before) = folder();
                let disk = Disk::new(keep.path());
                let fails = move |at: usize| at != failing && at != second;
                let (done, _) = disturbed(fails, || apply(&disk, &items, "key"));
                let case = format!("{failing} {second} {items:?}: {done:?}");
                match done {
                    Ok(_) => assert_eq!(tree(keep.path()), after(&before, &items), "{case}"),
                    Err(failure) if failure.status != Status::Unknown => {
                        assert_eq!(documents(&tree(keep.path())), before, "{case}");
                        // What could not be removed is ours, and goes when it is looked up.
                        assert_eq!(settled(keep.path(), &items), Found::NotApplied, "{case}");
                        assert_eq!(tree(keep.path()), before, "{case}");
                    }
                    Err(_) => match settled(keep.path(), &items) {
                        Found::Applied(_) => {
                            assert_eq!(tree(keep.path()), after(&before, &items), "{case}");
                        }
                        Found::NotApplied => assert_eq!(tree(keep.path()), before, "{case}"),
                        Found::Unknown(why) => panic!("{case}: {why}"),
                    },
                }
            }
        }
    }
}

fn documents(tree: &Tree) -> Tree {
    let mut tree = tree.clone();
    tree.retain(|name, _| !name.contains(".drawbridge-"));
    tree
}

/// What a person does to a document.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Replace,
    WriteOver,
    Delete,
}

/// Does it; false where there is nothing to do it to.
fn person(root: &Path, name: &str, (deed, text): (Deed, &str)) -> bool {
    let file = root.join(name);
    match deed {
        Deed::Replace => {
            fs::write(root.join("mine"), text).unwrap();
            fs::rename(root.join("mine"), file).unwrap();
            true
        }
        Deed::WriteOver => file.exists() && fs::write(file, text).is_ok(),
        Deed::Delete => fs::remove_file(file).is_ok(),
    }
}

/// The last deed at a document.
#[derive(Debug, Clone)]
struct Done {
    deed: Deed,
    text: String,
    /// Whether people made it where nothing was.
    made: bool,
}

/// The last deed at each document, by its name.
type Deeds = BTreeMap<&'static str, Done>;

fn remember(deeds: &mut Deeds, name: &'static str, (deed, text): (Deed, String), was_there: bool) {
    let made = deeds.get(name).map_or(!was_there, |before| before.made);
    match deed {
        // What people made themselves and deleted again is as though they had done nothing.
        Deed::Delete if made => drop(deeds.remove(name)),
        Deed::Delete | Deed::Replace | Deed::WriteOver => {
            deeds.insert(name, Done { deed, text, made });
        }
    }
}

/// Applies with these deeds in between, killed or not; what people did last must have stayed.
fn among_people(
    items: &[Item],
    deeds: Vec<(usize, &'static str, Deed)>,
    killed: usize,
) -> (Found, Deeds) {
    let (keep, before) = folder();
    let root = keep.path().to_owned();
    let told = format!("{deeds:?} {killed} {items:?}");
    let done = std::rc::Rc::new(RefCell::new(Deeds::new()));
    let (doing, place) = (done.clone(), root.clone());
    let by = move |at: usize| {
        for (when, name, deed) in deeds.iter().filter(|(when, ..)| *when == at) {
            let text = format!("theirs at {when}");
            let was_there = place.join(name).exists();
            if person(&place, name, (*deed, &text)) {
                remember(&mut doing.borrow_mut(), name, (*deed, text), was_there);
            }
        }
        at < killed
    };
    let disk = Disk::new(&root);
    let (applied, _) = disturbed(by, || apply(&disk, items, "key"));
    let dead = matches!(&applied, Err(failure) if failure.message.contains("at fault"));
    let found = match applied {
        Ok(applied) => Found::Applied(applied),
        Err(failure) if !dead && failure.status != Status::Unknown => Found::NotApplied,
        Err(_) => settled(&root, items),
    };
    let (left, should) = (tree(&root), after(&before, items));
    let told = format!("{told}: {found:?}, left {left:#?}");
    let done = done.borrow().clone();
    for (name, Done { deed, text, .. }) in &done {
        match deed {
            Deed::Delete => assert!(!left.contains_key(*name), "{name}: {told}"),
            Deed::Replace | Deed::WriteOver => {
                let kept = left.get(*name) == Some(text);
                let beside = left.iter().any(|(_, kept)| kept == text);
                let unknown = matches!(found, Found::Unknown(_));
                assert!(kept || (unknown && beside), "{name}: {told}");
            }
        }
    }
    for name in NAMES.iter().filter(|name| !done.contains_key(*name)) {
        let expected = match found {
            Found::Applied(_) => &should,
            Found::NotApplied => &before,
            Found::Unknown(_) => continue,
        };
        assert_eq!(left.get(*name), expected.get(*name), "{name}: {told}");
    }
    if !matches!(found, Found::Unknown(_)) {
        assert_eq!(documents(&left), left, "{told}");
    }
    (found, done)
}

/// Whatever a person does at whichever step, and wherever the gateway is killed after it.
#[test]
fn what_a_person_does_at_any_step_stays() {
    let (mut conflicts, mut unknown, mut all) = (0, 0, 0);
    for items in plans() {
        let most = steps_of(&items);
        for (at, item) in (0..most).flat_map(|at| items.iter().map(move |item| (at, item))) {
            let name = NAMES.iter().find(|name| **name == item.path).unwrap();
            for deed in [Deed::Replace, Deed::WriteOver, Deed::Delete] {
                for killed in (at + 1..most).chain([usize::MAX]) {
                    let (found, _) = among_people(&items, vec![(at, name, deed)], killed);
                    all += 1;
                    conflicts += usize::from(found == Found::NotApplied);
                    unknown += usize::from(matches!(found, Found::Unknown(_)));
                    // While the gateway lives, one person at a time leaves nothing unclear
                    // but what cannot be taken back.
                    assert!(
                        killed < usize::MAX
                            || items.len() > 1
                            || !matches!(found, Found::Unknown(_)),
                        "{at} {name} {deed:?}: {found:?}"
                    );
                }
            }
        }
    }
    assert!(
        conflicts > 0 && unknown < all / 3,
        "{conflicts} {unknown} {all}"
    );
}

/// Who had a document open all the while and writes into it: what they wrote stays under its name or
/// is told of, unless they wrote in the very step, or after it, in which the file lost its last name.
#[test]
fn what_is_written_into_an_open_file_stays() {
    let (mut kept, mut late) = (0, 0);
    for items in plans() {
        let most = steps_of(&items);
        for item in items.iter().filter(|item| item.before.is_some()) {
            for (writes, killed) in (0..most).flat_map(|writes| {
                (writes + 1..most)
                    .chain([usize::MAX])
                    .map(move |at| (writes, at))
            }) {
                let (keep, _) = folder();
                let path = keep.path().join(&item.path);
                let open = fs::File::options().write(true).open(path).unwrap();
                let open = std::rc::Rc::new(open);
                let (file, was_named) = (open.clone(), std::rc::Rc::new(RefCell::new(false)));
                let named_then = was_named.clone();
                let by = move |at: usize| {
                    if at == writes {
                        file.write_all_at(b"theirs", 0).unwrap();
                    }
                    if at == writes + 1 {
                        named_then.replace(file.metadata().unwrap().nlink() > 0);
                    }
                    at < killed
                };
                let disk = Disk::new(keep.path());
                let (done, count) = disturbed(by, || apply(&disk, &items, "key"));
                let dead = matches!(&done, Err(failure) if failure.message.contains("at fault"));
                let found = dead.then(|| settled(keep.path(), &items));
                if !*was_named.borrow() && count > writes {
                    late += 1;
                    continue;
                }
                let left = tree(keep.path());
                let is = |name: &str, text: &str| {
                    text.starts_with("theirs")
                        && (name == item.path || name.contains(".drawbridge-"))
                };
                let told = format!("{writes} {killed} {items:?}: {done:?} {found:?} {left:#?}");
                assert!(
                    left.iter().any(|(name, text)| is(name, text)),
                    "{}: {told}",
                    item.path
                );
                let under_its_name = left
                    .get(&item.path)
                    .is_some_and(|text| text.starts_with("theirs"));
                let unknown = matches!(found, Some(Found::Unknown(_)))
                    || matches!(&done, Err(failure) if failure.status == Status::Unknown);
                assert!(under_its_name || unknown, "{told}");
                kept += 1;
            }
        }
    }
    assert!(kept > late, "{kept} {late}");
}

fn cases() -> u32 {
    if std::env::var_os("DRAWBRIDGE_LONG").is_some() {
        100_000
    } else {
        2_000
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// Several people at once.
    #[test]
    fn what_several_people_do_stays(
        plan in 0_usize..4,
        deeds in proptest::collection::vec((0_usize..40, 0..NAMES.len(), 0..3_usize), 1..5),
        killed in prop_oneof![Just(usize::MAX), 0_usize..40],
    ) {
        let kinds = [Deed::Replace, Deed::WriteOver, Deed::Delete];
        let deeds = deeds.into_iter().map(|(at, name, deed)| (at, NAMES[name], kinds[deed]));
        among_people(&plans()[plan], deeds.collect(), killed);
    }
}
