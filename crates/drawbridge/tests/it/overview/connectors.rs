//! The list of connectors: pages, what waits, when each was used, how each is graded.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::acting::firm::{ANN, ASK, BOB, Firm, LENA, PATIENCE, Person};

async fn line(person: &Person, name: &str) -> Value {
    let answer = person.get("/connectors").await;
    let list = answer["data"]["connectors"].as_array().unwrap().clone();
    list.into_iter()
        .find(|one| one["name"] == name)
        .unwrap_or_else(|| panic!("{answer:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_connectors_goes_by_pages() {
    let firm = Firm::with_tickets(None, ASK).await;
    let open = firm.open().await;
    let bob = open.person(&firm, BOB);
    let names = |answer: &Value| -> Vec<String> {
        let list = answer["data"]["connectors"].as_array().unwrap();
        list.iter()
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    };
    for (query, found, total, next) in [
        ("", &["crm", "notes"][..], 2, Value::Null),
        ("?limit=1", &["crm"], 2, json!("crm")),
        ("?limit=1&after=crm", &["notes"], 2, Value::Null),
        ("?after=notes", &[], 2, Value::Null),
        ("?text=NOTE", &["notes"], 1, Value::Null),
        ("?text=bob%40", &["crm", "notes"], 2, Value::Null),
        ("?text=heron", &[], 0, Value::Null),
        ("?state=active&limit=2", &["crm", "notes"], 2, Value::Null),
        ("?state=paused", &[], 0, Value::Null),
    ] {
        let answer = bob.get(&format!("/connectors{query}")).await;
        assert_eq!(names(&answer), found, "{query}: {answer:#}");
        assert_eq!(answer["data"]["total"], total, "{query}");
        assert_eq!(answer["data"]["next"], next, "{query}");
    }
    for wrong in ["?state=asleep", "?limit=-1", "?page=2"] {
        let answer = bob.get(&format!("/connectors{wrong}")).await;
        assert_eq!(answer["status"], "invalid", "{wrong}: {answer:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_tells_what_waits_and_when_it_was_used_to_those_it_concerns() {
    for engine in ["sqlite", "postgres"] {
        let firm = Firm::on(engine, ASK).await;
        let open = firm.open().await;
        let (bob, lena) = (open.person(&firm, BOB), open.person(&firm, LENA));
        let (ann, claude) = (open.person(&firm, ANN), open.client(&firm, ANN, "claude"));
        assert_eq!(line(&bob, "crm").await["last_used"], Value::Null);
        let set = json!({"table": "tickets", "key": 1, "set": {"status": "closed"}});
        claude.asks("crm_update", set).await;
        for (who, waiting) in [(&bob, 1), (&lena, 1), (&ann, 1), (&claude, 0)] {
            let shown = line(who, "crm").await;
            assert_eq!(shown["waiting_approvals"], waiting, "{shown:#}");
            assert_eq!(line(who, "notes").await["waiting_approvals"], 0);
        }
        // An owner sees what waits everywhere.
        let olga = open.person(&firm, "olga@x.example");
        assert_eq!(line(&olga, "crm").await["waiting_approvals"], 1);
        let shown = line(&bob, "crm").await;
        assert!(shown["last_used"].is_string() && shown["due"]["at"].is_string());
        assert_eq!(line(&bob, "notes").await["last_used"], Value::Null);
        for other in [&ann, &claude] {
            let shown = line(other, "crm").await;
            for hidden in ["last_used", "due", "grade", "inspection"] {
                assert_eq!(shown[hidden], Value::Null, "{hidden}: {shown:#}");
            }
        }
    }
}

/// The worst colour of a check.
async fn checked(person: &Person, name: &str) -> String {
    let answer = person.get(&format!("/connectors/{name}/check")).await;
    let areas = answer["data"]["connectors"][0]["areas"].as_array().unwrap();
    let has = |colour: &str| areas.iter().any(|area| area["colour"] == colour);
    let worst = ["red", "amber", "green"];
    worst
        .into_iter()
        .find(|colour| has(colour))
        .unwrap()
        .to_owned()
}

async fn until_graded(person: &Person, name: &str) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let shown = line(person, name).await;
        if let Some(grade) = shown["grade"].as_str() {
            return grade.to_owned();
        }
        assert!(Instant::now() < end, "{shown:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_has_the_grade_of_its_check() {
    let firm = Firm::with_tickets(None, ASK).await;
    let open = firm.open().await;
    let bob = open.person(&firm, BOB);
    for name in ["crm", "notes"] {
        let grade = until_graded(&bob, name).await;
        assert_eq!(grade, checked(&bob, name).await, "{name}");
        assert_eq!(grade, "amber", "everyone may use all of it");
    }
    let before = line(&bob, "notes").await["revision"].clone();
    let narrower = "permissions:\n  - {who: [\"group:staff\"]";
    firm.revise("notes", ("permissions:\n  - {who: [everyone]", narrower))
        .await;
    assert_ne!(line(&bob, "notes").await["revision"], before);
    // Another revision is graded anew, and nobody checks it: the background does.
    let grade = until_graded(&bob, "notes").await;
    assert_eq!(grade, checked(&bob, "notes").await);
}
