//! Taking back: the inverse plan, through the same gates, once, and never over somebody's change.

use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::firm::{ANN, ASK, AUTO, BOB, Firm, LENA, Person};

async fn undo(person: &Person, id: &str) -> Value {
    person
        .post("/undo", json!({"call": id, "reason": "a mistake"}))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_is_taken_back_through_the_same_gate_and_only_once() {
    let firm = Firm::on("sqlite", ASK).await;
    let open = firm.open().await;
    let (ai, ann) = (open.client(&firm, ANN, "claude"), open.person(&firm, ANN));
    let (lena, bob) = (open.person(&firm, LENA), open.person(&firm, BOB));
    let call = ai
        .call("notes_write", json!({"path": "a.md", "content": "a"}))
        .await;
    let (id, record) = (
        call["plan"]["id"].as_str().unwrap(),
        call["record"].as_str().unwrap(),
    );
    assert_eq!(
        undo(&ann, id).await["status"],
        "conflict",
        "it is not applied yet"
    );
    lena.approve(id).await;
    lena.until(id, &["applied"]).await;
    assert_eq!(
        undo(&ai, id).await["status"],
        "denied",
        "not through an AI client"
    );
    assert_eq!(
        undo(&lena, id).await["status"],
        "denied",
        "who approved it did not ask for it"
    );
    // By the call's record, as people find it on the log.
    let back = undo(&ann, record).await;
    assert_eq!(back["data"]["stage"], "waiting", "{back:#}");
    let back = back["data"]["id"].as_str().unwrap().to_owned();
    for person in [&ann, &bob] {
        assert_eq!(
            undo(person, id).await["status"],
            "conflict",
            "it is about to be taken back"
        );
    }
    assert_eq!(
        ann.approve(&back).await["status"],
        "denied",
        "nobody approves their own undo"
    );
    lena.post(
        &format!("/approvals/{back}/reject"),
        json!({"reason": "keep it"}),
    )
    .await;
    let again = undo(&bob, id).await;
    let again = again["data"]["id"].as_str().unwrap().to_owned();
    lena.approve(&again).await;
    lena.until(&again, &["applied"]).await;
    assert_eq!(firm.says("a.md"), None);
    assert_eq!(
        undo(&ann, id).await["status"],
        "conflict",
        "it is taken back already"
    );
    // Taking back is itself something that can be taken back.
    let forth = undo(&bob, &again).await;
    let forth = forth["data"]["id"].as_str().unwrap().to_owned();
    lena.approve(&forth).await;
    lena.until(&forth, &["applied"]).await;
    assert_eq!(firm.says("a.md").as_deref(), Some("a"));
}

/// What was asked about anew still takes it back, and is no reason to begin a second time.
#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_is_asked_about_anew_is_the_only_one() {
    let firm = Firm::on("sqlite", ASK).await;
    let open = firm.open().await;
    let (ai, ann) = (open.client(&firm, ANN, "claude"), open.person(&firm, ANN));
    let lena = open.person(&firm, LENA);
    let close = json!({"table": "tickets", "key": 1, "set": {"status": "closed"}});
    let id = ai.asks("crm_update", close).await;
    lena.approve(&id).await;
    let applied = lena.until(&id, &["applied"]).await;
    let back = undo(&ann, &id).await;
    let back = back["data"]["id"].as_str().unwrap().to_owned();
    let expires = |plan: &Value| plan["expires"].as_str().unwrap().parse::<jiff::Timestamp>();
    let until = applied["undo_until"].as_str().unwrap().parse().unwrap();
    assert!(expires(&lena.plan(&back).await).unwrap() <= until);
    firm.revise("crm", ("subject: {}", "subject: {max_length: 90}"))
        .await;
    lena.approve(&back).await;
    let ended = lena.until(&back, &["conflict"]).await;
    let next = ended["next"].as_str().unwrap();
    assert_eq!(lena.plan(next).await["stage"], "waiting");
    assert_eq!(undo(&ann, &id).await["status"], "conflict");
    lena.approve(next).await;
    lena.until(next, &["applied"]).await;
    assert_eq!(undo(&ann, &id).await["status"], "conflict");
    let open = "SELECT COUNT(*) FROM tickets WHERE status = 'open'";
    assert_eq!(firm.number(open).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_since_is_not_overwritten() {
    let firm = Firm::on("sqlite", AUTO).await;
    let open = firm.open().await;
    let (ai, ann) = (open.client(&firm, ANN, "claude"), open.person(&firm, ANN));
    let note = ai
        .call("notes_write", json!({"path": "a.md", "content": "a"}))
        .await;
    let ticket = ai
        .call(
            "crm_update",
            json!({"table": "tickets", "key": 1, "set": {"status": "closed"}}),
        )
        .await;
    firm.note("a.md", "theirs");
    firm.tickets("UPDATE tickets SET subject = 'theirs' WHERE id = 1")
        .await;
    for answer in [note, ticket] {
        assert_eq!(answer["status"], "ok", "{answer:#}");
        let told = undo(&ann, answer["plan"]["id"].as_str().unwrap()).await;
        assert_eq!(told["status"], "conflict", "{told:#}");
        assert!(
            told["message"].as_str().unwrap().contains("changed since"),
            "{told:#}"
        );
    }
    assert_eq!(firm.says("a.md").as_deref(), Some("theirs"));
    assert_eq!(
        firm.number("SELECT subject = 'theirs' AND status = 'closed' FROM tickets WHERE id = 1")
            .await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_before_is_kept_no_longer_than_the_file_says() {
    let firm = Firm::on("sqlite", AUTO).await;
    let open = firm.open().await;
    let file = firm.house.folder.join("connectors/notes.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("undo: 7d", "undo: 1s")).unwrap();
    let (ai, ann) = (open.client(&firm, ANN, "claude"), open.person(&firm, ANN));
    let end = std::time::Instant::now() + super::firm::PATIENCE;
    while !firm.line(&["diff", "notes"])["data"]["waiting"].is_object() {
        assert!(
            std::time::Instant::now() < end,
            "the new file is not noticed"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    firm.review("notes");
    let answer = ai
        .call(
            "notes_write",
            json!({"path": "a.md", "content": "short lived"}),
        )
        .await;
    let id = answer["plan"]["id"].as_str().unwrap().to_owned();
    while ann.plan(&id).await.to_string().contains("short lived") {
        assert!(std::time::Instant::now() < end, "it is kept on");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let told = undo(&ann, &id).await;
    assert_eq!(told["status"], "conflict", "{told:#}");
}

/// Random effects of both kinds through the door, taken back in reverse: all is as it was.
#[test]
fn taken_back_in_reverse_the_targets_are_as_before() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let (firm, open) = runtime.block_on(async {
        let firm = Firm::on("sqlite", AUTO).await;
        let open = firm.open().await;
        (firm, open)
    });
    let (ai, ann) = (open.client(&firm, ANN, "claude"), open.person(&firm, ANN));
    let cases = if crate::log::served::long() { 60 } else { 6 };
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    let deeds = proptest::collection::vec((0..7_u8, 0..4_usize, "[a-z]{1,8}"), 1..10);
    runner
        .run(&deeds, |deeds| {
            runtime.block_on(once(&firm, (&ai, &ann), deeds));
            Ok(())
        })
        .unwrap();
    drop(open);
}

async fn once(firm: &Firm, (ai, ann): (&Person, &Person), deeds: Vec<(u8, usize, String)>) {
    let names = ["a.md", "b.md", "c.md", "d.md"];
    let before = state(firm).await;
    let mut done = Vec::new();
    for (deed, which, text) in deeds {
        let (tool, arguments) = match deed {
            0 => (
                "notes_write",
                json!({"path": names[which], "content": text}),
            ),
            1 => (
                "notes_update",
                json!({"path": names[which], "content": text}),
            ),
            2 => ("notes_delete", json!({"path": names[which]})),
            3 => (
                "crm_insert",
                json!({"table": "tickets", "values": {"subject": text, "status": "open"}}),
            ),
            4 => (
                "crm_update",
                json!({"table": "tickets", "key": which + 1, "set": {"subject": text, "status": "closed"}}),
            ),
            5 => (
                "crm_upsert",
                json!({"table": "tickets", "key": which + 10, "values": {"subject": text, "status": "open"}}),
            ),
            _ => ("crm_delete", json!({"table": "tickets", "key": which + 1})),
        };
        let answer = ai.call(tool, arguments).await;
        if answer["status"] == "ok" {
            done.push(answer["plan"]["id"].as_str().unwrap().to_owned());
        }
    }
    for id in done.iter().rev() {
        let back = undo(ann, id).await;
        assert_eq!(back["status"], "ok", "{back:#}");
        let back = back["data"]["id"].as_str().unwrap();
        let plan = ann
            .until(back, &["applied", "conflict", "failed", "unknown"])
            .await;
        assert_eq!(plan["stage"], "applied", "{plan:#}");
    }
    assert_eq!(state(firm).await, before);
}

async fn state(firm: &Firm) -> String {
    let mut state = String::new();
    for name in ["a.md", "b.md", "c.md", "d.md"] {
        state.push_str(&format!("{name}: {:?}\n", firm.says(name)));
    }
    let rows = firm.text("SELECT group_concat(quote(id)||quote(subject)||quote(status)||quote(amount)) FROM (SELECT * FROM tickets ORDER BY id)").await;
    state + &rows
}
