//! Every way to cheat an approval that we know of, and the test that tries it. What counts is what the
//! target says at the end: nothing was changed.

use serde_json::{Value, json};

use super::firm::{ANN, ASK, BOB, Firm, LENA, MAX, Open, Person};

struct Scene {
    firm: Firm,
    open: Open,
    ann: Person,
    lena: Person,
}

async fn scene(gates: &str) -> Scene {
    let firm = Firm::on("sqlite", gates).await;
    let open = firm.open().await;
    let (ann, lena) = (open.client(&firm, ANN, "claude"), open.person(&firm, LENA));
    Scene {
        firm,
        open,
        ann,
        lena,
    }
}

impl Scene {
    async fn asked(&self) -> String {
        self.ann.asks("crm_update", close()).await
    }

    async fn unchanged(&self) {
        let closed = self
            .firm
            .number("SELECT COUNT(*) FROM tickets WHERE status = 'closed'")
            .await;
        assert_eq!(closed, 0, "something was changed");
    }
}

fn close() -> Value {
    json!({"table": "tickets", "key": 1, "set": {"status": "closed"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_approves_their_own_request_by_whichever_token_or_door() {
    let gates = "  - {when: {power: update}, ask: [\"group:leads\", ann@x.example]}\n";
    let scene = scene(gates).await;
    let id = scene.asked().await;
    let digest = scene.lena.plan(&id).await["digest"].clone();
    let own = scene.open.person(&scene.firm, ANN);
    let other = scene.open.client(&scene.firm, ANN, "cursor");
    let lenas_ai = scene.open.client(&scene.firm, LENA, "claude");
    for (who, person) in [
        ("own", &own),
        ("the client itself", &scene.ann),
        ("another client", &other),
        ("an approver's AI", &lenas_ai),
    ] {
        for act in ["approve", "edit", "reject", "escalate", "settle", "send"] {
            let body = json!({"digest": digest});
            let body = match act {
                "approve" => body,
                "edit" => json!({"arguments": close()}),
                "settle" => json!({"applied": true, "reason": "x"}),
                "send" => json!({}),
                _ => json!({"reason": "x"}),
            };
            let told = person.post(&format!("/approvals/{id}/{act}"), body).await;
            let status = told["status"].as_str().unwrap();
            assert!(
                ["denied", "not_found", "conflict"].contains(&status),
                "{who} {act}: {told:#}"
            );
        }
        if who != "own" {
            assert_eq!(
                person.get("/approvals").await["status"],
                "denied",
                "{who} looks"
            );
        }
    }
    // The command line that only says it acts for an approver.
    let line = scene.firm.line(&[
        "--person",
        LENA,
        "approvals",
        "approve",
        &id,
        "--digest",
        digest.as_str().unwrap(),
    ]);
    assert_eq!(line["status"], "denied", "{line:#}");
    // A token of their own is of no use at the door of AI clients.
    assert_eq!(scene.lena.mcp().await, 401);
    assert_eq!(scene.lena.plan(&id).await["stage"], "waiting");
    scene.unchanged().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_who_are_not_asked_decide_nothing_and_see_nothing() {
    let scene = scene(ASK).await;
    let id = scene.asked().await;
    let digest = scene.lena.plan(&id).await["digest"].clone();
    let (bob, nobody) = (
        scene.open.person(&scene.firm, BOB),
        scene.open.holding("dbr_000000000000_x"),
    );
    let told = bob
        .post(
            &format!("/approvals/{id}/approve"),
            json!({"digest": digest}),
        )
        .await;
    assert_eq!(
        told["status"], "denied",
        "the owner sees it and is not asked: {told:#}"
    );
    assert_eq!(
        nobody
            .post(
                &format!("/approvals/{id}/approve"),
                json!({"digest": digest})
            )
            .await["status"],
        "denied"
    );
    let guess = scene
        .lena
        .post(
            "/approvals/00000000000000000000000000000000/approve",
            json!({"digest": digest}),
        )
        .await;
    assert_eq!(guess["status"], "not_found");
    scene.unchanged().await;
}

/// Digests that are another, in every position; and other spellings of the right one.
#[tokio::test(flavor = "multi_thread")]
async fn an_edited_digest_approves_nothing() {
    let scene = scene(ASK).await;
    let id = scene.asked().await;
    let digest = scene.lena.plan(&id).await["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut wrong: Vec<String> = (0..digest.len())
        .map(|place| {
            let mut other = digest.clone().into_bytes();
            other[place] = if other[place] == b'0' { b'1' } else { b'0' };
            String::from_utf8(other).unwrap()
        })
        .collect();
    wrong.extend([
        String::new(),
        digest[..digest.len() - 4].to_owned(),
        format!("{digest}0"),
        digest.to_uppercase(),
        format!(" {digest}"),
    ]);
    for other in wrong {
        let told = scene
            .lena
            .post(
                &format!("/approvals/{id}/approve"),
                json!({"digest": other}),
            )
            .await;
        assert_eq!(told["status"], "conflict", "{other}: {told:#}");
    }
    scene.unchanged().await;
}

/// The yes is for these arguments: a call with others, however near, is another question.
#[tokio::test(flavor = "multi_thread")]
async fn other_arguments_are_another_question() {
    let scene = scene(ASK).await;
    let id = scene.asked().await;
    let others = [
        json!({"table": "tickets", "key": 2, "set": {"status": "closed"}}),
        json!({"table": "tickets", "keys": [1], "set": {"status": "closed"}}),
        json!({"table": "tickets", "key": 1, "set": {"status": "closed", "amount": 11}}),
        json!({"table": "tickets", "key": 1, "set": {"amount": 11}}),
    ];
    for other in others {
        assert_ne!(scene.ann.asks("crm_update", other).await, id);
    }
    // The order of keys and 1.0 for 1 are no other arguments: it is the same question.
    for same in [
        json!({"set": {"status": "closed"}, "key": 1, "table": "tickets"}),
        json!({"table": "tickets", "key": 1.0, "set": {"status": "closed"}}),
    ] {
        assert_eq!(scene.ann.asks("crm_update", same).await, id);
    }
    scene.lena.approve(&id).await;
    scene.lena.until(&id, &["applied"]).await;
    assert_eq!(
        scene
            .firm
            .number("SELECT COUNT(*) FROM tickets WHERE status = 'closed' OR amount = 11")
            .await,
        1
    );
}

/// The same question by another person, client or connector is another one, and its answer is nobody
/// else's to read.
#[tokio::test(flavor = "multi_thread")]
async fn another_caller_has_no_part_in_it() {
    let scene = scene(ASK).await;
    let id = scene.asked().await;
    let bob = scene.open.client(&scene.firm, BOB, "claude");
    let cursor = scene.open.client(&scene.firm, ANN, "cursor");
    let lena_ai = scene.open.client(&scene.firm, LENA, "claude");
    for other in [&bob, &cursor] {
        assert_ne!(other.asks("crm_update", close()).await, id);
        assert_eq!(other.result(&id).await["status"], "not_found");
    }
    assert_eq!(
        lena_ai.result(&id).await["status"],
        "not_found",
        "an approver's AI"
    );
    scene.unchanged().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_used_once() {
    let scene = scene(ASK).await;
    let arguments = json!({"table": "tickets", "values": {"subject": "once", "status": "open"}});
    let id = scene.ann.asks("crm_insert", arguments.clone()).await;
    let digest = scene.lena.plan(&id).await["digest"].clone();
    let yes = json!({"digest": digest});
    assert_eq!(
        scene
            .lena
            .post(&format!("/approvals/{id}/approve"), yes.clone())
            .await["status"],
        "ok"
    );
    scene.lena.until(&id, &["applied"]).await;
    let max = scene.open.person(&scene.firm, MAX);
    for person in [&scene.lena, &max] {
        let again = person
            .post(&format!("/approvals/{id}/approve"), yes.clone())
            .await;
        assert_eq!(again["status"], "conflict", "{again:#}");
    }
    for _ in 0..3 {
        assert_eq!(scene.ann.result(&id).await["status"], "ok");
    }
    // The digest of the first is of no use for the second, equal as it looks.
    let second = scene.ann.asks("crm_insert", arguments).await;
    assert_ne!(second, id);
    assert_eq!(
        scene
            .firm
            .number("SELECT COUNT(*) FROM tickets WHERE subject = 'once'")
            .await,
        1
    );
}

/// What an approval is bound to, changed while it waits to be applied: then it is void.
#[tokio::test(flavor = "multi_thread")]
async fn what_it_is_bound_to_must_not_change() {
    let scene = scene(ASK).await;
    for case in ["revision", "policy", "identity", "permission"] {
        let id = scene.asked().await;
        let digest = scene.lena.plan(&id).await["digest"].clone();
        // A pause holds it between the yes and the effect.
        scene
            .lena
            .post("/stop", json!({"reason": "no right"}))
            .await;
        scene.firm.line(&["stop", "--all", "--reason", "hold it"]);
        let yes = scene
            .lena
            .post(
                &format!("/approvals/{id}/approve"),
                json!({"digest": digest}),
            )
            .await;
        assert_eq!(yes["status"], "ok", "{case}: {yes:#}");
        let (from, to) = match case {
            "revision" => ("subject: {}", "subject: {max_length: 90}"),
            "identity" => ("account: the tests", "account: somebody else"),
            "permission" => ("who: [everyone]", "who: [\"group:leads\"]"),
            _ => ("", ""),
        };
        if case == "policy" {
            let policies = scene.firm.house.folder.join("policies");
            std::fs::create_dir_all(&policies).unwrap();
            let rule =
                "forbid (principal == Drawbridge::Person::\"nobody@x.example\", action, resource);
";
            std::fs::write(policies.join("more.cedar"), rule).unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(1_000)).await;
        } else {
            scene.firm.revise("crm", (from, to)).await;
        }
        scene.firm.line(&["start", "--all", "--reason", "go on"]);
        let plan = scene
            .lena
            .until(&id, &["conflict", "failed", "applied", "cancelled"])
            .await;
        assert!(
            ["conflict", "failed"].contains(&plan["stage"].as_str().unwrap()),
            "{case}: {plan:#}"
        );
        scene.unchanged().await;
        if let Some(next) = plan["next"].as_str() {
            assert_eq!(
                scene.lena.plan(next).await["stage"],
                "waiting",
                "{case}: asked about anew"
            );
            scene
                .lena
                .post(
                    &format!("/approvals/{next}/reject"),
                    json!({"reason": "next case"}),
                )
                .await;
        }
        // It is told, and out of the way for the next case.
        scene.ann.result(&id).await;
        if case == "permission" {
            break;
        }
    }
}
