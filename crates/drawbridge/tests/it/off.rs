//! Off means off: for the next call, on every gateway, for running calls, and over a restart.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use sqlx::{Connection, Executor};

use crate::gate::{GATEWAY, Gate, Site, children, signal, wait_for};

const ANN: &str = "ann@acme.example";

/// Sites on each engine: SQLite, and a database of its own in the PostgreSQL that is told.
async fn sites() -> Vec<(&'static str, Site)> {
    let server = std::env::var_os("DRAWBRIDGE_TEST_POSTGRES")
        .expect("`./test` starts a PostgreSQL and names it here");
    let server = server.into_string().unwrap();
    let name = format!("off_{}", uuid::Uuid::now_v7().simple());
    let mut connection = sqlx::PgConnection::connect(&server).await.unwrap();
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    connection.execute(create).await.unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    let mut site = Site::new(&format!("{GATEWAY}store: env:DRAWBRIDGE_STORE\n"));
    site.store = Some(format!("{base}/{name}"));
    site.fill(&["notes", "wiki"]);
    vec![
        ("sqlite", Site::with(&["notes", "wiki"])),
        ("postgresql", site),
    ]
}

#[tokio::test]
async fn what_is_stopped_is_stopped_on_every_gateway_for_the_next_call() {
    for (engine, site) in sites().await {
        let token = site.token(ANN, "claude");
        let gates = [site.serve(), site.serve()];
        for gate in &gates {
            gate.until(&token, "notes_search", "ok").await;
            gate.until(&token, "wiki_search", "ok").await;
        }
        site.ok(&["pause", "notes", "--reason", "moving house"]);
        for gate in &gates {
            let search = json!({"query": "lanterns"});
            let mut answer = gate.call(&token, "notes_search", &search).await;
            assert_eq!(answer["status"], "unavailable", "{engine}: {answer}");
            // A gateway that has not taken the pause up yet knows only that it came.
            while !answer.to_string().contains("moving house") {
                answer = gate.call(&token, "notes_search", &search).await;
                assert_eq!(answer["status"], "unavailable", "{engine}: {answer}");
            }
            assert_eq!(gate.status(&token, "wiki_search").await, "ok", "{engine}");
        }
        site.ok(&["resume", "notes", "--reason", "moved"]);
        for gate in &gates {
            gate.until(&token, "notes_search", "ok").await;
        }
        site.ok(&["retire", "notes", "--reason", "replaced"]);
        for gate in &gates {
            assert_ne!(gate.status(&token, "notes_search").await, "ok", "{engine}");
        }
        let id = token.split('_').nth(1).unwrap();
        site.ok(&["token", "revoke", id]);
        for gate in &gates {
            assert_ne!(gate.status(&token, "wiki_search").await, "ok", "{engine}");
            gate.until(&token, "wiki_search", "denied").await;
        }
        drop(gates);
        let again = site.serve();
        let token = site.token(ANN, "claude");
        assert_ne!(again.status(&token, "notes_search").await, "ok", "{engine}");
        again.until(&token, "wiki_search", "ok").await;
        let resumed = site.line(&["resume", "notes", "--reason", "no way back"]);
        assert!(!resumed.status.success(), "{engine}: retired for good");
    }
}

