//! Random effects on databases, by several callers, decided, taken back, and killed in between: what the
//! plans say was done is what is there, once, and taking everything back leaves each byte as it was.

mod base;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use drawbridge::store::{PlanFilter, RecordFilter, Store};
use drawbridge_core::plan::{Image, KeptPlan, Origin, Stage, Target};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::firm::{ANN, BOB, Firm, LENA, Open, PATIENCE, Person};
use crate::{chance::Chance, log::served::long};
use base::{Base, Engine};

/// A robot's effects go through; everyone else's ask.
const GATES: &str = "  - {when: {power: [write, update, delete], who: [\"client:robot\"]}, auto: true}\n  \
                     - {when: {power: [write, update, delete]}, ask: [\"group:leads\"]}\n";
/// Who acts at a time, each on rows of their own.
const WORKERS: usize = 5;

/// Kills for each way; `DRAWBRIDGE_KILLS` makes it more.
fn kills() -> usize {
    let wanted = std::env::var_os("DRAWBRIDGE_KILLS");
    let wanted = wanted.and_then(|kills| kills.to_str()?.parse().ok());
    wanted.unwrap_or(if long() { 200 } else { 2 })
}

/// What callers were told.
#[derive(Default)]
struct Told {
    /// Plans that were told as done.
    done: Vec<String>,
    /// Plans whose last yes was told as kept.
    approved: Vec<String>,
    /// Answers that were neither.
    other: BTreeMap<String, usize>,
}

/// Who acts, by their tokens.
struct Cast {
    robot: String,
    client: String,
    ann: String,
    lena: String,
    bob: String,
}

impl Cast {
    async fn of(firm: &Firm) -> Self {
        let mut open = firm.open().await;
        let cast = Self {
            robot: open.client(firm, ANN, "robot").token,
            client: open.client(firm, ANN, "claude").token,
            ann: open.person(firm, ANN).token,
            lena: open.person(firm, LENA).token,
            bob: open.person(firm, BOB).token,
        };
        open.served.terminate();
        cast
    }
}

/// One who acts on rows that nobody else touches.
struct Worker {
    /// Through whom: a robot, or a client whose effects ask.
    asks: Person,
    /// Who takes back.
    own: Person,
    lena: Person,
    number: usize,
    chance: Chance,
    /// Tickets that were told to be there.
    tickets: Vec<String>,
    /// The plan that was done last.
    last: Option<String>,
    next: Arc<AtomicUsize>,
    told: Arc<Mutex<Told>>,
}

impl Worker {
    /// An effect that may or may not find what it is about.
    fn effect(&mut self) -> (&'static str, Value) {
        let mark = format!("m{}", self.next.fetch_add(1, Ordering::Relaxed));
        let key = format!("w{}k{}", self.number, self.chance.below(3));
        let amount = self.chance.below(1_000);
        let tickets = self.tickets.len();
        let code = self.chance.below(8);
        match code {
            0 | 1 => (
                "crm_insert",
                json!({"table": "codes", "values": {"code": key, "title": mark, "amount": amount}}),
            ),
            2 => (
                "crm_upsert",
                json!({"table": "codes", "key": key, "values": {"title": mark, "amount": amount}}),
            ),
            3 => ("crm_delete", json!({"table": "codes", "key": key})),
            4 => (
                "crm_update",
                json!({"table": "codes", "key": key, "set": {"title": mark}}),
            ),
            5 if tickets > 0 => {
                let at = self.chance.below(tickets);
                let id: u64 = self.tickets[at].parse().unwrap();
                (
                    "crm_update",
                    json!({"table": "tickets", "key": id, "set": {"subject": mark}}),
                )
            }
            6 if tickets > 0 => {
                let at = self.chance.below(tickets);
                let id: u64 = self.tickets.remove(at).parse().unwrap();
                ("crm_delete", json!({"table": "tickets", "key": id}))
            }
            _ => (
                "crm_insert",
                json!({"table": "tickets", "values": {"subject": mark, "status": "open", "amount": amount}}),
            ),
        }
    }

