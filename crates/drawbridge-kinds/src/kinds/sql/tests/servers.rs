//! What only servers do: connections that die, statements that run on, accounts and their rights.

mod asked;
mod grants;
mod passwords;
mod person;
mod proxy;
mod rights;

use std::time::{Duration, Instant};

use drawbridge_core::{answer::Status, connector::Health, plan::Settled};
use serde_json::{Value, json};
use sqlx::{Connection, MySqlConnection, PgConnection};

use super::{
    super::{apply, inspect, part::Acting},
    Bench,
    engine::{Engine, Place, SERVERS},
    opened, planned, scope, status,
};

/// As another program that goes on holding what it took.
enum Other {
    Postgres(PgConnection),
    MariaDb(MySqlConnection),
}

impl Other {
    async fn new(place: &Place) -> Self {
        match place.engine {
            Engine::MariaDb => Self::MariaDb(MySqlConnection::connect(&place.url()).await.unwrap()),
            _ => Self::Postgres(PgConnection::connect(&place.url()).await.unwrap()),
        }
    }

    async fn run(&mut self, words: &'static str) {
        match self {
            Self::Postgres(connection) => {
                sqlx::raw_sql(words).execute(connection).await.unwrap();
            }
            Self::MariaDb(connection) => {
                sqlx::raw_sql(words).execute(connection).await.unwrap();
            }
        }
    }

    /// How many statements the connector's connections to this database run at this moment.
    async fn running(&mut self) -> i64 {
        match self {
            Self::Postgres(connection) => {
                let count = sqlx::query_scalar(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                     AND application_name = 'drawbridge' AND state = 'active'",
                );
                count.fetch_one(connection).await.unwrap()
            }
            Self::MariaDb(connection) => {
                let count = sqlx::query_scalar(
                    "SELECT count(*) FROM information_schema.PROCESSLIST \
                     WHERE DB = DATABASE() AND ID <> CONNECTION_ID() AND COMMAND <> 'Sleep' \
                     AND NOT (COMMAND = 'Killed' AND INFO IS NULL)",
                );
                count.fetch_one(connection).await.unwrap()
            }
        }
    }

    /// Ends every other connection to this database.
    async fn kill(&mut self) {
        self.each_other("pg_terminate_backend", "KILL").await;
    }

    /// Stops the statements that the connector's connections to this database run.
    async fn stop(&mut self) {
        self.each_other("pg_cancel_backend", "KILL QUERY").await;
    }

    /// Does something to every other connection to this database.
    async fn each_other(&mut self, function: &str, word: &str) {
        match self {
            Self::Postgres(connection) => {
                let all = sqlx::AssertSqlSafe(format!(
                    "SELECT {function}(pid) FROM pg_stat_activity \
                     WHERE datname = current_database() AND pid <> pg_backend_pid()"
                ));
                sqlx::query(all).execute(connection).await.unwrap();
            }
            Self::MariaDb(connection) => {
                let all: Vec<i64> = sqlx::query_scalar(
                    "SELECT ID FROM information_schema.PROCESSLIST \
                     WHERE DB = DATABASE() AND ID <> CONNECTION_ID()",
                )
                .fetch_all(&mut *connection)
                .await
                .unwrap();
                for id in all {
                    let one = sqlx::AssertSqlSafe(format!("{word} {id}"));
                    let _ = sqlx::raw_sql(one).execute(&mut *connection).await;
                }
            }
        }
    }

    async fn hold_table(&mut self) {
        match self {
            Self::Postgres(_) => self.run("BEGIN; LOCK TABLE tickets").await,
            Self::MariaDb(_) => self.run("LOCK TABLES tickets WRITE").await,
        }
    }

    async fn let_go(&mut self) {
        match self {
            Self::Postgres(_) => self.run("ROLLBACK").await,
            Self::MariaDb(_) => self.run("UNLOCK TABLES").await,
        }
    }

