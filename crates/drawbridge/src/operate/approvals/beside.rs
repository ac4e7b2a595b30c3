//! What people are shown beside a plan before they decide: what was read before it was made, and how
//! plans like it ended.

use std::time::Duration;

use drawbridge_core::{
    answer::Failure,
    call::{Caller, Power},
    log::Record,
    plan::{KeptPlan, Stage},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::{roles::looks_after, store_down},
    shown::{concerns, decides, sees},
};
use crate::{
    app::App,
    connectors::Snapshot,
    store::{PlanFilter, RecordFilter},
};

/// How long before a plan somebody's reading is looked at.
const READ_WITHIN: Duration = Duration::from_secs(3_600);
/// Calls that are looked at, the newest.
const LOOKED_AT: u32 = 200;
/// Targets that are named of each connector.
const TARGETS: usize = 20;
/// Plans like it that are shown.
const SIMILAR: usize = 5;
/// Plans that are looked through for those.
const LOOKED_THROUGH: u32 = 50;

/// How a plan ends that was decided or done; one that another stands in the place of did not end.
const ENDS: [Stage; 7] = [
    Stage::Applied,
    Stage::Failed,
    Stage::Conflict,
    Stage::Rejected,
    Stage::Expired,
    Stage::Withdrawn,
    Stage::Cancelled,
];

/// What was read of one connector.
struct Read {
    connector: String,
    calls: u64,
    labels: Vec<String>,
    untrusted: bool,
    last: Timestamp,
    targets: Vec<String>,
}

impl App {
    /// What the same person and client were answered in the hour before, by the log: also in the same
    /// task, where there is one.
    pub(super) async fn read_before(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        plan: &KeptPlan,
    ) -> Result<Value, Failure> {
        let until = plan.created;
        let since = until.checked_sub(READ_WITHIN).unwrap_or(Timestamp::MIN);
        let filter = RecordFilter {
            person: Some(plan.caller.person.id.clone()),
            client: Some(plan.caller.client.to_string()),
            since: Some(since),
            until: Some(until),
            calls: true,
            limit: LOOKED_AT + 1,
            ..RecordFilter::default()
        };
        let mut stored = self.store.records(&filter).await.map_err(store_down)?;
        let whole = stored.len() <= LOOKED_AT as usize;
        stored.truncate(LOOKED_AT as usize);
        let mut reads: Vec<Read> = Vec::new();
        for stored in &stored {
            if is_read(&stored.record, plan) {
                add(&mut reads, &stored.record);
            }
        }
        let labels = snapshot.gateway.labels();
        // Names of what one may not see oneself are content, too.
        let asked = plan.caller.person.id == caller.person.id;
        let names = |name: &str| {
            let mounted = snapshot.connectors.get(name);
            asked || mounted.is_some_and(|mounted| looks_after(snapshot, caller, mounted))
        };
        let connectors = reads.iter().map(|read| {
            json!({
                "connector": read.connector,
                "calls": read.calls,
                "label": labels.highest(read.labels.iter().map(String::as_str)),
                "untrusted": read.untrusted,
                "last": read.last,
                "targets": if names(&read.connector) { &*read.targets } else { &[] },
            })
        });
        Ok(json!({
            "since": since,
            "until": until,
            "looked_at": stored.len(),
            "whole": whole,
            "connectors": connectors.collect::<Vec<_>>(),
        }))
    }

    /// How the last plans of the same connector and action ended: to those who decide by whomever, to
    /// who only asked as far as they may see them.
    pub(super) async fn similar(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        plan: &KeptPlan,
    ) -> Result<Vec<Value>, Failure> {
        let filter = PlanFilter {
            stages: ENDS.to_vec(),
            connector: Some(plan.connector.clone()),
            action: Some(plan.action.clone()),
            limit: LOOKED_THROUGH,
            ..PlanFilter::default()
        };
        let all = decides(snapshot, caller, plan);
        let ended = self.store.kept_plans(&filter).await.map_err(store_down)?;
        let similar = ended
            .iter()
            .filter(|one| one.id != plan.id)
            .filter(|one| all || sees(snapshot, caller, one))
            .take(SIMILAR);
        Ok(similar
            .map(|one| ended_line(one, concerns(snapshot, caller, one)))
            .collect())
    }
}

/// Whether a record is of something that was read, and went into the same work.
fn is_read(record: &Record, plan: &KeptPlan) -> bool {
    let task = plan.caller.task.as_deref();
    matches!(record.power, Some(Power::Read | Power::Search))
        && record.status.has_data()
        && record.connector != Record::GATEWAY
        && (task.is_none() || record.task.as_deref() == task)
}

/// Counts a record, which is older than those before it.
fn add(reads: &mut Vec<Read>, record: &Record) {
    let known = reads
        .iter_mut()
        .find(|read| read.connector == record.connector);
    let read = match known {
        Some(read) => read,
        None => {
            reads.push(Read {
                connector: record.connector.clone(),
                calls: 0,
                labels: Vec::new(),
                untrusted: false,
                last: record.time,
                targets: Vec::new(),
            });
            let Some(read) = reads.last_mut() else {
                return;
            };
            read
        }
    };
    read.calls += 1;
    read.labels.extend(record.returned.label.clone());
    read.untrusted |= record.returned.untrusted;
    for target in &record.returned.targets {
        if read.targets.len() < TARGETS && !read.targets.contains(target) {
            read.targets.push(target.clone());
        }
    }
}

/// A plan that ended. Its sentence and its reason are content.
fn ended_line(plan: &KeptPlan, content: bool) -> Value {
    let ended = plan.ended.as_ref();
    let mut decided_by: Vec<&str> = plan
        .voices
        .iter()
        .map(|voice| voice.person.as_str())
        .collect();
    let refused = plan.stage == Stage::Rejected;
    decided_by.extend(
        ended
            .filter(|_| refused)
            .and_then(|ended| ended.by.as_deref()),
    );
    json!({
        "id": plan.id,
        "stage": plan.stage,
        "sentence": if content { plan.plan.sentence.as_str() } else { "" },
        "person": plan.caller.person.id,
        "client": &*plan.caller.client,
        "created": plan.created,
        "ended": ended.map(|ended| ended.at),
        "decided_by": decided_by,
        "reason": ended.filter(|_| content).map(|ended| &ended.reason),
    })
}
