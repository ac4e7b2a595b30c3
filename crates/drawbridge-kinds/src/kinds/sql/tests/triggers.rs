//! What the database does by itself together with an effect.

use drawbridge_core::answer::Status;
use serde_json::{Value, json};

use super::{super::inspect, Bench, SCHEMA, scope, status};

async fn bench(more: &str, allowed: bool) -> Bench {
    let mut scope = scope();
    if allowed {
        scope["tables"]["tickets"]["triggers"] = json!("allow");
    }
    Bench::with(&format!("{SCHEMA}{more}"), scope, true).await
}

fn close() -> Value {
    json!({"key": 1, "set": {"status": "closed"}})
}

#[tokio::test]
async fn an_effect_that_would_change_more_than_its_rows_is_taken_back() {
    for (action, arguments, more) in [
        (
            "update",
            close(),
            "CREATE TRIGGER t AFTER UPDATE ON tickets BEGIN INSERT INTO unseen (word) VALUES ('x'); END;",
        ),
        (
            "update",
            close(),
            "CREATE TRIGGER t AFTER UPDATE ON tickets BEGIN UPDATE tickets SET secret = 1 WHERE id = NEW.id; END;",
        ),
        (
            "update",
            close(),
            "CREATE TRIGGER t AFTER UPDATE OF status ON tickets BEGIN \
             UPDATE tickets SET status = 'waiting' WHERE id = NEW.id; END;",
        ),
        (
            "update",
            close(),
            "CREATE TRIGGER t BEFORE UPDATE ON tickets BEGIN SELECT RAISE(IGNORE); END;",
        ),
        (
            "delete",
            json!({"key": 1}),
            "CREATE TABLE lines (ticket INTEGER REFERENCES tickets ON DELETE CASCADE); INSERT INTO lines VALUES (1);",
        ),
        (
            "insert",
            json!({"values": {}}),
            "CREATE TRIGGER t AFTER INSERT ON tickets BEGIN DELETE FROM unseen; END;",
        ),
    ] {
        let bench = bench(more, false).await;
        let before = bench.dump().await;
        let plan = bench.plan(action, "tickets", arguments).await.unwrap();
        let done = bench.apply(&plan, "k").await;
        assert_eq!(status(done), Status::Failed, "{more}");
        assert_eq!(bench.dump().await, before, "{more}");
    }
}

#[tokio::test]
async fn where_the_file_allows_it_triggers_change_more_but_never_what_was_approved() {
    let beside = "CREATE TRIGGER t AFTER UPDATE ON tickets BEGIN \
                  UPDATE tickets SET opened = 'now' WHERE id = NEW.id; \
                  INSERT INTO unseen (word) VALUES ('x'); END;";
    let bench1 = bench(beside, true).await;
    let (plan, receipt) = bench1.act("update", "tickets", close()).await;
    bench1.undo(&plan, &receipt).await.unwrap();
    let inside = "CREATE TRIGGER t AFTER UPDATE OF status ON tickets BEGIN \
                  UPDATE tickets SET subject = 'other' WHERE id = NEW.id; END;";
    let bench2 = bench(inside, true).await;
    let before = bench2.dump().await;
    let plan = bench2.plan("update", "tickets", close()).await.unwrap();
    assert_eq!(status(bench2.apply(&plan, "k").await), Status::Failed);
    assert_eq!(bench2.dump().await, before);
    let cascade = "CREATE TABLE lines (ticket INTEGER REFERENCES tickets ON DELETE SET NULL);";
    let bench3 = bench(cascade, true).await;
    let plan = bench3.plan("delete", "tickets", json!({"key": 1})).await;
    assert_eq!(status(plan), Status::Invalid);
}

#[tokio::test]
async fn inspect_names_triggers_that_would_have_effects_refused() {
    let trigger = "CREATE TRIGGER noisy AFTER UPDATE ON tickets BEGIN DELETE FROM unseen; END;";
    let refused = inspect::inspect(&bench(trigger, false).await.database).await;
    assert_eq!(refused.problem_count, 1, "{refused:?}");
    assert!(refused.problems[0].reason.contains("noisy"));
    let allowed = inspect::inspect(&bench(trigger, true).await.database).await;
    assert_eq!(allowed.problem_count, 0, "{allowed:?}");
}

/// A column's own rule for a conflict may be to remove the other row, which SQLite does not count.
#[tokio::test]
async fn no_row_goes_away_to_make_room() {
    let schema = "CREATE TABLE tickets (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, \
                  status TEXT UNIQUE ON CONFLICT REPLACE, subject TEXT NOT NULL ON CONFLICT IGNORE DEFAULT '', \
                  customer_id, amount, shout); \
                  INSERT INTO tickets (id, status) VALUES (1, 'open'), (2, 'closed'); \
                  CREATE TABLE codes (code PRIMARY KEY, title); \
                  CREATE TABLE places (house, room, note, PRIMARY KEY (house, room));";
    let bench = Bench::with(schema, scope(), true).await;
    let before = bench.dump().await;
    for (action, arguments) in [
        ("update", close()),
        ("insert", json!({"values": {"status": "closed"}})),
    ] {
        let plan = bench.plan(action, "tickets", arguments).await.unwrap();
        assert_eq!(status(bench.apply(&plan, "k").await), Status::Invalid);
        assert_eq!(bench.dump().await, before);
    }
}

#[tokio::test]
async fn rules_of_the_database_refuse_without_a_word_of_what_it_holds() {
    let more = "CREATE TABLE owners (id INTEGER PRIMARY KEY); \
                CREATE TABLE pets (owner INTEGER REFERENCES tickets DEFERRABLE INITIALLY DEFERRED); \
                INSERT INTO pets VALUES (1); \
                CREATE TRIGGER guard BEFORE UPDATE ON codes WHEN NEW.title = 'bad' \
                BEGIN SELECT RAISE(ABORT, 'secret reason'); END;";
    let bench = bench(more, false).await;
    let before = bench.dump().await;
    for (action, table, arguments) in [
        ("delete", "tickets", json!({"key": 1})),
        (
            "update",
            "codes",
            json!({"key": "a", "set": {"title": "Beta"}}),
        ),
        (
            "update",
            "codes",
            json!({"key": "a", "set": {"title": "bad"}}),
        ),
    ] {
        let plan = bench.plan(action, table, arguments).await.unwrap();
        let failure = bench.apply(&plan, "k").await.unwrap_err();
        assert_eq!(failure.status, Status::Invalid, "{failure:?}");
        for word in ["secret", "pets", "codes.title", "Beta"] {
            assert!(!failure.message.contains(word), "{}", failure.message);
        }
        assert_eq!(bench.dump().await, before);
    }
}

/// Some triggers, and a full disk, end the transaction of whoever writes.
#[tokio::test]
async fn a_transaction_that_the_database_ends_by_itself_harms_none_after_it() {
    let more = "CREATE TRIGGER t AFTER UPDATE ON tickets WHEN NEW.status = 'closed' \
                BEGIN SELECT RAISE(ROLLBACK, 'no'); END;";
    let bench = bench(more, true).await;
    let before = bench.dump().await;
    let plan = bench.plan("update", "tickets", close()).await.unwrap();
    assert_eq!(status(bench.apply(&plan, "k").await), Status::Invalid);
    assert_eq!(bench.dump().await, before);
    bench.act("delete", "tickets", json!({"key": 1})).await;
}
