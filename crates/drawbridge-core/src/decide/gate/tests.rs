//! Gates as promises: what lets through is never wider than it says, and one more that denies never
//! allows more.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures_util::FutureExt;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Gate, Gates, Question};
use crate::{
    call::{Caller, Power},
    file::{Approval, ConnectorFile, EffectLimits, Labels},
    plan::{Count, Image, KeptPlan, Plan, Plans, PlansDown, Reversal, Target},
};

/// A store in which nothing was done yet.
struct Nothing;

#[async_trait]
impl Plans for Nothing {
    async fn plan(&self, _: &str) -> Result<Option<KeptPlan>, PlansDown> {
        Ok(None)
    }

    async fn same(&self, _: &str) -> Result<Option<KeptPlan>, PlansDown> {
        Ok(None)
    }

    async fn count(&self, _: &Count) -> Result<u64, PlansDown> {
        Ok(0)
    }
}

fn file(gates: Vec<Approval>) -> ConnectorFile {
    let mut file: ConnectorFile = serde_json::from_value(json!({
        "connector": "c", "purpose": {"task": "t", "owner": "olga"}, "system": {"kind": "k"},
        "access": ["update"], "identity": {"account": "a"}, "permissions": [],
    }))
    .unwrap();
    file.approval = gates;
    file
}

fn plan(targets: &[(&str, Value, Value)]) -> Plan {
    Plan {
        action: "update".to_owned(),
        power: Power::Update,
        sentence: String::new(),
        targets: targets
            .iter()
            .map(|(table, before, after)| Target {
                resource: (*table).to_owned(),
                facets: BTreeMap::from([
                    ("table".to_owned(), (*table).to_owned()),
                    ("label".to_owned(), "internal".to_owned()),
                ]),
                before: before.as_object().cloned().map(Image::Fields),
                after: after.as_object().cloned().map(Image::Fields),
            })
            .collect(),
        reversal: Reversal::Reversible,
        work: Value::Null,
    }
}

fn judged(gates: Vec<Approval>, plan: &Plan, now: &str) -> Gate {
    let file = file(gates);
    let labels = Labels::default();
    let gates = Gates {
        file: &file,
        labels: &labels,
        limits: (EffectLimits::default(), 100),
        plans: &Nothing,
    };
    let caller = Caller::gateway();
    let question = Question {
        caller: &caller,
        action: "update",
        power: Power::Update,
        plan: Some(plan),
        now: now.parse::<Timestamp>().unwrap(),
    };
    let judged = gates.judge(question).now_or_never().unwrap().unwrap();
    judged.gate
}

fn gates(text: Value) -> Vec<Approval> {
    serde_json::from_value(text).unwrap()
}

const NOON: &str = "2026-06-01T12:00:00Z";

#[test]
fn what_lets_through_must_hold_of_every_target_and_what_stops_of_any() {
    let of_a = json!({"power": "update", "table": "a"});
    let (one, both) = (
        plan(&[("a", json!({"x": 1}), json!({"x": 2}))]),
        plan(&[
            ("a", json!({"x": 1}), json!({"x": 2})),
            ("b", json!({"x": 1}), json!({"x": 2})),
        ]),
    );
    let auto = || gates(json!([{"when": of_a, "auto": true}]));
    assert_eq!(judged(auto(), &one, NOON), Gate::Open);
    assert!(matches!(judged(auto(), &both, NOON), Gate::Ask(_)));
    let deny = || gates(json!([{"when": of_a, "deny": "no"}]));
    for plan in [&one, &both] {
        assert!(matches!(judged(deny(), plan, NOON), Gate::Deny(_)));
    }
}

/// A database may keep yes and no as numbers, and an AI may write a number otherwise.
#[test]
fn a_value_is_the_same_however_it_is_written() {
    let stops = |meant: Value, after: Value| {
        let gates = gates(json!([
            {"when": {"power": "update", "set": {"f": meant}}, "deny": "no"},
            {"when": {"power": "update"}, "auto": true},
        ]));
        let plan = plan(&[("t", json!({"f": "x"}), json!({"f": after}))]);
        matches!(judged(gates, &plan, "2026-11-02T12:00:00Z"), Gate::Deny(_))
    };
    for (meant, after) in [
        (json!(false), json!(0)),
        (json!(true), json!(1)),
        (json!(1), json!(true)),
        (json!(100.0), json!(100)),
        (json!(false), json!(false)),
        (json!("a"), json!("a")),
    ] {
        assert!(stops(meant.clone(), after.clone()), "{meant} is {after}");
    }
    for (meant, after) in [
        (json!(false), json!(1)),
        (json!(false), json!(null)),
        (json!("0"), json!(0)),
        (json!(null), json!(0)),
        (json!(100), json!(100.5)),
    ] {
        assert!(
            !stops(meant.clone(), after.clone()),
            "{meant} is not {after}"
        );
    }
}

