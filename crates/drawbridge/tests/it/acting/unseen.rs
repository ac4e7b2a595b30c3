//! What somebody could learn or do at a door beside the one that is watched.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use super::firm::{ANN, ASK, AUTO, Firm, LENA, MAX};

fn update(key: u32, set: &Value) -> Value {
    json!({"table": "tickets", "key": key, "set": set})
}

/// To have somebody else's call worked out would tell what only they may see.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_by_asking_what_somebody_elses_call_would_do() {
    let firm = Firm::on("sqlite", ASK).await;
    firm.gateway("roles: {auditor: [max@x.example]}\n");
    firm.note("pay.md", "# Pay\n\nEverybody earns 7311.\n");
    let open = firm.open().await;
    let (lena, max) = (open.person(&firm, LENA), open.person(&firm, MAX));
    let guess = |text: &str| {
        json!({"person": ANN, "tool": "notes_update", "arguments":
               {"path": "pay.md", "replace": [{"old": text, "new": "x"}]}})
    };
    let told = lena.post("/explain", guess("7311")).await;
    assert_eq!(told["status"], "denied", "{told:#}");
    let (right, wrong) = (
        max.post("/explain", guess("7311")).await,
        max.post("/explain", guess("9999")).await,
    );
    assert_eq!(right["status"], "ok", "{right:#}");
    assert_eq!(
        right["data"], wrong["data"],
        "an auditor learns what is in it"
    );
    let own = json!({"tool": "crm_update", "arguments": update(1, &json!({"status": "closed"}))});
    let told = lena.post("/explain", own).await;
    assert_eq!(
        told["data"]["gates"]["says"], "1 of group:leads must approve it",
        "{told:#}"
    );
    // Who holds the workspace may ask for anyone.
    let told = firm.line(&[
        "explain",
        "--person",
        ANN,
        "crm_update",
        "--arguments",
        &update(1, &json!({"status": "closed"})).to_string(),
    ]);
    assert_eq!(
        told["data"]["gates"]["says"], "1 of group:leads must approve it",
        "{told:#}"
    );
}

/// A person's own token stops from anywhere; what loosens is done on the gateway's own machine.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_an_owner_does_not_loosen_anything_from_elsewhere() {
    let firm = Firm::on("sqlite", ASK).await;
    let open = firm.open().await;
    let olga = open.person(&firm, "olga@x.example");
    let why = json!({"reason": "because"});
    for stop in ["/connectors/crm/pause", "/stop"] {
        let told = olga.post(stop, why.clone()).await;
        assert_eq!(told["status"], "ok", "{stop}: {told:#}");
    }
    let shown = firm.line(&["diff", "crm"]);
    let hash = shown["data"]["in_force"].as_str().unwrap();
    let again = format!("/connectors/crm/revisions/{hash}/approve");
    for loosens in ["/connectors/crm/resume", "/start", &again] {
        let told = olga.post(loosens, why.clone()).await;
        assert_eq!(told["status"], "denied", "{loosens}: {told:#}");
    }
    let made = olga
        .post("/tokens", json!({"client": "bot", "name": "bot"}))
        .await;
    assert_eq!(made["status"], "denied", "{made:#}");
}

/// What the log says was done is done, also when who asked hangs up before it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_carried_out_though_who_asked_hangs_up() {
    let firm = Firm::on("sqlite", AUTO).await;
    let open = firm.open().await;
    let (olga, ann) = (
        open.person(&firm, "olga@x.example"),
        open.client(&firm, ANN, "claude"),
    );
    let url = format!(
        "sqlite:{}",
        firm.house.state().join("drawbridge.db").display()
    );
    for round in 0..5_u64 {
        // While somebody else holds the store, the stop waits for its record.
        let mut store = SqliteConnection::connect(&url).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut store)
            .await
            .unwrap();
        let stop = olga.post("/stop", json!({"reason": "something is wrong"}));
        let hung_up = tokio::time::timeout(Duration::from_millis(300 + round * 40), stop).await;
        assert!(hung_up.is_err(), "the store was not held");
        sqlx::query("ROLLBACK").execute(&mut store).await.unwrap();
        store.close().await.unwrap();
        let end = std::time::Instant::now() + super::firm::PATIENCE;
        let set = json!({"subject": format!("round {round}")});
        while ann.call("crm_update", update(1, &set)).await["status"] != "unavailable" {
            assert!(std::time::Instant::now() < end, "effects go on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        firm.line(&["start", "--all", "--reason", "the next round"]);
    }
}

