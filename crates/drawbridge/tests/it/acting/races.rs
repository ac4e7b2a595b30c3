//! Two at once, a thousand times: one of them is first, and the target shows it.

use std::time::Duration;

use serde_json::{Value, json};

use super::firm::{ANN, ASK, Firm, LENA, MAX, Open, Person};
use crate::log::served::long;

/// Rounds of each race.
fn rounds() -> usize {
    if long() { 1_000 } else { 40 }
}

struct Track {
    firm: Firm,
    _open: Open,
    ann: Person,
    lena: Person,
    max: Person,
}

async fn track(gates: &str) -> Track {
    let firm = Firm::on("sqlite", gates).await;
    let open = firm.open().await;
    Track {
        ann: open.client(&firm, ANN, "claude"),
        lena: open.person(&firm, LENA),
        max: open.person(&firm, MAX),
        firm,
        _open: open,
    }
}

fn insert(round: usize) -> Value {
    json!({"table": "tickets", "values": {"subject": format!("r{round}"), "status": "open"}})
}

async fn rows(track: &Track, round: usize) -> i64 {
    track
        .firm
        .number(&format!(
            "SELECT COUNT(*) FROM tickets WHERE subject = 'r{round}'"
        ))
        .await
}

fn word(answer: &Value) -> String {
    answer["status"].as_str().unwrap().to_owned()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the gateway's clock is this machine's"
)]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

