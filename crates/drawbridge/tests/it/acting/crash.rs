//! Killed while effects are proposed, approved and applied: what was approved is done, once, with its
//! intent on the log before; and nothing ends in doubt without a reason.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use drawbridge::store::{PlanFilter, RecordFilter};
use drawbridge_core::plan::{KeptPlan, Stage};
use serde_json::json;
use tokio::task::JoinSet;

use super::firm::{ANN, Firm, LENA, Open, PATIENCE, Person};
use crate::log::{disk::SmallDisk, served::long, server::Server};

/// A robot's effects go through; everyone else's ask.
const GATES: &str = "  - {when: {power: write, who: [\"client:robot\"]}, auto: true}\n  \
                     - {when: {power: write}, ask: [\"group:leads\"]}\n";

/// What was promised.
#[derive(Default)]
struct Promised {
    /// Effects that were answered as done.
    done: Vec<String>,
    /// Effects whose yes was answered as kept.
    approved: Vec<String>,
}

struct Load {
    promised: Arc<Mutex<Promised>>,
    stop: Arc<AtomicBool>,
    workers: JoinSet<()>,
}

fn effect(name: &str, number: usize) -> (&'static str, serde_json::Value) {
    if number.is_multiple_of(2) {
        (
            "crm_insert",
            json!({"table": "tickets", "values": {"subject": name, "status": "open"}}),
        )
    } else {
        (
            "notes_write",
            json!({"path": format!("{name}.md"), "content": name}),
        )
    }
}