/// A rule of the organisation that forbids somebody something forbids them to have it undone, too.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_forbids_is_not_done_by_taking_something_back() {
    let firm = Firm::on("sqlite", AUTO).await;
    let open = firm.open().await;
    let (ann, own) = (open.client(&firm, ANN, "claude"), open.person(&firm, ANN));
    let values = json!({"table": "tickets", "values": {"subject": "new", "status": "open"}});
    let done = ann.call("crm_insert", values).await;
    assert_eq!(done["status"], "ok", "{done:#}");
    let policies = firm.house.folder.join("policies");
    std::fs::create_dir_all(&policies).unwrap();
    let policy = "forbid (principal, action == Drawbridge::Action::\"crm_delete\", resource);\n";
    std::fs::write(policies.join("deletes.cedar"), policy).unwrap();
    let id = done["plan"]["id"].as_str().unwrap();
    let end = std::time::Instant::now() + super::firm::PATIENCE;
    loop {
        let delete = ann
            .call("crm_delete", json!({"table": "tickets", "key": 99}))
            .await;
        if delete["status"] == "denied" {
            break;
        }
        assert!(std::time::Instant::now() < end, "{delete:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let told = own
        .post("/undo", json!({"call": id, "reason": "a mistake"}))
        .await;
    assert_eq!(told["status"], "denied", "{told:#}");
    assert_eq!(
        firm.number("SELECT count(*) FROM tickets WHERE subject = 'new'")
            .await,
        1
    );
}

/// What was closed comes back closed.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_file_that_was_deleted_comes_back_closed() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let firm = Firm::on("sqlite", AUTO).await;
    firm.note("pay.md", "# Pay\n");
    let file = firm.notes().join("pay.md");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::chown(&file, None, Some(4)).unwrap();
    let open = firm.open().await;
    let (ann, own) = (open.client(&firm, ANN, "claude"), open.person(&firm, ANN));
    let done = ann.call("notes_delete", json!({"path": "pay.md"})).await;
    assert_eq!(done["status"], "ok", "{done:#}");
    assert!(!file.exists());
    let id = done["plan"]["id"].as_str().unwrap();
    let told = own
        .post("/undo", json!({"call": id, "reason": "a mistake"}))
        .await;
    assert_eq!(told["status"], "ok", "{told:#}");
    own.until(told["data"]["id"].as_str().unwrap(), &["applied"])
        .await;
    let back = std::fs::metadata(&file).unwrap();
    assert_eq!((back.mode() & 0o777, back.gid()), (0o640, 4));
}

/// A yes counts as long as who said it may say it: known, asked, and not with a token that was ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_yes_of_somebody_who_may_not_say_it_any_more_does_not_count() {
    let gates = "  - {when: {power: update}, ask: [\"group:leads\", bob@x.example], quorum: 2}\n";
    let firm = Firm::on("sqlite", gates).await;
    let open = firm.open().await;
    let ann = open.client(&firm, ANN, "claude");
    let (lena, max, bob) = (
        open.person(&firm, LENA),
        open.person(&firm, MAX),
        open.person(&firm, super::firm::BOB),
    );
    // Waiting: a token that was stolen is ended.
    let id = ann
        .asks("crm_update", update(1, &json!({"subject": "x"})))
        .await;
    lena.approve(&id).await;
    let tokens = firm.line(&["token", "list"]);
    let stolen = tokens["data"]["tokens"].as_array().unwrap().iter();
    let stolen = stolen
        .filter(|token| token["person"] == LENA)
        .find_map(|token| token["id"].as_str())
        .unwrap();
    firm.line(&["token", "revoke", stolen]);
    let told = max.approve(&id).await;
    assert_eq!(told["data"]["stage"], "waiting", "{told:#}");
    assert_eq!(told["data"]["approved_by"], json!([MAX]), "{told:#}");
    // Approved, and not done because its system is away: somebody is no lead any more.
    let (file, away) = (
        firm.house.folder.join("crm.db"),
        firm.house.folder.join("away.db"),
    );
    std::fs::rename(&file, &away).unwrap();
    let yes = bob.plan(&id).await["digest"].clone();
    bob.post(&format!("/approvals/{id}/approve"), json!({"digest": yes}))
        .await;
    assert_eq!(bob.plan(&id).await["stage"], "approved");
    let yaml = firm.house.folder.join("drawbridge.yaml");
    let text = std::fs::read_to_string(&yaml).unwrap();
    let demoted = text.replace(
        "max@x.example: {groups: [leads]}",
        "max@x.example: {groups: [staff]}\n  eva@x.example: {groups: [leads]}",
    );
    assert_ne!(demoted, text);
    std::fs::write(&yaml, demoted).unwrap();
    let end = std::time::Instant::now() + super::firm::PATIENCE;
    while firm.line(&["token", "new", "--personal", "--person", "eva@x.example"])["status"] != "ok"
    {
        assert!(std::time::Instant::now() < end, "the file is not taken up");
    }
    std::fs::rename(&away, &file).unwrap();
    let plan = bob.until(&id, &["waiting", "applied"]).await;
    assert_eq!(plan["stage"], "waiting", "{plan:#}");
    assert_eq!(
        firm.text("SELECT subject FROM tickets WHERE id = 1").await,
        "first"
    );
}

/// What of a row nobody may see cannot be guessed from what identifies the plan.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_not_identified_by_what_anybody_can_work_out() {
    let firm = Firm::on("sqlite", ASK).await;
    let open = firm.open().await;
    let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
    let id = ann
        .asks("crm_update", update(1, &json!({"subject": "x"})))
        .await;
    let shown = lena.plan(&id).await["digest"].as_str().unwrap().to_owned();
    let store = firm.house.store().await;
    let kept = store.kept_plan(&id).await.unwrap().unwrap();
    store.close().await;
    assert_eq!(kept.bound.digest, shown);
    assert!(!kept.plan.digest().contains(&shown));
}
