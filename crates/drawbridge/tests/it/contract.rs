//! What every kind must do, run over all of them against the real thing.
//!
//! A kind gets a [`Stage`]: a file, a target with one resource that one person may see and another
//! that only somebody else may, and ways to kill and to slow the target. The parts that effects
//! need (a plan changes nothing, a key applies once, an undo restores) come with effects.

mod mcp;
mod stages;

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use drawbridge_core::{
    call::Power,
    connector::{Health, Kind},
};
use drawbridge_kinds::kinds::KINDS;

use crate::desk::{Desk, gateway};
use stages::{STAGES, Stage};

const PEOPLE: &str = "  ann: {name: Ann, groups: [all]}\n  bob: {name: Bob}\n";

async fn each(check: impl AsyncFn(&'static Stage, &Path, Desk)) {
    for stage in STAGES {
        let keep = tempfile::tempdir().unwrap();
        (stage.build)(keep.path());
        let desk = Desk::open(
            keep.path(),
            &gateway(PEOPLE),
            &(stage.connector)(keep.path()),
        )
        .await;
        desk.synced(stage.resources).await;
        check(stage, keep.path(), desk).await;
    }
}

#[test]
fn every_kind_is_listed_and_has_a_stage() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../drawbridge-kinds/src/kinds");
    let files: BTreeSet<String> = fs::read_dir(here)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let listed: Vec<&str> = KINDS.iter().map(|kind| kind.name()).collect();
    assert_eq!(
        files.iter().map(String::as_str).collect::<Vec<_>>(),
        listed,
        "KINDS, in alphabetical order"
    );
    let mut staged: Vec<&str> = STAGES.iter().map(|stage| stage.kind).collect();
    staged.dedup();
    assert_eq!(staged, listed, "a kind without a stage is not tested");
}

#[test]
fn what_a_kind_says_of_itself_holds_together() {
    for stage in STAGES {
        let kind: &dyn Kind = *KINDS.iter().find(|kind| kind.name() == stage.kind).unwrap();
        assert!(!kind.summary().is_empty());
        assert!(
            kind.facets().iter().any(|facet| facet.name == "label"),
            "{}",
            stage.kind
        );
        for part in [kind.schema().system, kind.schema().scope] {
            assert_eq!(part["type"], "object", "{part}");
        }
    }
}

#[tokio::test]
async fn a_view_narrows_every_action() {
    each(async |stage, _, desk| {
        for (action, arguments) in (stage.asked)() {
            let of_ann = desk.ask("ann", action, arguments.clone()).await.to_string();
            let of_bob = desk.ask("bob", action, arguments.clone()).await;
            let (about, text) = (arguments.to_string(), of_bob.to_string());
            assert!(
                of_ann.contains(stage.hidden) || of_ann.contains(stage.seen),
                "{action} {about}: {of_ann}"
            );
            assert!(
                !text.contains(stage.hidden),
                "{} {action} {about}: {text}",
                stage.kind
            );
            assert!(
                text.contains(stage.seen) || of_bob["status"] == "not_found",
                "{action}: {text}"
            );
        }
        let asked: BTreeSet<&str> = (stage.asked)()
            .into_iter()
            .map(|(action, _)| action)
            .collect();
        let offered = desk.actions();
        let read = offered
            .iter()
            .filter(|action| matches!(action.power, Power::Read | Power::Search));
        assert!(
            read.into_iter().all(|action| asked.contains(&*action.name)),
            "an action without a question"
        );
    })
    .await;
}

#[tokio::test]
async fn output_is_what_the_schema_promises() {
    each(async |stage, _, desk| {
        for (action, arguments) in (stage.asked)() {
            let schema = desk
                .actions()
                .iter()
                .find(|one| one.name == action)
                .unwrap()
                .output
                .clone();
            let validator = jsonschema::draft202012::new(&schema).unwrap();
            let answer = desk.ask("ann", action, arguments).await;
            let wrong: Vec<String> = validator
                .iter_errors(&answer["data"])
                .map(|error| error.to_string())
                .collect();
            assert!(wrong.is_empty(), "{} {action}: {wrong:?}", stage.kind);
        }
    })
    .await;
}