    async fn until_running(&mut self, expected: i64) {
        let began = Instant::now();
        while self.running().await != expected {
            assert!(
                began.elapsed() < Duration::from_secs(10),
                "not {expected} statements"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn close() -> Value {
    json!({"key": 1, "set": {"status": "closed"}})
}

#[tokio::test]
async fn a_statement_that_nobody_waits_for_is_stopped_in_the_server() {
    for engine in SERVERS {
        let bench = Bench::on(engine).await;
        let mut other = Other::new(&bench.place).await;
        other.hold_table().await;
        let waits = bench.plan("update", "tickets", close());
        let mut watches = Other::new(&bench.place).await;
        let gone = tokio::time::timeout(Duration::from_secs(10), async {
            tokio::select! {
                _ = waits => panic!("it did not wait"),
                () = watches.until_running(1) => {}
            }
        });
        gone.await.unwrap();
        // The other program holds the table all the time.
        watches.until_running(0).await;
        other.let_go().await;
        bench.plan("update", "tickets", close()).await.unwrap();
    }
}

#[tokio::test]
async fn what_others_hold_is_unavailable_in_time_and_nothing_is_changed() {
    for engine in SERVERS {
        let bench = Bench::on(engine).await;
        let before = bench.dump().await;
        let plan = bench.plan("update", "tickets", close()).await.unwrap();
        let mut other = Other::new(&bench.place).await;
        other
            .run("BEGIN; UPDATE tickets SET amount = 11 WHERE id = 1")
            .await;
        let began = Instant::now();
        assert_eq!(status(bench.apply(&plan, "k").await), Status::Unavailable);
        assert!(began.elapsed() < Duration::from_secs(12));
        other.run("ROLLBACK").await;
        assert_eq!(bench.dump().await, before);
        bench.apply(&plan, "k").await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_within_seconds() {
    for engine in SERVERS {
        let bench = Bench::on(engine).await;
        let mut database = bench.other();
        let mut target = database.own.target.clone();
        if let super::super::part::Target::Server(address) = &mut target {
            address.port = Some(1);
        }
        database.own.target = target;
        database.base = super::Base::new(&database.own, None);
        let began = Instant::now();
        let asked = planned(&database, "update", "tickets", close()).await;
        assert_eq!(status(asked), Status::Unavailable);
        assert_eq!(inspect::inspect(&database).await.health, Health::Down);
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn connections_that_died_meanwhile_are_made_again() {
    for engine in SERVERS {
        let bench = Bench::on(engine).await;
        bench.plan("update", "tickets", close()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        Other::new(&bench.place).await.kill().await;
        let plan = bench.plan("update", "tickets", close()).await.unwrap();
        Other::new(&bench.place).await.kill().await;
        bench.apply(&plan, "k").await.unwrap();
    }
}

#[tokio::test]
async fn more_readers_than_connections_are_told_so() {
    for engine in SERVERS {
        let bench = Bench::on(engine).await;
        let mut held = Vec::new();
        let full = loop {
            match bench.database.base.read(&Acting::account()).await {
                Ok(reading) => held.push(reading),
                Err(failure) => break failure,
            }
            assert!(held.len() < 100);
        };
        assert_eq!(full.status, Status::Limited);
        drop(held);
        bench.plan("update", "tickets", close()).await.unwrap();
    }
}

/// The connection ends in the middle of the effect, by the server's hand.
#[tokio::test]
async fn an_effect_whose_connection_is_killed_is_not_done() {
    for engine in SERVERS {
        let bench = Bench::on(engine).await;
        let before = bench.dump().await;
        let plan = bench
            .plan("delete", "tickets", json!({"keys": [2, 1]}))
            .await
            .unwrap();
        let mut other = Other::new(&bench.place).await;
        let mut holds = Other::new(&bench.place).await;
        holds
            .run("BEGIN; UPDATE tickets SET amount = 11 WHERE id = 1")
            .await;
        let (done, ()) = tokio::join!(bench.apply(&plan, "k"), async {
            // It has removed the one, and waits for the other.
            other.until_running(1).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            other.kill().await;
        });
        assert_eq!(status(done), Status::Unavailable);
        assert_eq!(bench.dump().await, before);
        let settled = apply::settle(&bench.other(), &plan, "k").await;
        assert_eq!(settled, Settled::NotApplied);
    }
}

/// The answer to the commit is lost on the way, or the commit itself is.
#[tokio::test]
async fn a_commit_without_an_answer_is_unknown_until_it_is_settled() {
    for engine in SERVERS {
        for keys in [true, false] {
            for arrives in [true, false] {
                let bench = match keys {
                    true => Bench::on(engine).await,
                    false => Bench::without_keys(engine).await,
                };
                let server = engine.server();
                let proxy = proxy::Proxy::before(&server, arrives).await;
                let mut database = opened(&bench.place, scope(), keys);
                proxy.lead(&mut database);
                let plan = planned(&database, "update", "tickets", close())
                    .await
                    .unwrap();
                proxy.cut_the_next_commit();
                let done = apply::apply(&database, &plan, "k").await;
                assert_eq!(status(done), Status::Unknown, "{engine:?} {keys} {arrives}");
                let settled = apply::settle(&bench.other(), &plan, "k").await;
                let applied = matches!(settled, Settled::Applied(_));
                assert_eq!(applied, arrives, "{engine:?} {keys} {settled:?}");
                let dump = bench.dump().await.join("\n");
                assert_eq!(
                    dump.contains("closed") || dump.contains("636C6F736564"),
                    arrives
                );
            }
        }
    }
}

/// A connection that nobody uses may go silent without a word, such as when a firewall forgets it.
#[tokio::test]
async fn a_connection_that_went_silent_meanwhile_is_not_waited_for() {
    for engine in SERVERS {
        let bench = Bench::on(engine).await;
        let proxy = proxy::Proxy::before(&engine.server(), true).await;
        let mut database = opened(&bench.place, scope(), true);
        proxy.lead(&mut database);
        let plan = planned(&database, "update", "tickets", close())
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        proxy.silence();
        apply::apply(&database, &plan, "k").await.unwrap();
    }
}

/// A trigger that runs at the commit, and says no.
#[tokio::test]
async fn a_commit_that_the_database_refuses_is_not_done() {
    let trigger = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'no'; END $$; \
         CREATE CONSTRAINT TRIGGER t AFTER UPDATE ON tickets DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION f();";
    let schema = format!("{}{trigger}", Engine::Postgres.schema());
    let mut allowed = scope();
    allowed["tables"]["tickets"]["triggers"] = json!("allow");
    let bench = Bench::made(Engine::Postgres, &schema, (allowed, false)).await;
    let before = bench.dump().await;
    let plan = bench.plan("update", "tickets", close()).await.unwrap();
    assert_eq!(status(bench.apply(&plan, "k").await), Status::Invalid);
    assert_eq!(bench.dump().await, before);
}

#[tokio::test]
async fn triggers_and_cascades_that_would_change_more_are_refused() {
    let postgres = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN INSERT INTO unseen (word) VALUES ('x'); RETURN NULL; END $$; \
         CREATE TRIGGER t AFTER UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION f();";
    let mariadb = "CREATE TRIGGER t AFTER UPDATE ON tickets FOR EACH ROW \
         INSERT INTO unseen (word) VALUES ('x');";
    let lines = "CREATE TABLE parts (id INTEGER PRIMARY KEY, ticket INTEGER, \
         FOREIGN KEY (ticket) REFERENCES tickets (id) ON DELETE CASCADE); \
         INSERT INTO parts VALUES (1, 1);";
    for engine in SERVERS {
        let trigger = if engine == Engine::Postgres {
            postgres
        } else {
            mariadb
        };
        let schema = format!("{}{trigger}{lines}", engine.schema());
        let bench = Bench::made(engine, &schema, (scope(), true)).await;
        let before = bench.dump().await;
        for (action, arguments) in [("update", close()), ("delete", json!({"key": 1}))] {
            let plan = bench.plan(action, "tickets", arguments).await.unwrap();
            let done = bench.apply(&plan, "k").await;
            assert_eq!(status(done), Status::Failed, "{engine:?} {action}");
        }
        assert_eq!(bench.dump().await, before);
        let told = inspect::inspect(&bench.database).await;
        assert!(
            told.problems
                .iter()
                .any(|problem| problem.reason.contains("(t,")),
            "{told:?}"
        );
        let mut allowed = scope();
        allowed["tables"]["tickets"]["triggers"] = json!("allow");
        let bench = Bench::made(engine, &schema, (allowed, true)).await;
        let (plan, receipt) = bench.act("update", "tickets", close()).await;
        bench.undo(&plan, &receipt).await.unwrap();
        let plan = bench.plan("delete", "tickets", json!({"key": 1})).await;
        assert_eq!(status(plan), Status::Invalid);
    }
}