impl Load {
    /// Robots, and people who ask and approve, each on one effect after the other.
    fn of((robot, ann, lena): (&Person, &Person, &Person), next: &Arc<AtomicUsize>) -> Self {
        let promised: Arc<Mutex<Promised>> = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let mut workers = JoinSet::new();
        for worker in 0..6 {
            let (robot, ann, lena) = (robot.clone(), ann.clone(), lena.clone());
            let (promised, stop, next) = (promised.clone(), stop.clone(), next.clone());
            workers.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let name = format!("e{number}");
                    let (tool, arguments) = effect(&name, number);
                    let asker = if worker % 2 == 0 { &robot } else { &ann };
                    let Some(answer) = asker.tries(tool, &arguments).await else {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        continue;
                    };
                    if answer["status"] == "ok" {
                        promised.lock().unwrap().done.push(name);
                    } else if let Some(id) = answer["plan"]["id"].as_str() {
                        let path = format!("/approvals/{id}");
                        let Some(plan) = lena.try_get(&path).await else {
                            continue;
                        };
                        let yes = json!({"digest": plan["data"]["digest"]});
                        let told = lena.try_post(&format!("{path}/approve"), &yes).await;
                        if told.is_some_and(|told| told["data"]["stage"] == "approved") {
                            promised.lock().unwrap().approved.push(name);
                        }
                    }
                }
            });
        }
        Self {
            promised,
            stop,
            workers,
        }
    }

    fn count(&self) -> usize {
        let promised = self.promised.lock().unwrap();
        promised.done.len() + promised.approved.len()
    }

    /// Waits until so much was promised.
    async fn reach(&self, count: usize) {
        let end = Instant::now() + PATIENCE;
        while self.count() < count {
            assert!(Instant::now() < end, "{} of {count} is done", self.count());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn end(self, all: &mut Promised) {
        self.stop.store(true, Ordering::Relaxed);
        self.workers.join_all().await;
        let mut own = self.promised.lock().unwrap();
        all.done.append(&mut own.done);
        all.approved.append(&mut own.approved);
    }
}

/// Kills of one engine; `DRAWBRIDGE_KILLS` makes it more.
fn kills() -> usize {
    let wanted = std::env::var_os("DRAWBRIDGE_KILLS");
    let wanted = wanted.and_then(|kills| kills.to_str()?.parse().ok());
    wanted.unwrap_or(if long() { 300 } else { 5 })
}

async fn plans(firm: &Firm) -> Vec<KeptPlan> {
    let store = firm.house.store().await;
    let mut filter = PlanFilter {
        limit: 500,
        ..PlanFilter::default()
    };
    let mut all: Vec<KeptPlan> = Vec::new();
    loop {
        let page = store.kept_plans(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.before = Some(last.created);
        all.extend(page);
    }
    store.close().await;
    all
}

/// Waits until nothing is about to happen any more.
async fn settled(firm: &Firm) {
    let store = firm.house.store().await;
    let end = Instant::now() + PATIENCE;
    loop {
        let stages = vec![Stage::Approved, Stage::Applying];
        let filter = PlanFilter {
            stages,
            limit: 10,
            ..PlanFilter::default()
        };
        let open = store.kept_plans(&filter).await.unwrap();
        if open.is_empty() {
            break;
        }
        assert!(
            Instant::now() < end,
            "it does not come to an end: {open:#?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    store.close().await;
}

/// What is in the targets, against what was promised, what is kept and what is on the log.
async fn check(firm: &Firm, promised: &Promised) {
    firm.house.verify();
    let rows = firm
        .text("SELECT group_concat(subject) FROM tickets WHERE subject LIKE 'e%'")
        .await;
    let mut there: BTreeMap<String, usize> = BTreeMap::new();
    for subject in rows.split(',').filter(|subject| !subject.is_empty()) {
        *there.entry(subject.to_owned()).or_default() += 1;
    }
    for entry in std::fs::read_dir(firm.notes()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.starts_with('.'), "{name} was left behind");
        *there
            .entry(name.trim_end_matches(".md").to_owned())
            .or_default() += 1;
    }
    for (name, count) in &there {
        assert_eq!(*count, 1, "{name} was done {count} times");
    }
    for name in &promised.done {
        assert!(
            there.contains_key(name),
            "{name} was answered as done and is not there"
        );
    }
    let plans = plans(firm).await;
    for name in &promised.approved {
        let plan = plans.iter().find(|plan| named(plan) == *name);
        assert!(
            there.contains_key(name),
            "{name} was approved and is lost: {plan:#?}"
        );
    }
    let intents = intents(firm).await;
    let mut applied = BTreeSet::new();
    for plan in &plans {
        match plan.stage {
            Stage::Applied => {
                assert!(
                    intents.contains(&plan.id),
                    "{} has no intent on the log",
                    plan.id
                );
                applied.insert(named(plan));
            }
            Stage::Unknown => {
                let reason = plan.ended.as_ref().map_or("", |ended| &ended.reason);
                assert!(!reason.is_empty(), "{plan:#?}");
                applied.insert(named(plan));
            }
            Stage::Waiting | Stage::Failed | Stage::Conflict => {
                assert!(
                    !there.contains_key(&named(plan)),
                    "{:?} and done: {plan:#?}",
                    plan.stage
                );
            }
            other => panic!("a plan that is {other:?}: {plan:#?}"),
        }
    }
    for name in there.keys() {
        assert!(
            applied.contains(name),
            "{name} is there and no plan says so"
        );
    }
    let unknown = plans
        .iter()
        .filter(|plan| plan.stage == Stage::Unknown)
        .count();
    println!(
        "{} plans, {} effects, {unknown} unknown",
        plans.len(),
        there.len()
    );
    assert_eq!(unknown, 0, "both kinds can tell");
}

fn named(plan: &KeptPlan) -> String {
    let arguments = &plan.arguments;
    let of_ticket = arguments["values"]["subject"].as_str();
    let of_note = arguments["path"]
        .as_str()
        .map(|path| path.trim_end_matches(".md"));
    of_ticket.or(of_note).unwrap().to_owned()
}

/// The plans whose intent is on the log.
async fn intents(firm: &Firm) -> BTreeSet<String> {
    let store = firm.house.store().await;
    let mut filter = RecordFilter {
        oldest_first: true,
        limit: 500,
        ..RecordFilter::default()
    };
    let mut intents = BTreeSet::new();
    loop {
        let page = store.records(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.after = Some(last.place);
        for stored in &page {
            if let Some(plan) = stored
                .record
                .plan
                .as_ref()
                .filter(|plan| plan.stage == Stage::Applying)
            {
                intents.insert(plan.id.clone());
            }
        }
    }
    store.close().await;
    intents
}

struct Cast {
    robot: String,
    ann: String,
    lena: String,
}

impl Cast {
    async fn of(firm: &Firm) -> Self {
        let mut open = firm.open().await;
        let cast = Self {
            robot: open.client(firm, ANN, "robot").token,
            ann: open.client(firm, ANN, "claude").token,
            lena: open.person(firm, LENA).token,
        };
        open.served.terminate();
        cast
    }

    fn people(&self, open: &Open) -> (Person, Person, Person) {
        (
            open.holding(&self.robot),
            open.holding(&self.ann),
            open.holding(&self.lena),
        )
    }
}

async fn killed_again_and_again(engine: &str) {
    let firm = Firm::on(engine, GATES).await;
    let cast = Cast::of(&firm).await;
    let (next, mut promised) = (Arc::new(AtomicUsize::new(0)), Promised::default());
    for round in 0..kills() {
        let mut open = firm.open_again();
        let (robot, ann, lena) = cast.people(&open);
        let load = Load::of((&robot, &ann, &lena), &next);
        load.reach(3 + round * 7 % 20).await;
        // Anywhere between two answers.
        tokio::time::sleep(Duration::from_micros((round as u64 * 733) % 9_000)).await;
        open.served.kill();
        load.end(&mut promised).await;
        if round % 50 == 49 {
            let open = firm.open_again();
            settled(&firm).await;
            drop(open);
            check(&firm, &promised).await;
        }
    }
    let open = firm.open_again();
    settled(&firm).await;
    drop(open);
    check(&firm, &promised).await;
    println!(
        "{engine}: {} kills, {} approved, {} done",
        kills(),
        promised.approved.len(),
        promised.done.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_is_done_once_over_kills_on_sqlite() {
    killed_again_and_again("sqlite").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_is_done_once_over_kills_on_postgresql() {
    killed_again_and_again("postgres").await;
}

/// Killed by the kernel just as it enters the Nth system call of the way of a write.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_is_done_once_over_a_kill_at_each_step_of_a_write() {
    let firm = Firm::on("sqlite", GATES).await;
    let cast = Cast::of(&firm).await;
    let (next, mut promised, mut killed) = (Arc::new(AtomicUsize::new(0)), Promised::default(), 0);
    let last = if long() { 40 } else { 3 };
    let mut tried = 0;
    for (call, first, step) in [
        ("fsync,fdatasync", 3, 1),
        ("pwrite64", 25, 9),
        ("renameat2", 1, 1),
        ("unlinkat", 1, 1),
    ] {
        for when in (first..).step_by(step).take(last) {
            tried += 1;
            let Some(served) = firm.house.serve_until(call, when) else {
                killed += 1;
                continue;
            };
            let mut open = firm.of(served);
            let (robot, ann, lena) = cast.people(&open);
            let load = Load::of((&robot, &ann, &lena), &next);
            let end = Instant::now() + Duration::from_secs(4);
            while open.served.child.try_wait().unwrap().is_none() && Instant::now() < end {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            killed += usize::from(open.served.child.try_wait().unwrap().is_some());
            open.served.kill();
            load.end(&mut promised).await;
        }
    }
    let open = firm.open_again();
    settled(&firm).await;
    drop(open);
    check(&firm, &promised).await;
    println!("{killed} of {tried} killed in a system call");
    assert!(killed * 2 > tried, "{killed} of {tried} were killed");
}

/// A disk without room: what was approved is done once there is room.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_no_approval_and_repeats_no_effect() {
    let firm = Firm::on("sqlite", GATES).await;
    let small = SmallDisk::mount(firm.notes(), 1);
    let open = firm.open().await;
    let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
    let id = ann
        .asks(
            "notes_write",
            json!({"path": "a.md", "content": "a".repeat(100_000)}),
        )
        .await;
    small.fill();
    lena.approve(&id).await;
    // It is tried again and again, longer than a few attempts take.
    let end = Instant::now() + Duration::from_secs(9);
    while Instant::now() < end {
        let plan = lena.plan(&id).await;
        let stage = plan["stage"].as_str().unwrap();
        assert!(["approved", "applying"].contains(&stage), "{plan:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let told = ann.result(&id).await;
    assert!(told.to_string().contains("tried again"), "{told:#}");
    lena.until(&id, &["approved"]).await;
    let left: Vec<_> = std::fs::read_dir(small.at())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["ballast"], "half a file was left behind");
    small.make_room();
    lena.until(&id, &["applied"]).await;
    assert_eq!(firm.says("a.md").map(|text| text.len()), Some(100_000));
}

/// The store's own disk without room, again and again, under load: nothing is done without its intent, and
/// what was approved is done once there is room.
async fn without_room_again_and_again(firm: &Firm, small: &SmallDisk) {
    let cast = Cast::of(firm).await;
    let (next, mut promised) = (Arc::new(AtomicUsize::new(0)), Promised::default());
    let open = firm.open_again();
    let (robot, ann, lena) = cast.people(&open);
    for round in 0..if long() { 100 } else { 3 } {
        let load = Load::of((&robot, &ann, &lena), &next);
        load.reach(3 + round * 7 % 20).await;
        small.fill();
        let end = Instant::now() + PATIENCE;
        // The pages that the store has already may take some more.
        while robot.call("drawbridge_connectors", json!({})).await["status"] != "unavailable" {
            assert!(
                Instant::now() < end,
                "the disk is full and calls are answered"
            );
        }
        small.make_room();
        load.reach(load.count() + 1).await;
        load.end(&mut promised).await;
    }
    settled(firm).await;
    drop(open);
    check(firm, &promised).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_room_loses_no_approval_on_sqlite() {
    let firm = Firm::on("sqlite", GATES).await;
    let small = SmallDisk::mount(firm.house.state(), 32);
    without_room_again_and_again(&firm, &small).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_room_loses_no_approval_on_postgresql() {
    let server = Server::new(None);
    let (small, url) = server.on_small_disk(48).await;
    let firm = Firm::with_tickets(Some(url), GATES).await;
    without_room_again_and_again(&firm, &small).await;
    drop(server);
    drop(small);
}