#[test]
fn hours_go_over_midnight_and_belong_to_the_day_they_began() {
    let night = json!([{"when": {"power": "update", "hours": {"from": "22:00", "to": "06:00", "days": ["fri"], "zone": "Europe/Berlin"}}, "deny": "night"}]);
    let plan = plan(&[("a", json!({"x": 1}), json!({"x": 2}))]);
    for (now, denied) in [
        // 2026-06-05 is a Friday; Berlin is two hours ahead.
        ("2026-06-05T19:59:00Z", false),
        ("2026-06-05T20:00:00Z", true),
        ("2026-06-06T03:59:00Z", true),
        ("2026-06-06T04:00:00Z", false),
        ("2026-06-06T20:00:00Z", false),
        ("2026-06-05T03:00:00Z", false),
    ] {
        let said = judged(gates(night.clone()), &plan, now);
        assert_eq!(matches!(said, Gate::Deny(_)), denied, "{now}");
    }
}

fn any_gate() -> impl Strategy<Value = Value> {
    let when = (
        proptest::option::of(prop_oneof![Just("a"), Just("b"), Just("*")]),
        proptest::option::of(0..3_i64),
        proptest::option::of(prop_oneof![Just("x"), Just("y")]),
        proptest::option::of(0..3_u32),
    )
        .prop_map(|(table, set, field, over)| {
            let mut when = json!({"power": "update"});
            if let Some(table) = table {
                when["table"] = json!(table);
            }
            if let Some(set) = set {
                when["set"] = json!({"x": set});
            }
            if let Some(field) = field {
                when["fields"] = json!([field]);
            }
            if let Some(over) = over {
                when["targets_over"] = json!(over);
            }
            when
        });
    (when, 0..3_u8).prop_map(|(when, kind)| match kind {
        0 => json!({"when": when, "auto": true}),
        1 => json!({"when": when, "ask": ["group:leads"]}),
        _ => json!({"when": when, "deny": "no"}),
    })
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let target = (
        prop_oneof![Just("a"), Just("b")],
        0..3_i64,
        0..3_i64,
        0..3_i64,
        0..3_i64,
    );
    proptest::collection::vec(target, 1..4).prop_map(|targets| {
        let targets: Vec<(&str, Value, Value)> = targets
            .into_iter()
            .map(|(table, a, b, c, d)| (table, json!({"x": a, "y": b}), json!({"x": c, "y": d})))
            .collect();
        plan(&targets)
    })
}

proptest! {
    /// A gate that denies or asks, put before all others, never lets more through.
    #[test]
    fn one_more_gate_that_stops_never_lets_more_through(
        all in proptest::collection::vec(any_gate(), 0..5),
        first in any_gate().prop_filter("stops", |gate| gate.get("auto").is_none()),
        plan in any_plan(),
    ) {
        let before = judged(gates(json!(all)), &plan, NOON);
        let mut more = vec![first];
        more.extend(all);
        let after = judged(gates(json!(more)), &plan, NOON);
        prop_assert!(after != Gate::Open || before == Gate::Open);
    }

    /// What goes through for a batch goes through for each of its targets by itself.
    #[test]
    fn a_batch_gets_nothing_through_that_its_parts_do_not(
        all in proptest::collection::vec(any_gate().prop_filter("of targets", |gate| gate["when"].get("targets_over").is_none()), 0..5),
        plan in any_plan(),
    ) {
        if judged(gates(json!(all)), &plan, NOON) == Gate::Open {
            for target in &plan.targets {
                let part = Plan { targets: vec![target.clone()], ..plan.clone() };
                prop_assert_eq!(judged(gates(json!(all.clone())), &part, NOON), Gate::Open);
            }
        }
    }
}
