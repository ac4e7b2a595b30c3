//! The gateway is killed while a server works: nothing is done a second time, and a person says what
//! came of it, since MCP has no way to ask.

use serde_json::json;

use super::{
    effects::TOOLS,
    setup::{ASK, OLGA, Upstream, Written},
};
use crate::{
    acting::firm::{ANN, LENA},
    gate::wait_for,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_whose_end_nobody_saw_is_settled_by_a_person_and_never_repeated() {
    let written = Written {
        tools: TOOLS,
        approval: ASK,
        ..Written::default()
    };
    for done in [false, true] {
        let upstream = Upstream::with(&[], written);
        upstream.state(&json!({"misbehave": {"send": "hang"}}));
        let mut open = upstream.open();
        let ai = open.client(&upstream.firm, ANN, "claude");
        let (lena, olga) = (
            open.person(&upstream.firm, LENA),
            open.person(&upstream.firm, OLGA),
        );
        let send = json!({"to": "ann@x.example", "subject": "s", "body": "b"});
        let id = ai.asks("up_send", send).await;
        lena.approve(&id).await;
        wait_for("the call reaches the server", || {
            upstream.calls("send").len() == 1
        })
        .await;
        open.served.kill();
        let child = upstream.log()[0]["pid"].as_u64().unwrap();
        wait_for("the server ends with its gateway", || {
            !std::path::Path::new(&format!("/proc/{child}")).exists()
        })
        .await;
        upstream.state(&json!({}));
        let open = upstream.open();
        let [ai, lena, olga] = [ai, lena, olga].map(|person| open.holding(&person.token));
        let plan = lena.until(&id, &["unknown", "applied", "failed"]).await;
        assert_eq!(plan["stage"], "unknown", "{plan:#}");
        assert!(
            plan.to_string().contains("cannot be asked whether"),
            "{plan:#}"
        );
        let told = ai.result(&id).await;
        assert_eq!(told["status"], "unknown", "{told:#}");
        let settle = json!({"applied": done, "reason": "looked in the outbox"});
        let told = olga.post(&format!("/approvals/{id}/settle"), settle).await;
        assert_eq!(told["status"], "ok", "{told:#}");
        let wanted = if done { "applied" } else { "failed" };
        assert_eq!(lena.plan(&id).await["stage"], wanted);
        assert_eq!(upstream.calls("send").len(), 1, "it was done again");
        upstream.firm.house.verify();
    }
}