    /// Does one thing to its end; nothing where nobody answers.
    async fn step(&mut self) -> Option<()> {
        if let Some(last) = self.last.take()
            && self.chance.below(3) == 0
        {
            let asked = json!({"call": last, "reason": "a mistake"});
            let answer = self.own.try_post("/undo", &asked).await?;
            let Some(id) = answer["data"]["id"].as_str().map(str::to_owned) else {
                self.note(&answer);
                return Some(());
            };
            return self.decided(&id).await;
        }
        let (tool, arguments) = self.effect();
        let answer = self.asks.tries(tool, &arguments).await?;
        let id = answer["plan"]["id"].as_str().map(str::to_owned);
        match (answer["status"].as_str(), id) {
            (Some("ok"), Some(id)) => {
                self.told.lock().unwrap().done.push(id.clone());
                self.seen(&id).await
            }
            (Some("approval_needed"), Some(id)) => self.decided(&id).await,
            (_, Some(id)) => {
                self.note(&answer);
                self.seen(&id).await
            }
            (_, None) => {
                self.note(&answer);
                Some(())
            }
        }
    }

    fn note(&self, answer: &Value) {
        let status = answer["status"].as_str().unwrap_or("none").to_owned();
        *self.told.lock().unwrap().other.entry(status).or_default() += 1;
    }

    /// A lead says yes, or now and then no.
    async fn decided(&mut self, id: &str) -> Option<()> {
        let path = format!("/approvals/{id}");
        let plan = self.lena.try_get(&path).await?;
        if self.chance.below(9) == 0 {
            let reason = json!({"reason": "not that"});
            self.lena
                .try_post(&format!("{path}/reject"), &reason)
                .await?;
            return Some(());
        }
        let yes = json!({"digest": plan["data"]["digest"]});
        let told = self.lena.try_post(&format!("{path}/approve"), &yes).await?;
        if told["data"]["stage"] == "approved" {
            self.told.lock().unwrap().approved.push(id.to_owned());
        }
        self.seen(id).await
    }

    /// Waits until a plan has come to its end, and keeps what it is about.
    async fn seen(&mut self, id: &str) -> Option<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let plan = self.lena.try_get(&format!("/approvals/{id}")).await?;
            let plan = &plan["data"];
            match plan["stage"].as_str() {
                Some("approved" | "applying") => {}
                Some("applied") => {
                    let receipt = &plan["receipt"]["applied"][0];
                    if let Some(ticket) = receipt["id"].as_str() {
                        self.tickets.push(ticket.to_owned());
                    }
                    self.last = Some(id.to_owned());
                    return Some(());
                }
                _ => return Some(()),
            }
            assert!(Instant::now() < end, "it does not come to an end: {plan:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Everything that acts while a gateway runs.
struct Load {
    stop: Arc<AtomicBool>,
    steps: Arc<AtomicUsize>,
    workers: JoinSet<Worker>,
    breaks: JoinSet<usize>,
}

impl Load {
    fn of(workers: Vec<Worker>, base: &Base, chance: &mut Chance) -> Self {
        let (stop, steps) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let (mut all, mut breaks) = (JoinSet::new(), JoinSet::new());
        for mut worker in workers {
            let (stop, steps) = (stop.clone(), steps.clone());
            all.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    if worker.step().await.is_none() {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    steps.fetch_add(1, Ordering::Relaxed);
                }
                worker
            });
        }
        // A server lets go of its connections, now and then.
        if base.engine != Engine::Sqlite && chance.below(2) == 0 {
            let (base, stop) = (base.clone(), stop.clone());
            let mut own = Chance(chance.below(usize::MAX) as u64);
            breaks.spawn(async move {
                let mut broken = 0;
                while !stop.load(Ordering::Relaxed) {
                    let pause = 100 + own.below(600) as u64;
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                    broken += base.break_connections().await;
                }
                broken
            });
        }
        Self {
            stop,
            steps,
            workers: all,
            breaks,
        }
    }