async fn ended(track: &Track, id: &str) -> String {
    let stages = [
        "applied",
        "failed",
        "conflict",
        "rejected",
        "expired",
        "withdrawn",
        "unknown",
    ];
    let plan = track.lena.until(id, &stages).await;
    plan["stage"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_approvers_at_once_are_one_effect() {
    let track = track(ASK).await;
    for round in 0..rounds() {
        let id = track.ann.asks("crm_insert", insert(round)).await;
        let digest = track.lena.plan(&id).await["digest"].clone();
        let (path, yes) = (
            format!("/approvals/{id}/approve"),
            json!({"digest": digest}),
        );
        let (one, other) = tokio::join!(
            track.lena.post(&path, yes.clone()),
            track.max.post(&path, yes)
        );
        let mut words = [word(&one), word(&other)];
        words.sort();
        assert_eq!(words, ["conflict", "ok"], "{one:#} {other:#}");
        assert_eq!(ended(&track, &id).await, "applied");
        assert_eq!(rows(&track, round).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn approve_against_withdraw_is_one_or_the_other() {
    let track = track(ASK).await;
    let (mut applied, mut withdrawn) = (0, 0);
    for round in 0..rounds() {
        let id = track.ann.asks("crm_insert", insert(round)).await;
        let digest = track.lena.plan(&id).await["digest"].clone();
        let (approve, withdraw) = (
            format!("/approvals/{id}/approve"),
            format!("/approvals/{id}/withdraw"),
        );
        let yes = track.lena.post(&approve, json!({"digest": digest}));
        let back = async {
            tokio::time::sleep(Duration::from_micros((round % 30 * 150) as u64)).await;
            track.ann.post(&withdraw, json!({"reason": "no"})).await
        };
        let (yes, back) = tokio::join!(yes, back);
        let stage = ended(&track, &id).await;
        let expected = i64::from(stage == "applied");
        assert_eq!(rows(&track, round).await, expected, "{stage}");
        assert!(
            ["applied", "withdrawn"].contains(&stage.as_str()),
            "{stage} {yes:#} {back:#}"
        );
        // Who was told that it is withdrawn finds nothing done, and nobody is told both.
        assert_eq!(
            word(&back) == "ok",
            stage == "withdrawn",
            "{stage} {yes:#} {back:#}"
        );
        applied += usize::from(stage == "applied");
        withdrawn += usize::from(stage == "withdrawn");
    }
    println!("{applied} applied, {withdrawn} withdrawn");
    assert!(applied > 0, "nothing was ever applied");
}

#[tokio::test(flavor = "multi_thread")]
async fn approve_against_expire_is_one_or_the_other() {
    let track = track("  - {when: {power: write}, ask: [\"group:leads\"], expires: 3s}\n").await;
    let (mut stages, mut tasks) = (Vec::new(), tokio::task::JoinSet::new());
    for round in 0..rounds() {
        let (ann, lena) = (track.ann.clone(), track.lena.clone());
        tasks.spawn(async move {
            let id = ann.asks("crm_insert", insert(round)).await;
            let plan = lena.plan(&id).await;
            let digest = plan["digest"].clone();
            let expires: jiff::Timestamp = plan["expires"].as_str().unwrap().parse().unwrap();
            // Some at once and some too late, whatever the machine does; the others at the last moment.
            let after = match round % 8 {
                0 => -3_000,
                1 => 1_500,
                _ => (round % 40) as i64 * 5 - 150,
            };
            let at = expires + jiff::SignedDuration::from_millis(after);
            let wait = at.duration_since(now());
            tokio::time::sleep(wait.try_into().unwrap_or_default()).await;
            let yes = lena
                .post(
                    &format!("/approvals/{id}/approve"),
                    json!({"digest": digest}),
                )
                .await;
            let plan = lena.until(&id, &["applied", "expired"]).await;
            (
                round,
                word(&yes),
                plan["stage"].as_str().unwrap().to_owned(),
            )
        });
        if tasks.len() >= 20 {
            stages.push(tasks.join_next().await.unwrap().unwrap());
        }
    }
    stages.extend(tasks.join_all().await);
    for (round, yes, stage) in &stages {
        assert_eq!(
            rows(&track, *round).await,
            i64::from(stage == "applied"),
            "{stage}"
        );
        // A yes that was told as kept is carried out.
        assert_eq!(yes == "ok", stage == "applied", "{yes} {stage}");
    }
    let expired = stages
        .iter()
        .filter(|(_, _, stage)| stage == "expired")
        .count();
    println!("{expired} of {} expired", stages.len());
    assert!(
        expired > 0 && expired < stages.len(),
        "they never met: {expired}"
    );
}

/// The target changes between the plan and the yes, and between the yes and the effect: then nothing is
/// done, and people are asked anew; or it is done on exactly what was planned.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_changes_meanwhile_is_never_overwritten() {
    let track = track(ASK).await;
    let (mut conflicts, mut applied) = (0, 0);
    for round in 0..rounds() {
        let (name, text) = (format!("n{round}.md"), format!("ours {round}"));
        track.firm.note(&name, "old");
        track
            .firm
            .tickets(&format!(
                "INSERT INTO tickets VALUES ({}, 'old', 'open', 0)",
                1_000 + round
            ))
            .await;
        let key = 1_000 + round;
        let note = track
            .ann
            .asks("notes_update", json!({"path": name, "content": text}))
            .await;
        let set = json!({"table": "tickets", "key": key, "set": {"subject": "ours"}});
        let ticket = track.ann.asks("crm_update", set).await;
        let early = round % 2 == 0;
        let change = async {
            if !early {
                tokio::time::sleep(Duration::from_micros((round % 40 * 200) as u64)).await;
            }
            // As an editor does, and as another program does: in one step.
            let aside = track.firm.house.folder.join("aside.md");
            std::fs::write(&aside, "theirs").unwrap();
            std::fs::rename(&aside, track.firm.notes().join(&name)).unwrap();
            track
                .firm
                .tickets(&format!(
                    "UPDATE tickets SET status = 'closed' WHERE id = {key}"
                ))
                .await;
        };
        if early {
            change.await;
            tokio::join!(track.lena.approve(&note), track.lena.approve(&ticket));
        } else {
            tokio::join!(
                track.lena.approve(&note),
                track.lena.approve(&ticket),
                change
            );
        }
        for (id, kind) in [(&note, "note"), (&ticket, "ticket")] {
            let plan = track.lena.until(id, &["applied", "conflict"]).await;
            let stage = plan["stage"].as_str().unwrap();
            assert!(!early || stage == "conflict", "{plan:#}");
            let fresh = plan["next"].as_str();
            if stage == "conflict" {
                conflicts += 1;
                if let Some(fresh) = fresh {
                    track
                        .lena
                        .post(
                            &format!("/approvals/{fresh}/reject"),
                            json!({"reason": "next"}),
                        )
                        .await;
                }
            } else {
                applied += 1;
            }
            match kind {
                // Theirs came without looking: it is there in the end, whichever was first.
                "note" => assert_eq!(
                    track.firm.says(&name).as_deref(),
                    Some("theirs"),
                    "{plan:#}"
                ),
                _ => {
                    let question = format!(
                        "SELECT (status = 'closed') + 2 * (subject = 'ours') FROM tickets WHERE id = {key}"
                    );
                    let expected = if stage == "applied" { 3 } else { 1 };
                    assert_eq!(track.firm.number(&question).await, expected, "{plan:#}");
                }
            }
        }
    }
    println!("{conflicts} conflicts, {applied} applied before the change");
    assert!(conflicts > 0);
}

/// A client that sends the same call again and again, and others beside it: one question for each.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_call_at_once_is_one_question_and_one_effect() {
    let track = track(ASK).await;
    for round in 0..rounds() {
        let other = json!({"table": "tickets", "values": {"subject": format!("r{round}"), "status": "closed"}});
        let (one, two, three, four) = tokio::join!(
            track.ann.asks("crm_insert", insert(round)),
            track.ann.asks("crm_insert", insert(round)),
            track.ann.asks("crm_insert", insert(round)),
            track.ann.asks("crm_insert", other),
        );
        assert_eq!((&one, &one), (&two, &three));
        assert_ne!(one, four);
        track.lena.approve(&one).await;
        // While it is being applied the call comes again, and hears of the same one.
        let again = track.ann.call("crm_insert", insert(round)).await;
        assert_eq!(again["plan"]["id"], json!(one), "{again:#}");
        assert_eq!(ended(&track, &one).await, "applied");
        assert_eq!(rows(&track, round).await, 1);
        track
            .lena
            .post(
                &format!("/approvals/{four}/reject"),
                json!({"reason": "next"}),
            )
            .await;
    }
}
