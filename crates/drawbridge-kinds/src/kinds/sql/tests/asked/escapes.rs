//! Every attempt of the corpus is refused, or tells nothing of what is hidden.

use std::collections::BTreeMap;

use drawbridge_core::answer::Status;
use proptest::prelude::*;

use super::{
    super::{
        super::window::Segment,
        Bench,
        engine::{Engine, each},
        status,
    },
    Dialect, ask, attempts, letter, query, rewrite, scope, seeds, tables,
};

/// Every attempt, on a real database of each engine.
#[tokio::test]
async fn no_attempt_learns_anything_of_what_is_hidden() {
    each(learns_nothing).await;
}

async fn learns_nothing(engine: Engine) {
    let [full, bare] = seeds();
    let full = Bench::spoken(engine, &full, scope()).await;
    let bare = Bench::spoken(engine, &bare, scope()).await;
    let before = full.dump().await;
    let (mut counts, mut tried) = (BTreeMap::<&str, (u32, u32)>::new(), 0);
    for (category, dialects, text) in attempts() {
        if !dialects.contains(letter(engine).0) {
            continue;
        }
        let (answered, told) = ask(&full, &text).await;
        let other = ask(&bare, &text).await;
        let same = match engine {
            Engine::Sqlite => (answered, &told) == (other.0, &other.1),
            // Servers choose by statistics in which order they join, so it is nobody's promise.
            Engine::Postgres | Engine::MariaDb => {
                (answered, unordered(&told)) == (other.0, unordered(&other.1))
            }
        };
        assert!(same, "{engine:?}: {text}\n{told}\n{}", other.1);
        let lower = told.to_lowercase();
        assert!(
            !lower.contains("canary") || text.contains("canary"),
            "{engine:?}: {text}: {told}"
        );
        assert!(!lower.contains("63616e617279"), "{text}: {told}");
        let count = counts.entry(category).or_default();
        if answered {
            assert!(
                !told.contains("canary t") && !told.contains("canary f"),
                "{text}: {told}"
            );
            count.0 += 1;
        } else {
            assert!(
                told.starts_with("Invalid") || told.starts_with("Timeout"),
                "{engine:?}: {text}: {told}"
            );
            count.1 += 1;
        }
        tried += 1;
    }
    assert!(tried >= 600, "{tried} attempts");
    assert_eq!(full.dump().await, before);
    println!("{tried} attempts on {engine:?}; answered, refused: {counts:?}");
}

/// The rows of an answer in any order, without what depends on theirs.
fn unordered(told: &str) -> Vec<&str> {
    let rows = told
        .lines()
        .filter(|line| !line.starts_with(['{']) && !line.starts_with("[Source"));
    let mut rows: Vec<&str> = rows.collect();
    rows.sort_unstable();
    rows
}

/// What a rewritten text reads, in dialects whose engine is not here: windows, and nothing else.
#[tokio::test]
async fn in_every_dialect_only_windows_are_read() {
    each(only_windows).await;
}

async fn only_windows(engine: Engine) {
    let bench = Bench::spoken(engine, &seeds()[0], scope()).await;
    let (letter, dialect) = letter(engine);
    let (mut tried, mut let_through) = (0, 0);
    for (_, dialects, text) in attempts() {
        if !dialects.contains(letter) {
            continue;
        }
        tried += 1;
        let Ok(rewritten) = rewrite(dialect, &text, &tables(&bench)) else {
            continue;
        };
        let_through += 1;
        let texts = rewritten.piece.0.iter();
        let texts = texts.filter_map(|segment| match segment {
            Segment::Text(text) => Some(text.as_str()),
            Segment::Value(..) => None,
        });
        let printed: String = texts.collect();
        for word in [
            "vault",
            "margin",
            "sleep",
            "pg_",
            "information_schema",
            "@@",
            "sqlite_",
        ] {
            let own = printed.to_lowercase().matches(word).count();
            let allowed = text.to_lowercase().matches(word).count();
            // An alias or a common table may be called so; a table or column may not.
            assert!(own <= allowed, "{text}: {printed}");
        }
    }
    assert!(tried >= 600, "{tried} attempts");
    println!("{dialect:?}: {tried} attempts, {let_through} let through");
}

/// A name that an engine takes for a word of its own is a name.
#[tokio::test]
async fn a_common_table_called_by_a_word_is_the_common_table() {
    let bench = Bench::spoken(Engine::Postgres, &seeds()[0], scope()).await;
    bench
        .sql("CREATE FUNCTION audit(anyelement) RETURNS text LANGUAGE sql AS 'SELECT ''canary''::text'")
        .await;
    let seen = tables(&bench);
    for (asked, rows) in [
        (
            "WITH \"only\" AS (SELECT 7 AS a) SELECT * FROM only customers",
            "[[7]]",
        ),
        (
            "WITH \"user\" AS (SELECT 7 AS a) SELECT \"user\".a FROM \"user\"",
            "[[7]]",
        ),
    ] {
        let found = query::answer(&bench.database, asked, &seen).await.unwrap();
        assert_eq!(found.data["rows"].to_string(), rows, "{asked}");
    }
    let audit = "SELECT q.audit, 1 AS audit FROM customers AS q";
    let refused = query::answer(&bench.database, audit, &seen).await;
    assert_eq!(status(refused), Status::Invalid);
}