    async fn reach(&self, steps: usize) {
        let end = Instant::now() + PATIENCE;
        while self.steps.load(Ordering::Relaxed) < steps {
            assert!(Instant::now() < end, "nobody gets anything done");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Who acted, and how many connections were broken.
    async fn end(mut self) -> (Vec<Worker>, usize) {
        self.stop.store(true, Ordering::Relaxed);
        let mut workers = Vec::new();
        while let Some(worker) = self.workers.join_next().await {
            workers.push(worker.unwrap());
        }
        workers.sort_by_key(|worker| worker.number);
        let mut broken = 0;
        while let Some(one) = self.breaks.join_next().await {
            broken += one.unwrap();
        }
        (workers, broken)
    }
}

/// All plans, in the order in which their intents stand on the log; those without one at the end.
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
    let intents = intents(&store).await;
    store.close().await;
    all.sort_by_key(|plan| intents.get(&plan.id).copied().unwrap_or(usize::MAX));
    for plan in &all {
        let begun = matches!(plan.stage, Stage::Applied | Stage::Unknown);
        assert!(
            !begun || intents.contains_key(&plan.id),
            "no intent: {plan:#?}"
        );
    }
    all
}

/// At which place of the log each plan's first intent stands.
async fn intents(store: &Store) -> BTreeMap<String, usize> {
    let mut filter = RecordFilter {
        oldest_first: true,
        limit: 500,
        ..RecordFilter::default()
    };
    let (mut intents, mut place) = (BTreeMap::new(), 0);
    loop {
        let page = store.records(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.after = Some(last.place);
        for stored in &page {
            place += 1;
            let plan = stored.record.plan.as_ref();
            if let Some(plan) = plan.filter(|plan| plan.stage == Stage::Applying) {
                intents.entry(plan.id.clone()).or_insert(place);
            }
        }
    }
    intents
}

/// Waits until nothing is about to happen any more, and settles what nobody else can tell.
async fn settled((firm, base): (&Firm, &Base), bob: &Person) -> usize {
    let mut by_hand = 0;
    let end = Instant::now() + PATIENCE;
    loop {
        let store = firm.house.store().await;
        let stages = vec![Stage::Approved, Stage::Applying, Stage::Unknown];
        let filter = PlanFilter {
            stages,
            limit: 50,
            ..PlanFilter::default()
        };
        let open = store.kept_plans(&filter).await.unwrap();
        store.close().await;
        if open.is_empty() {
            return by_hand;
        }
        assert!(
            Instant::now() < end,
            "it does not come to an end: {open:#?}"
        );
        for plan in open.iter().filter(|plan| plan.stage == Stage::Unknown) {
            let reason = plan.ended.as_ref().map_or("", |ended| &ended.reason);
            assert!(
                reason.contains("`applied_table: true`") && !base.keys,
                "{plan:#?}"
            );
            // As a person does it: they look.
            let mark = plan.arguments["values"]["subject"].as_str().unwrap();
            let found = json!({"applied": base.has_ticket(mark).await, "reason": "I looked"});
            let told = bob
                .post(&format!("/approvals/{}/settle", plan.id), found)
                .await;
            assert_eq!(told["status"], "ok", "{told:#}");
            by_hand += 1;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether a person said that it was done: there is nothing to take it back with.
fn by_hand_settled(plan: &KeptPlan) -> bool {
    let receipt = plan.receipt.as_ref();
    receipt.is_none_or(|receipt| receipt.applied.is_empty())
}

/// The fields of a new ticket, as the sentence of its plan has them.
fn fields_told(plan: &KeptPlan) -> BTreeMap<String, String> {
    let (_, fields) = plan.plan.sentence.split_once("tickets: ").unwrap();
    let pairs = fields.split(", ").map(|pair| pair.split_once(' ').unwrap());
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// A row as its visible fields are; by its name.
type Model = BTreeMap<String, BTreeMap<String, String>>;

fn fields(image: &Image) -> BTreeMap<String, String> {
    let Image::Fields(fields) = image else {
        panic!("{image:?}")
    };
    let shown = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    fields
        .iter()
        .map(|(name, value)| (name.clone(), shown(value)))
        .collect()
}

fn word(target: &Target) -> &'static str {
    match (&target.before, &target.after) {
        (None, _) => "i",
        (Some(_), Some(_)) => "u",
        (Some(_), None) => "d",
    }
}

/// What the plans say, done one after the other from what was there first; and each physical change
/// that this takes.
async fn replayed(
    base: &Base,
    first: &Model,
    plans: &[KeptPlan],
) -> (Model, Vec<(String, String)>) {
    let (mut model, mut changes) = (first.clone(), Vec::new());
    for plan in plans.iter().filter(|plan| plan.stage == Stage::Applied) {
        let targets = &plan.plan.targets;
        for (index, target) in targets.iter().enumerate() {
            let receipt = plan.receipt.as_ref();
            let name = match receipt.and_then(|receipt| receipt.applied.get(index)) {
                Some(applied) => {
                    assert_eq!(applied.change, target.change(), "{plan:#?}");
                    applied.resource.clone()
                }
                // Settled by a person, who does not know its key.
                None => {
                    let mark = &fields_told(plan)["subject"];
                    match base.ticket(mark).await {
                        Some(name) => name,
                        None => continue,
                    }
                }
            };
            let before = target.before.as_ref().map(fields);
            let there = model.get(&name);
            match (&before, there) {
                (None, None) => {}
                (Some(before), Some(there)) => {
                    for (field, value) in before {
                        assert_eq!(there.get(field), Some(value), "{name}: {plan:#?}");
                    }
                }
                other => panic!("{name}: {other:?}: {plan:#?}"),
            }
            changes.push((word(target).to_owned(), name.clone()));
            let Some(after) = &target.after else {
                model.remove(&name);
                continue;
            };
            let row = model.entry(name.clone()).or_default();
            match after {
                // Of what a person settled, nothing but its sentence is kept.
                Image::Dropped => {
                    let tickets = first.iter().find(|(name, _)| name.starts_with("tickets/"));
                    let columns = tickets.unwrap().1.keys();
                    row.extend(columns.map(|column| (column.clone(), "null".to_owned())));
                    row.extend(fields_told(plan));
                }
                after => row.extend(fields(after)),
            }
            // A key that the database gave stands in the name only.
            if let Some(id) = name.strip_prefix("tickets/") {
                row.insert("id".to_owned(), id.to_owned());
            }
        }
    }
    (model, changes)
}

/// What is in the database, against what was promised, what is kept and what is on the log.
async fn check((firm, base): (&Firm, &Base), first: &Model, told: &Told) -> Vec<KeptPlan> {
    firm.house.verify();
    let plans = plans(firm).await;
    let stages: BTreeMap<&str, Stage> = plans
        .iter()
        .map(|plan| (plan.id.as_str(), plan.stage))
        .collect();
    for id in &told.done {
        assert_eq!(stages[id.as_str()], Stage::Applied, "{id} was told as done");
    }
    for id in &told.approved {
        let stage = stages[id.as_str()];
        assert!(
            matches!(stage, Stage::Applied | Stage::Conflict | Stage::Failed),
            "{id} is {stage:?}"
        );
    }
    let (model, mut changes) = replayed(base, first, &plans).await;
    let there = base.visible().await;
    for (name, row) in &there {
        assert_eq!(model.get(name), Some(row), "{name}");
    }
    assert_eq!(there.len(), model.len(), "{there:#?} {model:#?}");
    if base.keys {
        // The database itself counted each change of a row.
        changes.sort();
        assert_eq!(base.journal().await, changes);
    }
    plans
}

/// Whether the version of each last receipt is the one that a reader gets.
async fn receipts_are_true(plans: &[KeptPlan], ann: &Person) -> usize {
    let mut last: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    for plan in plans.iter().filter(|plan| plan.stage == Stage::Applied) {
        for applied in plan.receipt.iter().flat_map(|receipt| &receipt.applied) {
            last.insert(&applied.resource, applied.version.as_deref());
        }
    }
    for (name, version) in &last {
        let (table, key) = name.split_once('/').unwrap();
        let key = key.parse::<u64>().map_or_else(|_| json!(key), Value::from);
        let read = ann
            .call("crm_read", json!({"table": table, "key": key}))
            .await;
        match version {
            None => assert_eq!(read["status"], "not_found", "{name}: {read:#}"),
            Some(version) => {
                assert_eq!(read["data"]["version"], json!(version), "{name}: {read:#}")
            }
        }
    }
    last.len()
}

/// The plans whose effect stands, the last first: done, and not taken back; or taking back what had
/// taken another back.
fn in_force(plans: &[KeptPlan]) -> Vec<&KeptPlan> {
    let applied = || plans.iter().filter(|plan| plan.stage == Stage::Applied);
    let of: BTreeMap<&str, &str> = applied()
        .filter_map(|plan| match &plan.origin {
            Origin::Undo(of) => Some((plan.id.as_str(), of.as_str())),
            Origin::Call => None,
        })
        .collect();
    let undone: BTreeSet<&str> = of.values().copied().collect();
    let depth = |plan: &KeptPlan| {
        std::iter::successors(Some(plan.id.as_str()), |id| of.get(id).copied()).count()
    };
    applied()
        .rev()
        .filter(|plan| !undone.contains(plan.id.as_str()) && depth(plan) % 2 == 1)
        .collect()
}

/// Takes everything back, the last first, while the gateway is killed on.
async fn all_taken_back((firm, base): (&Firm, &Base), cast: &Cast, chance: &mut Chance) -> usize {
    let mut rounds = 0;
    let mut by_hand = BTreeSet::new();
    loop {
        let plans = plans(firm).await;
        let left: Vec<&KeptPlan> = in_force(&plans)
            .into_iter()
            .filter(|plan| !by_hand.contains(&plan.id))
            .collect();
        if left.is_empty() {
            return rounds;
        }
        rounds += 1;
        let mut open = firm.open_again();
        let (ann, lena) = (open.holding(&cast.ann), open.holding(&cast.lena));
        let bob = open.holding(&cast.bob);
        // What somebody asked to take back before waits, and would be in the way.
        for plan in plans.iter().filter(|plan| plan.stage == Stage::Waiting) {
            let no = json!({"reason": "everything is taken back"});
            lena.post(&format!("/approvals/{}/reject", plan.id), no)
                .await;
        }
        let most = if rounds % 2 == 0 {
            40
        } else {
            1 + chance.below(30)
        };
        for plan in left.iter().take(most) {
            if by_hand_settled(plan) {
                base.remove_ticket(&fields_told(plan)["subject"]).await;
                by_hand.insert(plan.id.clone());
                continue;
            }
            let asked = json!({"call": plan.id, "reason": "everything"});
            let back = ann.post("/undo", asked).await;
            let id = back["data"]["id"]
                .as_str()
                .unwrap_or_else(|| panic!("{back:#}: {plan:#?}"));
            lena.approve(id).await;
            lena.until(id, &["applied"]).await;
        }
        if let Some(plan) = left.get(most).filter(|plan| !by_hand_settled(plan)) {
            // One is begun, and killed at any moment.
            let asked = json!({"call": plan.id, "reason": "everything"});
            let back = ann.post("/undo", asked).await;
            let id = back["data"]["id"].as_str().unwrap().to_owned();
            let digest = lena.plan(&id).await["digest"].clone();
            let yes = json!({"digest": digest});
            let path = format!("/approvals/{id}/approve");
            let after = Duration::from_micros(chance.below(30_000) as u64);
            let _ = tokio::time::timeout(after, lena.try_post(&path, &yes)).await;
            open.served.kill();
            open = firm.open_again();
            let (lena, bob) = (open.holding(&cast.lena), open.holding(&cast.bob));
            settled((firm, base), &bob).await;
            if lena.plan(&id).await["stage"] == "waiting" {
                lena.approve(&id).await;
                lena.until(&id, &["applied"]).await;
            }
        }
        settled((firm, base), &bob).await;
    }
}

/// What came of it, for people.
#[derive(Debug, Default)]
struct Count {
    kills: usize,
    broken: usize,
    settled_by_hand: usize,
}

async fn killed_again_and_again(engine: Engine, keys: bool) {
    let firm = Firm::new(None, GATES);
    let base = Base::new(engine, keys, &firm).await;
    let (before, first) = (base.dump().await, base.visible().await);
    let cast = Cast::of(&firm).await;
    let (next, told) = (Arc::new(AtomicUsize::new(0)), Arc::<Mutex<Told>>::default());
    let mut chance = Chance(7 + u64::from(keys));
    let (mut count, mut known) = (Count::default(), vec![Vec::new(); WORKERS]);
    for round in 0..kills() {
        let mut open = firm.open_again();
        let workers = workers((&cast, &open), &mut known, (&next, &told, round as u64));
        let load = Load::of(workers, &base, &mut chance);
        load.reach(4 + chance.below(30)).await;
        // Anywhere between two answers.
        tokio::time::sleep(Duration::from_micros(chance.below(9_000) as u64)).await;
        open.served.kill();
        let (workers, broken) = load.end().await;
        for worker in workers {
            known[worker.number] = worker.tickets;
        }
        count.kills += 1;
        count.broken += broken;
        let open = firm.open_again();
        count.settled_by_hand += settled((&firm, &base), &open.holding(&cast.bob)).await;
        if round % 10 == 9 || round + 1 == kills() {
            let told = std::mem::take(&mut *told.lock().unwrap());
            let plans = check((&firm, &base), &first, &told).await;
            let read = receipts_are_true(&plans, &open.holding(&cast.ann)).await;
            println!(
                "{engine:?}, keys {keys}: round {round}, {read} receipts read, told {:?}",
                told.other
            );
        }
        drop(open);
    }
    let all = plans(&firm).await;
    let mut stages: BTreeMap<String, usize> = BTreeMap::new();
    for plan in &all {
        *stages.entry(format!("{:?}", plan.stage)).or_default() += 1;
    }
    let killed = all_taken_back((&firm, &base), &cast, &mut chance).await;
    let plans = check((&firm, &base), &first, &Told::default()).await;
    assert_eq!(base.dump().await, before, "something is not as it was");
    println!(
        "{engine:?}, keys {keys}: {count:?}, plans by stage {stages:?}; {} plans once all was taken back, over \
         {killed} more gateways",
        plans.len()
    );
}

fn workers(
    (cast, open): (&Cast, &Open),
    known: &mut [Vec<String>],
    (next, told, round): (&Arc<AtomicUsize>, &Arc<Mutex<Told>>, u64),
) -> Vec<Worker> {
    let one = |(number, tickets): (usize, &mut Vec<String>)| {
        let through = if number.is_multiple_of(2) {
            &cast.robot
        } else {
            &cast.client
        };
        Worker {
            asks: open.holding(through),
            own: open.holding(&cast.ann),
            lena: open.holding(&cast.lena),
            number,
            chance: Chance(round * 1_000 + number as u64),
            tickets: std::mem::take(tickets),
            last: None,
            next: next.clone(),
            told: told.clone(),
        }
    };
    known.iter_mut().enumerate().map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn random_effects_are_done_once_and_taken_back_over_kills_on_sqlite() {
    for keys in [true, false] {
        killed_again_and_again(Engine::Sqlite, keys).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_effects_are_done_once_and_taken_back_over_kills_on_postgresql() {
    for keys in [true, false] {
        killed_again_and_again(Engine::Postgres, keys).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_effects_are_done_once_and_taken_back_over_kills_on_mariadb() {
    for keys in [true, false] {
        killed_again_and_again(Engine::MariaDb, keys).await;
    }
}
