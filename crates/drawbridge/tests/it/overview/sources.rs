//! What can be found by whom, told to those who see to it, without a word of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::acting::firm::{ANN, ASK, BOB, Firm, LENA, MAX, Open, PATIENCE, Person};

/// A firm whose staff finds what is in one folder only.
async fn firm() -> (Firm, Open) {
    let firm = Firm::new(None, ASK);
    firm.gateway(&format!("roles: {{auditor: [{MAX}]}}\n"));
    for folder in ["open", "closed"] {
        std::fs::create_dir_all(firm.notes().join(folder)).unwrap();
    }
    firm.note("open/menu.md", "# Menu\n\nHeron soup\n");
    firm.note(
        "closed/heron.md",
        "# Project Heron\n\nHeron is secret wording\n",
    );
    let open = firm.open().await;
    let narrower = "permissions:\n  - {who: [\"group:staff\"], may: [search], only: {folder: \"open/**\"}}\n  \
                    - {who: [\"group:leads\"]";
    firm.revise("notes", ("permissions:\n  - {who: [everyone]", narrower))
        .await;
    (firm, open)
}

async fn search(person: &Person, whose: &str, connector: &str) -> Value {
    let asked = json!({"person": whose, "connector": connector, "query": "heron"});
    person.post("/search_as", asked).await
}

fn paths(answer: &Value) -> Vec<&str> {
    let sources = answer["data"]["sources"].as_array().unwrap();
    let mut paths: Vec<&str> = sources
        .iter()
        .map(|source| source["path"].as_str().unwrap())
        .collect();
    paths.sort_unstable();
    paths
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_or_auditor_sees_what_somebody_would_find_and_not_what_it_says() {
    let (firm, open) = firm().await;
    let (olga, max) = (
        open.person(&firm, "olga@x.example"),
        open.person(&firm, MAX),
    );
    let end = Instant::now() + PATIENCE;
    while search(&olga, LENA, "notes").await["data"]["count"] != 2 {
        let told = search(&olga, LENA, "notes").await;
        assert!(Instant::now() < end, "{told:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for who in [&olga, &max] {
        let leads = search(who, LENA, "notes").await;
        assert_eq!(paths(&leads), ["closed/heron.md", "open/menu.md"]);
        assert_eq!(leads["data"]["action"], "search");
        assert_eq!(leads["data"]["status"], "ok");
        let staff = search(who, ANN, "notes").await;
        assert_eq!(paths(&staff), ["open/menu.md"], "{staff:#}");
        assert!(!leads.to_string().contains("wording"), "{leads:#}");
        assert!(!staff.to_string().contains("soup"), "{staff:#}");
        let nobody = search(who, "olga@x.example", "notes").await;
        assert_eq!(nobody["data"]["status"], "denied", "{nobody:#}");
        assert_eq!(
            search(who, "x@x.example", "notes").await["status"],
            "not_found"
        );
        assert_eq!(search(who, ANN, "nothing").await["status"], "not_found");
        assert_eq!(search(who, ANN, "crm").await["status"], "invalid");
    }
    // It is on the log as theirs, and no call of hers.
    let records = olga.get("/records?action=search_as&limit=500").await;
    let records = records["data"]["records"].as_array().unwrap().clone();
    assert!(records.iter().any(|record| record["person"] == MAX));
    let kept = &records[0]["kept"]["arguments"]["search_as"];
    assert_eq!(kept["query"], "heron", "{:#}", records[0]);
    let calls = olga
        .get(&format!("/records?connector=notes&calls=true&person={ANN}"))
        .await;
    assert_eq!(calls["data"]["records"], json!([]));
    // Nobody else may, not even who keeps the connector, nor an owner's client.
    let ai = open.client(&firm, "olga@x.example", "claude");
    for who in [&open.person(&firm, BOB), &open.person(&firm, ANN), &ai] {
        let answer = search(who, ANN, "notes").await;
        assert_eq!(answer["status"], "denied", "{answer:#}");
    }
    // A paused connector answers nobody.
    firm.line(&["pause", "notes", "--reason", "a test"]);
    assert_eq!(
        search(&olga, LENA, "notes").await["data"]["status"],
        "unavailable"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_after_documents_sees_how_they_are() {
    let (firm, open) = firm().await;
    firm.note("open/broken.md", "---\nlabel: nonsense\n---\n# Broken\n");
    let bob = open.person(&firm, BOB);
    let end = Instant::now() + PATIENCE;
    let source = loop {
        let told = bob.get("/sources").await;
        let source = told["data"]["sources"][0].clone();
        if source["problems_total"] == 1 && source["health"] != "syncing" {
            break source;
        }
        assert!(Instant::now() < end, "{told:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(source["name"], "notes", "{source:#}");
    assert_eq!(source["resources"], 2);
    let labels = json!([{"label": "internal", "count": 2}]);
    assert_eq!(
        source["labels"], labels,
        "what cannot be placed is not counted"
    );
    assert_eq!(source["stale"], false);
    assert_eq!(source["problems"][0]["path"], "open/broken.md");
    assert!(source["problems"][0]["reason"].is_string());
    let next = bob.get("/sources?connector=notes&problems_from=1").await;
    assert_eq!(next["data"]["sources"][0]["problems"], json!([]));
    assert_eq!(
        bob.get("/sources?after=notes").await["data"]["sources"],
        json!([])
    );
    let ann = open.person(&firm, ANN);
    assert_eq!(ann.get("/sources").await["data"]["sources"], json!([]));
    let ai = open.client(&firm, BOB, "claude");
    assert_eq!(ai.get("/sources").await["status"], "denied");
}
