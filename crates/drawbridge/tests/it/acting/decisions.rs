//! What people can decide, and what the AI is told of it.

use serde_json::{Value, json};

use super::firm::{ANN, ASK, BOB, Firm, LENA, MAX};

/// The same story on both kinds: the tool, its arguments, arguments edited.
fn stories() -> Vec<(&'static str, Value, Value)> {
    vec![
        (
            "notes_update",
            json!({"path": "monday.md", "content": "# Monday\n\nWe meet at ten.\n"}),
            json!({"path": "monday.md", "content": "# Monday\n\nWe meet at noon.\n"}),
        ),
        (
            "crm_update",
            json!({"table": "tickets", "key": 1, "set": {"status": "closed", "amount": 100}}),
            json!({"table": "tickets", "key": 1, "set": {"status": "closed", "amount": 90}}),
        ),
    ]
}

async fn target(firm: &Firm, tool: &str) -> String {
    match tool {
        "notes_update" => firm.says("monday.md").unwrap_or_default(),
        _ => {
            let status = firm
                .number("SELECT status = 'closed' FROM tickets WHERE id = 1")
                .await;
            let amount = firm.number("SELECT amount FROM tickets WHERE id = 1").await;
            format!("{status} {amount}")
        }
    }
}

async fn firm() -> Firm {
    let firm = Firm::on("sqlite", ASK).await;
    firm.note("monday.md", "# Monday\n\nWe meet at nine.\n");
    firm
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_approved_is_done_once_and_told_to_who_asked() {
    let firm = firm().await;
    let open = firm.open().await;
    let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
    for (tool, arguments, _) in stories() {
        let before = target(&firm, tool).await;
        let id = ann.asks(tool, arguments.clone()).await;
        assert_eq!(ann.result(&id).await["status"], "approval_needed");
        // The same call again is the same question.
        assert_eq!(ann.asks(tool, arguments.clone()).await, id);
        assert_eq!(
            target(&firm, tool).await,
            before,
            "planning changes nothing"
        );
        let shown = lena.plan(&id).await;
        assert_eq!(shown["yours_to_decide"], true);
        assert_eq!(lena.approve(&id).await["data"]["stage"], "approved");
        lena.until(&id, &["applied"]).await;
        assert_ne!(target(&firm, tool).await, before);
        let answer = ann.result(&id).await;
        assert_eq!(answer["status"], "ok", "{answer:#}");
        assert_eq!(answer["plan"]["stage"], "applied");
        assert!(answer["plan"]["undo_until"].is_string(), "{answer:#}");
        assert_eq!(
            answer["data"]["targets"][0]["change"], "update",
            "{answer:#}"
        );
        // The answer was told; the same call is another one from here on.
        let again = ann.call(tool, arguments).await;
        assert_eq!(
            again["status"], "invalid",
            "it says that already: {again:#}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_only_calls_again_is_answered_from_the_receipt() {
    let firm = firm().await;
    let open = firm.open().await;
    let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
    let arguments = json!({"table": "tickets", "values": {"subject": "once", "status": "open"}});
    let id = ann.asks("crm_insert", arguments.clone()).await;
    lena.approve(&id).await;
    lena.until(&id, &["applied"]).await;
    let answer = ann.call("crm_insert", arguments.clone()).await;
    assert_eq!(
        (&answer["status"], &answer["plan"]["id"]),
        (&json!("ok"), &json!(id))
    );
    assert_eq!(answer["data"]["targets"][0]["id"], "3");
    assert_eq!(firm.number("SELECT COUNT(*) FROM tickets").await, 3);
    // Told once, it is another call, and asks anew.
    assert_ne!(ann.asks("crm_insert", arguments).await, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_checked_and_planned_again_and_then_confirmed() {
    let firm = firm().await;
    let open = firm.open().await;
    let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
    for (tool, arguments, edited) in stories() {
        let id = ann.asks(tool, arguments.clone()).await;
        let digest = lena.plan(&id).await["digest"].clone();
        let wrong = lena.edit(&id, json!({"no": 1})).await;
        assert_eq!(wrong["status"], "invalid", "{wrong:#}");
        let next = lena.edit(&id, edited).await;
        let new = next["data"]["id"].as_str().unwrap().to_owned();
        assert_eq!(next["data"]["edited_by"], LENA, "{next:#}");
        // The old plan, and the old digest, are of no use any more.
        for id in [&id, &new] {
            let old = lena
                .post(
                    &format!("/approvals/{id}/approve"),
                    json!({"digest": digest}),
                )
                .await;
            assert_eq!(old["status"], "conflict", "{old:#}");
        }
        lena.approve(&new).await;
        lena.until(&new, &["applied"]).await;
        let is = target(&firm, tool).await;
        assert!(is.contains("noon") || is == "1 90", "{is}");
        // Who asked follows the first id, or calls again, and hears of what was done instead.
        let told = ann.result(&id).await;
        assert_eq!(
            (&told["status"], &told["plan"]["id"]),
            (&json!("ok"), &json!(new)),
            "{told:#}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_is_told_with_its_reason() {
    let firm = firm().await;
    let open = firm.open().await;
    let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
    for (tool, arguments, _) in stories() {
        let before = target(&firm, tool).await;
        let id = ann.asks(tool, arguments.clone()).await;
        let silent = lena
            .post(&format!("/approvals/{id}/reject"), json!({}))
            .await;
        assert_eq!(silent["status"], "invalid");
        lena.post(
            &format!("/approvals/{id}/reject"),
            json!({"reason": "not this week"}),
        )
        .await;
        let told = ann.call(tool, arguments.clone()).await;
        assert_eq!(told["status"], "rejected", "{told:#}");
        assert!(
            told["message"].as_str().unwrap().contains("not this week"),
            "{told:#}"
        );
        assert_eq!(target(&firm, tool).await, before);
        assert_ne!(
            ann.asks(tool, arguments).await,
            id,
            "asked again it is another question"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_decides_expires_and_is_not_told_as_a_refusal() {
    let gates = "  - {when: {power: [write, update, delete]}, ask: [\"group:leads\"], expires: 2s, \
                 escalate: {after: 1s, to: [bob@x.example]}}\n";
    let firm = Firm::on("sqlite", gates).await;
    let open = firm.open().await;
    let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
    let bob = open.person(&firm, BOB);
    let arguments = json!({"table": "tickets", "key": 1, "set": {"status": "closed"}});
    let id = ann.asks("crm_update", arguments.clone()).await;
    assert_eq!(bob.plan(&id).await["yours_to_decide"], false);
    let end = std::time::Instant::now() + super::firm::PATIENCE;
    while bob.plan(&id).await["yours_to_decide"] != true {
        let plan = bob.plan(&id).await;
        assert!(
            plan["stage"] == "waiting" && std::time::Instant::now() < end,
            "{plan:#}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    lena.until(&id, &["expired"]).await;
    let told = ann.result(&id).await;
    assert_eq!(told["status"], "timeout", "{told:#}");
    let message = told["message"].as_str().unwrap();
    assert!(message.contains("nobody decided"), "{message}");
    for word in ["refused", "rejected", "denied"] {
        assert!(!told.to_string().contains(word), "{told:#}");
    }
    assert_eq!(lena.approve(&id).await["status"], "conflict");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asked_can_take_it_back_and_others_can_be_asked_too() {
    let firm = firm().await;
    let open = firm.open().await;
    let (ann, other) = (
        open.client(&firm, ANN, "claude"),
        open.client(&firm, ANN, "cursor"),
    );
    let (lena, bob) = (open.person(&firm, LENA), open.person(&firm, BOB));
    let arguments = json!({"table": "tickets", "key": 1, "set": {"status": "closed"}});
    let id = ann.asks("crm_update", arguments.clone()).await;
    let not_mine = other
        .post(&format!("/approvals/{id}/withdraw"), json!({}))
        .await;
    assert_eq!(not_mine["status"], "not_found", "{not_mine:#}");
    let silent = lena
        .post(&format!("/approvals/{id}/escalate"), json!({}))
        .await;
    assert_eq!(silent["status"], "invalid");
    let escalated = lena
        .post(
            &format!("/approvals/{id}/escalate"),
            json!({"reason": "not mine"}),
        )
        .await;
    assert_eq!(escalated["status"], "ok", "{escalated:#}");
    assert_eq!(
        bob.plan(&id).await["yours_to_decide"],
        true,
        "the owner is asked too"
    );
    let back = ann
        .post(
            &format!("/approvals/{id}/withdraw"),
            json!({"reason": "a mistake"}),
        )
        .await;
    assert_eq!(back["data"]["stage"], "withdrawn", "{back:#}");
    assert_eq!(lena.approve(&id).await["status"], "conflict");
    assert_eq!(
        firm.number("SELECT status = 'open' FROM tickets WHERE id = 1")
            .await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_opened_edited_and_sent_on_through_the_same_gate() {
    let firm = firm().await;
    let open = firm.open().await;
    let (ai, ann) = (open.client(&firm, ANN, "claude"), open.person(&firm, ANN));
    let (lena, bob) = (open.person(&firm, LENA), open.person(&firm, BOB));
    let draft = ai
        .call(
            "notes_draft",
            json!({"path": "new.md", "content": "# New\n"}),
        )
        .await;
    assert_eq!(
        (&draft["status"], &draft["plan"]["stage"]),
        (&json!("ok"), &json!("draft"))
    );
    let id = draft["plan"]["id"].as_str().unwrap().to_owned();
    assert_eq!(firm.says("new.md"), None);
    assert_eq!(ann.plan(&id).await["targets"][0]["change"], "create");
    // Neither the AI nor somebody else sends it on.
    for other in [&ai, &bob] {
        let sent = other
            .post(&format!("/approvals/{id}/send"), json!({}))
            .await;
        assert!(
            ["denied", "not_found"].contains(&sent["status"].as_str().unwrap()),
            "{sent:#}"
        );
    }
    let edited = json!({"path": "new.md", "content": "# New\n\nBetter.\n"});
    let next = ann.edit(&id, edited).await;
    let next = next["data"]["id"].as_str().unwrap().to_owned();
    let sent = ann
        .post(&format!("/approvals/{next}/send"), json!({}))
        .await;
    assert_eq!(sent["status"], "approval_needed", "{sent:#}");
    let question = sent["plan"]["id"].as_str().unwrap().to_owned();
    lena.approve(&question).await;
    lena.until(&question, &["applied"]).await;
    assert_eq!(firm.says("new.md").as_deref(), Some("# New\n\nBetter.\n"));
    let told = ai.result(&id).await;
    assert_eq!(
        told["plan"]["id"],
        json!(question),
        "the AI hears how its draft ended: {told:#}"
    );
    let thrown = ai
        .call("notes_draft", json!({"path": "other.md", "content": "x"}))
        .await;
    let thrown = thrown["plan"]["id"].as_str().unwrap().to_owned();
    ann.post(&format!("/approvals/{thrown}/withdraw"), json!({}))
        .await;
    assert_eq!(ann.plan(&thrown).await["stage"], "withdrawn");
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_must_agree_as_the_gate_says() {
    let gates = "  - {when: {power: update}, ask: [\"group:leads\", bob@x.example], quorum: 2}\n";
    let firm = Firm::on("sqlite", gates).await;
    let open = firm.open().await;
    let ann = open.client(&firm, ANN, "claude");
    let (lena, max) = (open.person(&firm, LENA), open.person(&firm, MAX));
    let second = open.person(&firm, LENA);
    let id = ann
        .asks(
            "crm_update",
            json!({"table": "tickets", "key": 1, "set": {"status": "closed"}}),
        )
        .await;
    assert_eq!(lena.approve(&id).await["data"]["stage"], "waiting");
    assert_eq!(
        second.approve(&id).await["status"],
        "conflict",
        "one person is one voice"
    );
    assert_eq!(
        firm.number("SELECT status = 'open' FROM tickets WHERE id = 1")
            .await,
        1
    );
    assert_eq!(max.approve(&id).await["data"]["stage"], "approved");
    let done = max.until(&id, &["applied"]).await;
    let voices: Vec<&str> = done["approved_by"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["person"].as_str().unwrap())
        .collect();
    assert_eq!(voices, [LENA, MAX]);
}

/// What a value says cannot forge another line of what people look at before they decide.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_value_says_stays_on_its_line() {
    let firm = firm().await;
    let open = firm.open().await;
    let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
    let subject = "ok\n\nDigest: 00\u{202e}\u{1b}[2K\u{200b}";
    let id = ann
        .asks(
            "crm_update",
            json!({"table": "tickets", "key": 1, "set": {"subject": subject}}),
        )
        .await;
    let plan = lena.plan(&id).await;
    let sentence = plan["sentence"].as_str().unwrap();
    assert!(
        !sentence.chars().any(drawbridge_core::log::plain::misleads),
        "{sentence:?}"
    );
    let shown = firm.house.line(&["approvals", "show", &id]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    let digests: Vec<&str> = shown
        .lines()
        .filter(|line| line.starts_with("Digest:"))
        .collect();
    assert_eq!(
        digests,
        [format!("Digest: {}", plan["digest"].as_str().unwrap())],
        "{shown}"
    );
    // All of it is there to be seen, with what hides made visible.
    assert!(
        shown.contains("\\u{202e}") && shown.contains("\\u{200b}"),
        "{shown}"
    );
}

/// A read can stand before a gate: then the call itself is approved, and answered once.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_approved_is_read_once() {
    let gates = "  - {when: {power: read, action: read}, ask: [\"group:leads\"]}\n";
    let firm = Firm::on("sqlite", gates).await;
    let open = firm.open().await;
    let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
    let arguments = json!({"table": "tickets", "key": 1});
    assert_eq!(
        ann.call("crm_list", json!({"table": "tickets"})).await["status"],
        "ok"
    );
    let id = ann.asks("crm_read", arguments.clone()).await;
    assert_eq!(ann.result(&id).await["status"], "approval_needed");
    lena.approve(&id).await;
    let read = ann.result(&id).await;
    assert_eq!(
        (&read["status"], &read["data"]["row"]["subject"]),
        (&json!("ok"), &json!("first")),
        "{read:#}"
    );
    let told = ann.result(&id).await;
    assert_eq!(
        (&told["status"], &told["data"]),
        (&json!("conflict"), &Value::Null),
        "what was read once is not read again, and is not told as an empty answer: {told:#}"
    );
    let again = ann.asks("crm_read", arguments.clone()).await;
    assert_ne!(again, id);
    lena.approve(&again).await;
    assert_eq!(
        ann.call("crm_read", arguments).await["data"]["row"]["subject"],
        "first"
    );
}

/// Who may decide on a read may also say what is read instead.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_edited_and_then_that_is_read() {
    let firm = Firm::on("sqlite", ASK).await;
    firm.crm(&format!(
        "  - {{when: {{power: read, action: read}}, ask: [\"group:leads\"]}}\n{ASK}"
    ));
    let open = firm.open().await;
    let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
    let read = json!({"table": "tickets", "key": 1});
    let id = ann.asks("crm_read", read.clone()).await;
    let told = lena.edit(&id, json!({"table": "tickets", "set": {}})).await;
    assert_eq!(told["status"], "invalid", "{told:#}");
    let edited = lena.edit(&id, json!({"table": "tickets", "key": 2})).await;
    assert_eq!(edited["status"], "ok", "{edited:#}");
    assert_eq!(edited["data"]["targets"], json!([]), "{edited:#}");
    let next = edited["data"]["id"].as_str().unwrap();
    lena.approve(next).await;
    let answer = ann.call("crm_read", read).await;
    assert_eq!(answer["data"]["row"]["subject"], "second", "{answer:#}");
    let notices = answer["notices"].to_string();
    assert!(notices.contains("lena@x.example edited"), "{notices}");
}

/// The first use of an action that reads is one that was approved, too.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_first_read_is_asked_about() {
    let firm = Firm::on("sqlite", ASK).await;
    firm.crm("  - {when: {power: read, action: read, first_use: true}, ask: [\"group:leads\"]}\n");
    let open = firm.open().await;
    let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
    let read = |key: u32| json!({"table": "tickets", "key": key});
    let id = ann.asks("crm_read", read(1)).await;
    lena.approve(&id).await;
    assert_eq!(ann.call("crm_read", read(1)).await["status"], "ok");
    for key in [1, 2] {
        let answer = ann.call("crm_read", read(key)).await;
        assert_eq!(answer["status"], "ok", "{answer:#}");
    }
}

/// A client that drafts twice has two drafts, and each is its person's to throw away.
#[tokio::test(flavor = "multi_thread")]
async fn equal_drafts_are_thrown_away_one_after_the_other() {
    let firm = firm().await;
    let open = firm.open().await;
    let (ai, ann) = (open.client(&firm, ANN, "claude"), open.person(&firm, ANN));
    for _ in 0..3 {
        let draft = ai
            .call("notes_draft", json!({"path": "new.md", "content": "x"}))
            .await;
        let id = draft["plan"]["id"].as_str().unwrap();
        let thrown = ann
            .post(&format!("/approvals/{id}/withdraw"), json!({}))
            .await;
        assert_eq!(thrown["data"]["stage"], "withdrawn", "{thrown:#}");
    }
}

/// Who sends a draft on has looked at what it does to what was there.
#[tokio::test(flavor = "multi_thread")]
async fn a_draft_does_not_write_over_what_changed_since_it_was_looked_at() {
    let firm = Firm::on("sqlite", super::firm::AUTO).await;
    firm.note("plan.md", "# Plan\n");
    let open = firm.open().await;
    let (ai, ann) = (open.client(&firm, ANN, "claude"), open.person(&firm, ANN));
    let change = json!({"path": "plan.md", "content": "# Plan B\n"});
    let draft = ai.call("notes_draft", change.clone()).await;
    let id = draft["plan"]["id"].as_str().unwrap().to_owned();
    firm.note("plan.md", "# Plan\n\nSomebody thought of it.\n");
    let sent = ann.post(&format!("/approvals/{id}/send"), json!({})).await;
    assert_eq!(sent["status"], "conflict", "{sent:#}");
    assert!(firm.says("plan.md").unwrap().contains("thought of it"));
    let looked_at = ann.edit(&id, change).await;
    assert!(
        looked_at.to_string().contains("thought of it"),
        "{looked_at:#}"
    );
    let next = looked_at["data"]["id"].as_str().unwrap();
    let sent = ann
        .post(&format!("/approvals/{next}/send"), json!({}))
        .await;
    assert_eq!(sent["status"], "ok", "{sent:#}");
    assert_eq!(firm.says("plan.md").as_deref(), Some("# Plan B\n"));
}

/// A client that drafts without end is told when it is enough.
#[tokio::test(flavor = "multi_thread")]
async fn there_are_only_so_many_drafts() {
    let firm = firm().await;
    let open = firm.open().await;
    let (ai, ann) = (open.client(&firm, ANN, "claude"), open.person(&firm, ANN));
    let mut last = String::new();
    for number in 0..100 {
        let draft = json!({"path": format!("{number}.md"), "content": "x"});
        let draft = ai.call("notes_draft", draft).await;
        assert_eq!(draft["status"], "ok", "{number}: {draft:#}");
        draft["plan"]["id"].as_str().unwrap().clone_into(&mut last);
    }
    let more = json!({"path": "more.md", "content": "x"});
    let told = ai.call("notes_draft", more.clone()).await;
    assert_eq!(told["status"], "limited", "{told:#}");
    ann.post(&format!("/approvals/{last}/withdraw"), json!({}))
        .await;
    assert_eq!(ai.call("notes_draft", more).await["status"], "ok");
}

/// A client knows its question by the id it was given, also when somebody edited it since.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_is_what_stands_in_its_place_by_now() {
    let firm = firm().await;
    let open = firm.open().await;
    let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
    let set = |subject: &str| json!({"table": "tickets", "key": 1, "set": {"subject": subject}});
    let id = ann.asks("crm_update", set("x")).await;
    let next = lena.edit(&id, set("y")).await;
    let next = next["data"]["id"].as_str().unwrap();
    let told = ann
        .post(&format!("/approvals/{id}/withdraw"), json!({}))
        .await;
    assert_eq!(told["data"]["stage"], "withdrawn", "{told:#}");
    assert_eq!(lena.plan(next).await["stage"], "withdrawn");
}

/// At the command line one field is edited without writing all of them.
#[tokio::test(flavor = "multi_thread")]
async fn one_field_is_edited_at_the_command_line() {
    let gates = "  - {when: {power: update}, ask: [olga@x.example]}\n";
    let firm = Firm::on("sqlite", gates).await;
    let open = firm.open().await;
    let ann = open.client(&firm, ANN, "claude");
    let set = json!({"table": "tickets", "key": 1, "set": {"status": "closed", "amount": 100}});
    let id = ann.asks("crm_update", set).await;
    let told = firm.line(&["approvals", "edit", &id, "set.amount=90"]);
    assert_eq!(
        told["data"]["arguments"]["set"],
        json!({"status": "closed", "amount": 90}),
        "{told:#}"
    );
}

/// Who looks at what waits is told that there is more, and finds it.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_listed_to_the_end() {
    let firm = Firm::on("sqlite", ASK).await;
    let open = firm.open().await;
    let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
    for number in 0..105 {
        let write = json!({"path": format!("{number}.md"), "content": "x"});
        ann.asks("notes_write", write).await;
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut path = "/approvals".to_owned();
    loop {
        let page = lena.get(&path).await;
        for plan in page["data"]["approvals"].as_array().unwrap() {
            assert!(seen.insert(plan["id"].to_string()), "twice");
        }
        let Some(next) = page["data"]["next"].as_str() else {
            break;
        };
        path = format!("/approvals?before={next}");
    }
    assert_eq!(seen.len(), 105);
}
