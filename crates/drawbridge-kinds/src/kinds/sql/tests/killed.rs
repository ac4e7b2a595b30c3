//! A process that is killed while it does effects.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use drawbridge_core::plan::{Plan, Settled};
use serde_json::json;

use super::{
    super::{apply, plan},
    Bench,
    engine::{EVERY, Engine, Place},
    opened, planned, scope,
};

/// How often the process is killed, for each kind of journal.
const KILLS: u64 = 12;
/// The database for the process that is to be killed: its folder, and its name.
const FOLDER: &str = "DRAWBRIDGE_TEST_SQL_FOLDER";
const NAME: &str = "DRAWBRIDGE_TEST_SQL_NAME";

/// The process that is killed: it tells each plan before it does it.
#[test]
fn does_effects_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let named = std::env::var_os(NAME).unwrap().into_string().unwrap();
        let (engine, name) = named.split_once(' ').unwrap();
        let place = Place {
            engine: EVERY
                .into_iter()
                .find(|one| format!("{one:?}") == engine)
                .unwrap(),
            folder: folder.into(),
            name: name.to_owned(),
        };
        let database = opened(&place, scope(), true);
        for index in 0..10_000 {
            let rows = json!({"rows": [{"subject": format!("s{index}")}, {}, {}]});
            let plan = planned(&database, "insert", "tickets", rows).await.unwrap();
            let key = format!("p{}n{index}", std::process::id());
            println!("\nPLAN {}", json!([key, plan]));
            apply::apply(&database, &plan, &key).await.unwrap();
            println!("\nDONE {key}");
        }
    });
}

async fn killed(
    bench: &Bench,
    (mark, after): (&str, Duration),
) -> (Vec<(String, Plan)>, Vec<String>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "kinds::sql::tests::killed::does_effects_until_it_is_killed",
            "--nocapture",
        ])
        .env(FOLDER, bench.folder.path())
        .env(
            NAME,
            format!("{:?} {}", bench.place.engine, bench.place.name),
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = child.stdout.take().unwrap();
    let (began, begins) = std::sync::mpsc::channel();
    let killer = std::thread::spawn(move || {
        // However long it takes to get ready, it is killed in the middle of its effects.
        let _ = begins.recv();
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
    });
    let (mut plans, mut done) = (Vec::new(), Vec::new());
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if line.starts_with(mark) {
            let _ = began.send(());
        }
        if let Some(text) = line.strip_prefix("PLAN ") {
            // The last line may be cut off; then it was not begun.
            plans.extend(serde_json::from_str::<(String, Plan)>(text));
        } else if let Some(key) = line.strip_prefix("DONE ") {
            done.push(key.to_owned());
        }
    }
    killer.join().unwrap();
    (plans, done)
}

#[tokio::test]
async fn what_a_killed_process_did_is_known_and_can_be_taken_back() {
    for (engine, mode) in [
        (Engine::Sqlite, "PRAGMA journal_mode = DELETE"),
        (Engine::Sqlite, "PRAGMA journal_mode = WAL"),
        (Engine::Postgres, "SELECT 1"),
        (Engine::MariaDb, "SELECT 1"),
    ] {
        let bench = Bench::on(engine).await;
        bench.sql(mode).await;
        let before = bench.dump().await;
        let mut effects = Vec::new();
        let pace = if engine == Engine::Sqlite { 17 } else { 40 };
        for kill in 0..KILLS {
            let after = Duration::from_millis(kill * pace);
            let mark = if kill % 2 == 0 { "PLAN" } else { "DONE" };
            let (plans, done) = killed(&bench, (mark, after)).await;
            let mut applied = 0;
            let gateway = bench.other();
            for (key, plan) in plans {
                match apply::settle(&gateway, &plan, &key).await {
                    Settled::Applied(receipt) => {
                        applied += 1;
                        effects.push((plan, receipt));
                    }
                    Settled::NotApplied => assert!(!done.contains(&key), "an effect was lost"),
                    Settled::Unknown(why) | Settled::Later(why) => panic!("{why}"),
                }
            }
            assert!(applied >= done.len());
            assert_eq!(bench.dump().await.len(), before.len() + effects.len() * 3);
        }
        assert!(
            effects.len() > 5,
            "the process does nothing before it is killed"
        );
        for (plan, receipt) in effects.iter().rev() {
            let inverse = plan::undo(&bench.database, plan, receipt).await.unwrap();
            bench
                .apply(&inverse, &super::key_of(&inverse))
                .await
                .unwrap();
        }
        assert_eq!(bench.dump().await, before);
    }
}