/// Keeps a gateway's reading children from going on: a read that needs one hangs.
struct Frozen {
    gateway: u32,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Frozen {
    fn of(gate: &Gate) -> Self {
        let (gateway, stop) = (gate.process(), Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Acquire) {
                for (id, line) in children(gateway) {
                    if line.contains("extract") {
                        signal("STOP", id);
                    }
                }
            }
        });
        Self {
            gateway,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        for (id, _) in children(self.gateway) {
            signal("CONT", id);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_call_ends_when_its_connector_is_stopped_and_others_do_not_notice() {
    for act in ["pause", "retire", "withdraw"] {
        let site = Site::with(&["notes", "wiki"]);
        let token = site.token(ANN, "claude");
        let gate = site.serve();
        gate.until(&token, "notes_search", "ok").await;
        gate.until(&token, "wiki_search", "ok").await;
        let frozen = Frozen::of(&gate);
        // Long enough to read that the child is caught while it does.
        let long = "lanterns, changed, and much more to read. ".repeat(50_000);
        site.write("notes-files/hello.md", &format!("# Hello\n\n{long}\n"));
        let arguments = json!({"path": "hello.md"});
        let running = gate.call(&token, "notes_read", &arguments);
        tokio::pin!(running);
        let early = tokio::time::timeout(Duration::from_secs(1), &mut running).await;
        assert!(early.is_err(), "it should hang: {early:?}");
        let stopping = async {
            tokio::task::block_in_place(|| match act {
                "withdraw" => std::fs::remove_file(site.path("connectors/notes.yaml")).unwrap(),
                act => drop(site.ok(&[act, "notes", "--reason", "stop it"])),
            });
            gate.status(&token, "wiki_search").await
        };
        let began = Instant::now();
        let (answer, other) = tokio::join!(running, stopping);
        assert_eq!(answer["status"], "unavailable", "{act}: {answer}");
        assert_eq!(other, "ok", "{act}: the other connector");
        assert!(began.elapsed() < Duration::from_secs(10), "{act}");
        drop(frozen);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_streams_stop_with_the_acknowledgement() {
    for (engine, site) in sites().await {
        let token: Arc<str> = site.token(ANN, "claude").into();
        let gates: Arc<[Gate; 2]> = Arc::new([site.serve(), site.serve()]);
        for gate in gates.iter() {
            gate.until(&token, "notes_search", "ok").await;
        }
        let mut streams = tokio::task::JoinSet::new();
        for number in 0..64 {
            let (gates, token) = (gates.clone(), token.clone());
            streams.spawn(async move {
                let mut calls = Vec::new();
                loop {
                    let began = Instant::now();
                    let status = gates[number % 2].status(&token, "notes_search").await;
                    calls.push((began, Instant::now(), status.clone()));
                    if status == "unavailable" {
                        return calls;
                    }
                    assert!(["ok", "limited"].contains(&status.as_str()), "{status}");
                }
            });
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let own = std::fs::read_to_string(site.path(".drawbridge/local-token")).unwrap();
        let url = format!("{}/api/v1/connectors/notes/pause", gates[0].url);
        let pause = gates[0].http.post(url).bearer_auth(own);
        let answer = pause.json(&json!({"reason": "stop all"})).send().await;
        let acknowledged = Instant::now();
        assert!(answer.unwrap().status().is_success());
        let (mut last, mut begun_after, mut all) = (None::<Instant>, 0, 0);
        while let Some(calls) = streams.join_next().await {
            for (began, ended, status) in calls.unwrap() {
                all += 1;
                if status == "ok" {
                    last = last.max(Some(ended));
                    begun_after += u32::from(began > acknowledged);
                }
            }
        }
        let last = last.unwrap();
        println!(
            "{engine}: {all} calls on 64 streams and two gateways; last answer {:?} {} the acknowledgement",
            last.max(acknowledged) - last.min(acknowledged),
            if last > acknowledged {
                "after"
            } else {
                "before"
            },
        );
        assert_eq!(
            begun_after, 0,
            "{engine}: a call begun after the pause was answered"
        );
        assert!(last < acknowledged + Duration::from_millis(500), "{engine}");
    }
}

#[tokio::test]
async fn a_connector_that_nobody_reviews_is_paused_and_a_review_lets_it_go_on() {
    let site = Site::new(&format!("{GATEWAY}review_grace: 1s\n"));
    site.write("notes-files/hello.md", "# Hello\n\nlanterns\n");
    let quick = crate::gate::connector("notes").replace("90d", "3s");
    site.write("connectors/notes.yaml", &quick);
    site.ok(&["approve-revision", "notes", "--reason", "first"]);
    let token = site.token(ANN, "claude");
    let gate = site.serve();
    gate.until(&token, "notes_search", "unavailable").await;
    let answer = gate
        .call(&token, "notes_search", &json!({"query": "x"}))
        .await;
    assert!(
        answer.to_string().contains("its review was due"),
        "{answer}"
    );
    let resumed = site.line(&["resume", "notes", "--reason", "just go on"]);
    let said = String::from_utf8_lossy(&resumed.stderr).into_owned();
    assert_eq!(resumed.status.code(), Some(1), "{said}");
    assert!(
        said.contains("red area") && said.contains("approve-revision"),
        "{said}"
    );
    let records = site.json(&["log"]).to_string();
    assert!(records.contains("\"person\":\"drawbridge\""), "{records}");
    wait_for("the review is approved and the connector goes on", || {
        site.line(&["approve-revision", "notes", "--reason", "looked again"]);
        site.line(&["resume", "notes", "--reason", "reviewed"])
            .status
            .success()
    })
    .await;
}