#[tokio::test]
async fn inspect_tells_what_is_there_what_is_wrong_and_when_the_target_is_gone() {
    each(async |stage, folder, desk| {
        let healthy = desk.connector.inspect().await;
        assert_eq!(healthy.health, Health::Ready, "{healthy:?}");
        assert_eq!(
            (healthy.resources, healthy.problem_count),
            (stage.resources as u64, 0)
        );
        (stage.spoil)(folder);
        desk.until("what is spoilt is not told", |inspection| {
            inspection.problem_count == 1 && !inspection.problems[0].reason.is_empty()
        })
        .await;
        (stage.kill)(folder);
        desk.until("a dead target is not told", |inspection| {
            matches!(inspection.health, Health::Degraded | Health::Down)
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_dead_target_gives_no_content_and_an_answer_in_time() {
    each(async |stage, folder, desk| {
        (stage.kill)(folder);
        for (action, arguments) in (stage.asked)() {
            let asked = desk.ask("ann", action, arguments);
            let answer = tokio::time::timeout(Duration::from_secs(10), asked)
                .await
                .unwrap();
            let text = answer.to_string();
            assert!(
                ["unavailable", "not_found"]
                    .contains(&answer["status"].as_str().unwrap_or_default()),
                "{text}"
            );
            assert!(
                !text.contains(stage.hidden) || text.contains("hidden.md"),
                "{text}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn close_stops_the_background_and_later_calls_fail_as_unavailable() {
    each(async |stage, folder, desk| {
        let closed = tokio::time::timeout(Duration::from_secs(10), desk.connector.close()).await;
        closed.expect("closing takes too long");
        for (action, arguments) in (stage.asked)() {
            assert_eq!(
                desk.ask("ann", action, arguments).await["status"],
                "unavailable"
            );
        }
        let before = desk.connector.inspect().await;
        assert_eq!(before.health, Health::Down);
        (stage.spoil)(folder);
        // Nothing tells that a thing does not happen: twice the interval of the listing must do.
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(
            desk.connector.inspect().await.problem_count,
            before.problem_count
        );
        // What it held is free: the same connector opens again at the same place.
        let again = Desk::open(folder, &gateway(PEOPLE), &(stage.connector)(folder)).await;
        again
            .until("it does not open again", |inspection| {
                inspection.problem_count == 1
            })
            .await;
    })
    .await;
}

/// Everything in a folder, with the time each file was last changed.
fn tree(folder: &Path) -> BTreeSet<(String, Vec<u8>, std::time::SystemTime)> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // What the connector derives for itself is not the target.
            if path.is_dir() && !path.ends_with("state") {
                folders.push(path);
            } else if path.is_file() {
                let time = fs::metadata(&path).unwrap().modified().unwrap();
                found.insert((path.display().to_string(), fs::read(&path).unwrap(), time));
            }
        }
    }
    found
}

#[tokio::test]
async fn a_plan_changes_nothing_is_the_same_again_and_sees_what_the_view_admits() {
    each(async |stage, folder, desk| {
        let before = tree(folder);
        for (action, seen, hidden, nothing) in (stage.effects)() {
            let plan = desk.plan("bob", action, seen.clone()).await.unwrap();
            let again = desk.plan("bob", action, seen).await.unwrap();
            assert_eq!(plan.digest(), again.digest(), "{} {action}", stage.kind);
            assert!(!plan.targets.is_empty() && !plan.sentence.is_empty());
            for target in &plan.targets {
                assert!(target.facets.contains_key("label"), "{target:?}");
            }
            if hidden.is_null() {
                continue;
            }
            let told = |failure: drawbridge_core::answer::Failure| {
                let message = failure.message.replace("nothing", "hidden");
                (failure.status, message)
            };
            let of_hidden = told(desk.plan("bob", action, hidden).await.unwrap_err());
            let of_nothing = told(desk.plan("bob", action, nothing).await.unwrap_err());
            assert_eq!(of_hidden, of_nothing, "{} {action}", stage.kind);
        }
        assert_eq!(
            tree(folder),
            before,
            "{}: planning changed something",
            stage.kind
        );
        let tried: BTreeSet<&str> = (stage.effects)()
            .into_iter()
            .map(|(action, ..)| action)
            .collect();
        let offered = desk
            .actions()
            .iter()
            .filter(|action| action.power.is_effect());
        for action in offered {
            assert!(
                tried.contains(&*action.name),
                "{} is not tried",
                action.name
            );
        }
    })
    .await;
}