/// The sentence is the same for a column that is hidden and one that is not there.
#[tokio::test]
async fn hidden_names_and_none_are_refused_alike() {
    let bench = Bench::with(&seeds()[0], scope(), true).await;
    let pairs = [
        ("secret", "nosuch"),
        ("region", "nosuch"),
        ("vault", "nosuch"),
        ("seen", "nosuch"),
    ];
    for question in [
        "SELECT {} FROM customers",
        "SELECT customers.{} FROM customers",
        "SELECT * FROM {}",
        "SELECT {}.id FROM customers",
        "SELECT id FROM customers ORDER BY {}",
        "SELECT * FROM customers JOIN orders USING ({})",
    ] {
        for (hidden, none) in pairs {
            let one = ask(&bench, &question.replace("{}", hidden)).await;
            let other = ask(&bench, &question.replace("{}", none)).await;
            assert_eq!(one.1.replace(hidden, none), other.1, "{question}");
        }
    }
    let error = ask(&bench, "SELECT orders.rank FROM customers, orders").await;
    assert!(
        error.1.contains("cannot work this out") && !error.0,
        "{}",
        error.1
    );
}

#[tokio::test]
async fn what_is_not_granted_answers_no_question() {
    let mut off = scope();
    off["query"] = serde_json::json!(false);
    let bench = Bench::with(&seeds()[0], off, true).await;
    let seen = tables(&bench);
    let asked = query::answer(&bench.database, "SELECT 1", &seen).await;
    assert_eq!(status(asked), Status::Invalid);
    let bench = Bench::with(&seeds()[0], scope(), true).await;
    let asked = query::answer(&bench.database, "SELECT 1", &[]).await;
    assert_eq!(status(asked), Status::NotFound);
}

#[tokio::test]
async fn answers_are_cut_at_their_limits_and_say_so() {
    let more: String = (100..1_300)
        .map(|id| {
            format!("INSERT INTO orders VALUES ({id}, 1, 1, '2026', hex(zeroblob(400)), 'x');")
        })
        .collect();
    let bench = Bench::with(&format!("{}{more}", seeds()[0]), scope(), true).await;
    let seen = tables(&bench);
    let found = query::answer(&bench.database, "SELECT id FROM orders", &seen)
        .await
        .unwrap();
    assert_eq!((found.count, found.missing.len()), (1_000, 1));
    let found = query::answer(&bench.database, "SELECT note FROM orders", &seen)
        .await
        .unwrap();
    assert!(
        found.count < 700 && found.missing.len() == 1,
        "{}",
        found.count
    );
    let none = query::answer(
        &bench.database,
        "SELECT id, note AS n FROM orders WHERE 1 = 0",
        &seen,
    );
    let none = none.await.unwrap();
    assert_eq!(none.data["columns"], serde_json::json!(["id", "n"]));
}

/// Pieces of questions, put together at random.
fn question() -> impl Strategy<Value = String> {
    const WORDS: [&str; 48] = [
        "SELECT",
        "FROM",
        "WHERE",
        "customers",
        "orders",
        "vault",
        "secret",
        "id",
        "name",
        "*",
        ",",
        "(",
        ")",
        "UNION",
        "ALL",
        "WITH",
        "AS",
        "x",
        "JOIN",
        "ON",
        "=",
        "1",
        "'a'",
        "'\\'",
        "''''",
        "\"secret\"",
        "--",
        "/*",
        "*/",
        ";",
        "ORDER BY",
        "GROUP BY",
        "HAVING",
        "count(*)",
        "EXISTS",
        "IN",
        "LIMIT",
        "- -",
        "||",
        "$1",
        "?",
        "c",
        ".",
        "NATURAL",
        "USING",
        "LATERAL",
        "email",
        "OR",
    ];
    let free = prop::collection::vec(prop::sample::select(WORDS.to_vec()), 1..24);
    let free = free.prop_map(|words| words.join(" "));
    let framed =
        prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..8).prop_map(|words| {
            format!(
                "SELECT id FROM customers c WHERE id > 0 {}",
                words.join(" ")
            )
        });
    prop_oneof![free, framed]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]
    /// Two databases that differ in what is hidden only give the same answers, to the byte.
    #[test]
    fn no_question_tells_two_databases_apart(questions in prop::collection::vec(question(), 60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let [full, bare] = seeds();
            let full = Bench::with(&full, scope(), true).await;
            let bare = Bench::with(&bare, scope(), true).await;
            for text in &questions {
                assert_eq!(ask(&full, text).await, ask(&bare, text).await, "{text}");
            }
        });
    }
}

/// Deep and long questions end in a refusal or an answer, on a small stack.
#[test]
fn no_question_is_too_deep_for_the_stack() {
    let scope = scope();
    let table: super::super::super::part::Table =
        serde_json::from_value(scope["tables"]["orders"].clone()).unwrap();
    let seen =
        super::TableScope::of(("orders", &table), "internal", (Dialect::Sqlite, "main")).unwrap();
    let deep = [
        format!("SELECT {}", vec!["1"; 740].join("+")),
        format!("SELECT {}", vec!["1"; 740].join(" OR ")),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(490)),
        format!("SELECT {}1{}", "(".repeat(700), ")".repeat(700)),
        format!("SELECT {}1", "NOT ".repeat(1_400)),
        format!("SELECT {}1", "- ".repeat(1_400)),
        format!("SELECT {}1{}", "(SELECT ".repeat(400), ")".repeat(400)),
        format!("SELECT id{} FROM orders", "::text".repeat(700)),
        format!("SELECT 1 FROM orders{}", " JOIN orders ON 1=1".repeat(200)),
        format!(
            "SELECT {}1{}",
            "CASE WHEN 1 THEN ".repeat(300),
            " END".repeat(300)
        ),
        format!(
            "SELECT {}id{} FROM orders",
            "abs(".repeat(500),
            ")".repeat(500)
        ),
    ];
    let tried = std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || {
            for text in &deep {
                let _ = rewrite(Dialect::Sqlite, text, std::slice::from_ref(&seen));
                let _ = rewrite(Dialect::Postgres, text, std::slice::from_ref(&seen));
            }
        });
    tried.unwrap().join().unwrap();
}
