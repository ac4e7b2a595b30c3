use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Bound, KeptPlan, Origin};
use crate::{
    answer::{Failure, Status},
    call::{Caller, Power},
    plan::{Plan, Receipt, Reversal, Stage, answers_again},
};

fn begun(now: Timestamp) -> KeptPlan {
    let plan = Plan {
        action: "update".to_owned(),
        power: Power::Update,
        sentence: "Set it".to_owned(),
        targets: Vec::new(),
        reversal: Reversal::Reversible,
        work: Value::Null,
    };
    KeptPlan {
        id: "0".repeat(32),
        turn: 0,
        stage: Stage::Applying,
        caller: Caller::gateway(),
        connector: "crm".to_owned(),
        action: "update".to_owned(),
        power: Power::Update,
        arguments: json!({"key": 1}),
        record: String::new(),
        same: String::new(),
        origin: Origin::Call,
        bound: Bound {
            revision: String::new(),
            rules: String::new(),
            identity: String::new(),
            digest: plan.digest(),
        },
        plan,
        asking: None,
        let_through: None,
        voices: Vec::new(),
        escalated: false,
        created: now,
        frozen_s: 0,
        expires: None,
        runner: None,
        attempts: 1,
        again: None,
        receipt: None,
        ended: None,
        next: None,
        edited_by: None,
        undo_until: None,
        undone_by: None,
        told: false,
        news: false,
        dropped: false,
    }
}

fn after(now: Timestamp, hours: u64) -> Timestamp {
    now.checked_add(Duration::from_secs(hours * 3_600)).unwrap()
}

/// An end that nobody heard of answers the same call for a day, and not for ever; and what was
/// before goes when it may no longer be kept, whichever of the two is first.
#[test]
fn what_ended_is_let_go_when_its_times_come() {
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let receipt = Receipt {
        sentence: "It is set".to_owned(),
        applied: Vec::new(),
        work: Value::Null,
    };
    let applied = |undo_until| begun(now).applied(receipt.clone(), undo_until, now);
    let failed = begun(now).failed(&Failure::new(Status::Failed, "no"), now);
    for (name, ended, images, answers) in [
        ("kept for days", applied(Some(after(now, 168))), 168, 24),
        ("kept for an hour", applied(Some(after(now, 1))), 1, 24),
        ("not kept", applied(None), 0, 24),
        ("failed", failed, 24, 24),
    ] {
        let mut plan = ended;
        let mut seen = Vec::new();
        while let Some(due) = plan.due() {
            let next = plan.aged(due);
            assert_eq!(next.turn, plan.turn + 1, "{name}");
            let before = due.checked_sub(Duration::from_secs(1)).unwrap();
            assert!(
                plan.aged(before).due() == plan.due(),
                "{name}: nothing comes of it a second too early"
            );
            if next.dropped && !plan.dropped {
                seen.push(("images", due));
            }
            if answers_again(&plan) && !answers_again(&next) {
                seen.push(("answers", due));
            }
            assert!(seen.len() <= 2, "{name}: {seen:?}");
            plan = next;
        }
        seen.sort();
        let expected = [
            ("answers", after(now, answers)),
            ("images", after(now, images)),
        ];
        assert_eq!(seen, expected, "{name}");
        assert!(plan.arguments.is_null(), "{name}");
    }
    assert_eq!(
        applied(None).heard().aged(now).due(),
        None,
        "what was told and keeps nothing needs nothing more"
    );
}
