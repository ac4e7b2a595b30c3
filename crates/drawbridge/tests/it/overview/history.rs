//! How a connector came to be as it is, told to those who look after it.

use serde_json::{Value, json};

use crate::acting::firm::{ANN, ASK, BOB, Firm, LENA};

fn directions(revision: &Value) -> Vec<&str> {
    let changes = revision["changes"].as_array().unwrap();
    changes
        .iter()
        .map(|change| change["direction"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn revisions_and_standings_tell_what_became_of_a_connector() {
    for engine in ["sqlite", "postgres"] {
        let firm = Firm::on(engine, ASK).await;
        let open = firm.open().await;
        let folder = "folder: notes";
        let stale = |hours: u32| format!("{folder}, stale_after: {hours}h");
        firm.revise("notes", (folder, &stale(24))).await;
        firm.revise("notes", (&stale(24), &stale(48))).await;
        let bob = open.person(&firm, BOB);
        let lena = open.person(&firm, LENA);
        let paused = lena
            .post(
                "/connectors/notes/pause",
                json!({"reason": "too many letters"}),
            )
            .await;
        assert_eq!(paused["status"], "ok", "{paused:#}");
        firm.line(&["resume", "notes", "--reason", "mended"]);
        let told = bob.get("/connectors/notes/history").await["data"].clone();
        let revisions = told["revisions"].as_array().unwrap();
        assert_eq!(revisions.len(), 3, "{told:#}");
        let [newest, narrow, first] = [0, 1, 2].map(|at| &revisions[at]);
        assert_eq!(newest["in_force"], true);
        assert_eq!(newest["against"], narrow["hash"]);
        assert_eq!(directions(newest), ["widens"], "{told:#}");
        assert_eq!(newest["approved_by"], "olga@x.example");
        assert_eq!(newest["reason"], "as agreed");
        assert_eq!(narrow["against"], first["hash"]);
        assert!(!directions(narrow).is_empty());
        assert!(directions(narrow).iter().all(|way| *way == "narrows"));
        assert_eq!(narrow["approved_by"], "drawbridge");
        assert_eq!(first["against"], Value::Null);
        let standings = told["standings"].as_array().unwrap();
        let acts: Vec<_> = standings
            .iter()
            .map(|one| one["action"].as_str().unwrap())
            .collect();
        let newest_acts = ["resume", "pause", "approve_revision", "narrow"];
        assert_eq!(acts[..4], newest_acts, "{told:#}");
        let pause = &standings[1];
        assert_eq!(pause["person"], LENA);
        assert_eq!(pause["reason"], "too many letters");
        assert_eq!(standings[2]["hash"], newest["hash"]);
        let ann = open.person(&firm, ANN);
        for who in [&ann, &open.client(&firm, BOB, "claude")] {
            let answer = who.get("/connectors/notes/history").await;
            assert_eq!(answer["status"], "denied", "{answer:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_cannot_be_read_any_more_says_so() {
    let firm = Firm::with_tickets(None, ASK).await;
    let labels = "labels: [internal, secret]\n";
    firm.gateway(labels);
    let open = firm.open().await;
    firm.revise(
        "crm",
        ("{label: internal, tables", "{label: secret, tables"),
    )
    .await;
    firm.revise(
        "crm",
        ("{label: secret, tables", "{label: internal, tables"),
    )
    .await;
    firm.gateway("");
    let bob = open.person(&firm, BOB);
    let end = std::time::Instant::now() + crate::acting::firm::PATIENCE;
    loop {
        let told = bob.get("/connectors/crm/history").await["data"].clone();
        let revisions = told["revisions"].as_array().unwrap();
        let unreadable = revisions.iter().filter(|one| one["unreadable"].is_string());
        // The one itself, and the one that is compared with it.
        if unreadable.count() >= 1 {
            assert!(told.to_string().contains("cannot be read any more"));
            break;
        }
        assert!(std::time::Instant::now() < end, "{told:#}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
