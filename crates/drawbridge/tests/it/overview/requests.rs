//! Wishes for connectors: who asks, who answers, and who sees which.

use serde_json::{Value, json};

use crate::acting::firm::{ANN, ASK, BOB, Firm, LENA, MAX, Person};

fn wish(system: &str) -> Value {
    json!({"task": "Answer letters", "system": system, "powers": ["search", "read", "read"],
           "data": "this year's letters", "why": "They come by the hundred"})
}

async fn asked(person: &Person, system: &str) -> String {
    let answer = person.post("/requests", wish(system)).await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
    answer["data"]["id"].as_str().unwrap().to_owned()
}

async fn systems(person: &Person, query: &str) -> (Vec<String>, Value) {
    let answer = person.get(&format!("/requests{query}")).await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
    let list = answer["data"]["requests"].as_array().unwrap();
    let systems = list
        .iter()
        .map(|one| one["system"].as_str().unwrap().to_owned());
    (systems.collect(), answer["data"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_once_by_owners_and_reviewers() {
    for engine in ["sqlite", "postgres"] {
        let firm = Firm::on(engine, ASK).await;
        firm.gateway(&format!(
            "roles: {{reviewer: [{LENA}], auditor: [{MAX}]}}\n"
        ));
        let open = firm.open().await;
        let (ann, bob) = (open.person(&firm, ANN), open.person(&firm, BOB));
        let lena = open.person(&firm, LENA);
        let first = asked(&ann, "letters").await;
        asked(&bob, "calendar").await;
        let third = asked(&ann, "invoices").await;
        let (all, data) = systems(&lena, "").await;
        assert_eq!(all, ["invoices", "calendar", "letters"], "the newest first");
        assert_eq!(data["open"], 3);
        let newest = &data["requests"][0];
        assert_eq!(newest["powers"], json!(["read", "search"]));
        assert_eq!(newest["yours_to_answer"], true);
        assert_eq!(newest["person"], ANN);
        // Others see their own.
        let (own, data) = systems(&ann, "").await;
        assert_eq!(own, ["invoices", "letters"]);
        assert_eq!(data["requests"][0]["yours_to_answer"], false);
        assert_eq!(systems(&open.person(&firm, MAX), "").await.0.len(), 0);
        let answer = format!("/requests/{third}/answer");
        let taken = json!({"outcome": "taken", "reason": "next week"});
        for (who, status) in [(&ann, "denied"), (&lena, "ok"), (&lena, "conflict")] {
            let told = who.post(&answer, taken.clone()).await;
            assert_eq!(told["status"], status, "{told:#}");
        }
        // Open ones come first, page by page.
        let (page, data) = systems(&ann, "?limit=1").await;
        assert_eq!(
            (page, &data["next"]),
            (vec!["letters".to_owned()], &json!(first))
        );
        let (page, data) = systems(&ann, &format!("?limit=1&after={first}")).await;
        assert_eq!(
            (page, &data["next"]),
            (vec!["invoices".to_owned()], &Value::Null)
        );
        let answered = &data["requests"][0];
        assert_eq!(answered["state"], "taken");
        assert_eq!(
            (&answered["answered_by"], &answered["reason"]),
            (&json!(LENA), &json!("next week"))
        );
        assert_eq!(systems(&ann, "?state=taken").await.0, ["invoices"]);
        assert_eq!(systems(&ann, "?state=declined").await.0.len(), 0);
        // What was asked and answered can be read on the log.
        let olga = open.person(&firm, "olga@x.example");
        let records = olga.get("/records?action=answer_request").await;
        let said = records["data"]["records"].to_string();
        assert!(said.contains("next week"), "{records:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_bounded_and_made_by_people() {
    let firm = Firm::new(None, ASK);
    let open = firm.open().await;
    let ann = open.person(&firm, ANN);
    let claude = open.client(&firm, ANN, "claude");
    assert_eq!(
        claude.post("/requests", wish("x")).await["status"],
        "denied"
    );
    assert_eq!(claude.get("/requests").await["status"], "denied");
    for (field, value) in [
        ("task", json!("")),
        ("why", json!(" ")),
        ("data", json!("x".repeat(2_001))),
        ("powers", json!([])),
        ("powers", json!(["own"])),
        ("more", json!("x")),
    ] {
        let mut wrong = wish("x");
        wrong[field] = value;
        let answer = ann.post("/requests", wrong).await;
        assert_eq!(answer["status"], "invalid", "{field}: {answer:#}");
    }
    // However they come, no more than twenty wait of one person.
    let all = (0..40).map(|at| ann.post("/requests", wish(&format!("system {at}"))));
    let all = futures_util::future::join_all(all).await;
    let taken = all.iter().filter(|answer| answer["status"] == "ok").count();
    let limited = all
        .iter()
        .filter(|answer| answer["status"] == "limited")
        .count();
    assert_eq!((taken, limited), (20, 20), "{all:#?}");
    let more = ann.post("/requests", wish("one more")).await;
    assert_eq!(more["status"], "limited", "{more:#}");
    let (kept, _) = systems(&ann, "?limit=50").await;
    assert_eq!(kept.len(), 20);
    asked(&open.person(&firm, BOB), "his own").await;
}
