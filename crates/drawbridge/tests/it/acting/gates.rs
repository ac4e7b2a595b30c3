//! Gates: which plan stands before which, limits on effects, and batches.

use serde_json::{Value, json};

use super::firm::{ANN, AUTO, BOB, Firm, LENA, MAX};

/// What happens to a call: `ok`, `denied` or `approval_needed`, and by which rule.
async fn explained(firm: &Firm, person: &str, tool: &str, arguments: &Value) -> String {
    let told = firm.line(&[
        "explain",
        tool,
        "--client",
        "claude",
        "--person",
        person,
        "--arguments",
        &arguments.to_string(),
    ]);
    told["data"]["gates"]["rule"]
        .as_str()
        .unwrap_or("none")
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_gate_that_matches_decides_and_explain_says_which() {
    let gates = "  - {when: {power: delete}, deny: \"tickets are never deleted\"}\n  \
        - {when: {power: update, set: {status: closed}}, ask: [\"group:leads\"]}\n  \
        - {when: {power: update, amount: {field: amount, over: 500}}, ask: [bob@x.example]}\n  \
        - {when: {power: update, fields: [amount], who: [\"group:staff\"], amount: {field: amount, up_to: 500}}, auto: true, limit: {per_person: 3/h}}\n  \
        - {when: {power: update, label: {at_least: restricted}}, deny: \"too sensitive\"}\n  \
        - {when: {power: write, first_use: true}, ask: [max@x.example]}\n  \
        - {when: {power: write, targets_over: 2}, ask: [\"group:leads\"]}\n  \
        - {when: {power: write, table: tick*}, auto: true}\n";
    let firm = Firm::on("sqlite", AUTO).await;
    firm.crm(gates);
    let open = firm.open().await;
    let ann = open.client(&firm, ANN, "claude");
    let update = |set: Value| json!({"table": "tickets", "key": 1, "set": set});
    let cases = [
        (
            "crm_delete",
            json!({"table": "tickets", "key": 1}),
            "approval[0]",
            "denied",
        ),
        (
            "crm_update",
            update(json!({"status": "closed"})),
            "approval[1]",
            "approval_needed",
        ),
        (
            "crm_update",
            update(json!({"amount": 501})),
            "approval[2]",
            "approval_needed",
        ),
        (
            "crm_update",
            update(json!({"amount": 500})),
            "approval[3]",
            "ok",
        ),
        // A change beside the one that is let through is not let through with it.
        (
            "crm_update",
            update(json!({"amount": 400, "subject": "x"})),
            "no gate is about it, so its owner is asked",
            "approval_needed",
        ),
        (
            "crm_insert",
            json!({"table": "tickets", "values": {"subject": "a", "status": "open"}}),
            "approval[5]",
            "approval_needed",
        ),
    ];
    for (tool, arguments, rule, status) in cases {
        assert_eq!(
            explained(&firm, ANN, tool, &arguments).await,
            rule,
            "{arguments}"
        );
        let answer = ann.call(tool, arguments.clone()).await;
        assert_eq!(answer["status"], status, "{arguments}: {answer:#}");
        if rule == "approval[0]" {
            assert!(
                answer["message"]
                    .as_str()
                    .unwrap()
                    .contains("never deleted"),
                "{answer:#}"
            );
        }
    }
    // Once it was done for the first time, the next gate decides.
    let max = open.person(&firm, MAX);
    let waiting = max.get("/approvals?stage=waiting").await;
    let first = waiting["data"]["approvals"]
        .as_array()
        .unwrap()
        .iter()
        .find(|plan| plan["action"] == "insert")
        .unwrap();
    let id = first["id"].as_str().unwrap().to_owned();
    max.approve(&id).await;
    max.until(&id, &["applied"]).await;
    let row = |subject: &str| json!({"subject": subject, "status": "open"});
    let one = ann
        .call(
            "crm_insert",
            json!({"table": "tickets", "rows": [row("b"), row("c")]}),
        )
        .await;
    assert_eq!(one["status"], "ok", "{one:#}");
    let three = ann
        .asks(
            "crm_insert",
            json!({"table": "tickets", "rows": [row("d"), row("e"), row("f")]}),
        )
        .await;
    let plan = max.plan(&three).await;
    assert_eq!(
        plan["targets"].as_array().unwrap().len(),
        3,
        "one approval shows all: {plan:#}"
    );
    // Beyond the limit of what is let through, somebody is asked.
    for (amount, status) in [(1, "ok"), (2, "ok"), (3, "approval_needed")] {
        let answer = ann
            .call("crm_update", update(json!({"amount": amount})))
            .await;
        assert_eq!(answer["status"], status, "{amount}: {answer:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_that_no_gate_is_about_asks_the_owner() {
    let firm = Firm::on("sqlite", "  - {when: {power: delete}, deny: \"never\"}\n").await;
    let open = firm.open().await;
    let ann = open.client(&firm, ANN, "claude");
    let (bob, lena) = (open.person(&firm, BOB), open.person(&firm, LENA));
    let id = ann
        .asks("notes_write", json!({"path": "a.md", "content": "a"}))
        .await;
    assert_eq!(bob.plan(&id).await["yours_to_decide"], true);
    assert_eq!(
        lena.get(&format!("/approvals/{id}")).await["status"],
        "not_found",
        "a lead is not asked"
    );
    bob.approve(&id).await;
    bob.until(&id, &["applied"]).await;
    assert_eq!(firm.says("a.md").as_deref(), Some("a"));
}

/// With many callers at once, no more effects pass than the file allows.
#[tokio::test(flavor = "multi_thread")]
async fn limits_on_effects_hold_also_at_once() {
    let firm = Firm::on("sqlite", AUTO).await;
    let open = firm.open().await;
    let file = firm.house.folder.join("connectors/crm.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let limited = text.replace(
        "applied_table: true",
        "applied_table: true, limits: {effects: {per_person: 5/h, per_connector: 7/h}, targets: 2}",
    );
    std::fs::write(&file, limited).unwrap();
    let end = std::time::Instant::now() + super::firm::PATIENCE;
    while !firm.line(&["diff", "crm"])["data"]["waiting"].is_object() {
        assert!(
            std::time::Instant::now() < end,
            "the new file is not noticed"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    firm.review("crm");
    let people = [
        open.client(&firm, ANN, "claude"),
        open.client(&firm, BOB, "claude"),
        open.client(&firm, LENA, "claude"),
    ];
    let batch = json!({"table": "tickets", "rows": [{"subject": "x", "status": "open"}, {"subject": "x", "status": "open"}, {"subject": "x", "status": "open"}]});
    let told = people[0].call("crm_insert", batch).await;
    assert_eq!(told["status"], "limited", "{told:#}");
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..60 {
        let person = people[number % 3].clone();
        calls.spawn(async move {
            let values = json!({"table": "tickets", "values": {"subject": format!("s{number}"), "status": "open"}});
            (number % 3, person.call("crm_insert", values).await["status"].as_str().unwrap().to_owned())
        });
    }
    let done = calls.join_all().await;
    let count = |who: Option<usize>, status: &str| {
        done.iter()
            .filter(|(person, told)| who.is_none_or(|who| who == *person) && told == status)
            .count()
    };
    assert_eq!(count(None, "ok"), 7, "{done:?}");
    assert!((0..3).all(|who| count(Some(who), "ok") <= 5));
    assert_eq!(count(None, "limited"), 53, "{done:?}");
    assert_eq!(
        firm.number("SELECT COUNT(*) FROM tickets WHERE subject GLOB 's[0-9]*'")
            .await,
        7
    );
}
