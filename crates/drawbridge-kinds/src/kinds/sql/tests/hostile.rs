//! Arguments that mean harm, and values that break a rule.

use drawbridge_core::answer::Status;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Bench, each, engine::Engine, status};

const EVIL: [&str; 14] = [
    "'; DROP TABLE tickets; --",
    "\"; DROP TABLE tickets; --",
    "1 OR 1=1",
    "1; DELETE FROM tickets",
    "1 UNION SELECT * FROM unseen",
    "id",
    "rowid",
    "secret",
    "t.secret",
    "\" OR \"\"=\"",
    "x'00'",
    "?1",
    "%",
    "\u{0}",
];

#[tokio::test]
async fn no_text_is_ever_taken_for_sql() {
    each(async |engine| {
        let bench = Bench::on(engine).await;
        let before = bench.dump().await;
        for evil in EVIL {
            for (action, arguments) in [
                ("update", json!({"key": evil, "set": {"status": "closed"}})),
                (
                    "update",
                    json!({"key": {"id": evil}, "set": {"status": "closed"}}),
                ),
                ("delete", json!({"keys": [evil]})),
            ] {
                let failed = status(bench.plan(action, "tickets", arguments).await);
                assert_eq!(failed, Status::NotFound, "{action} {evil}");
            }
            let column = format!("{evil} ");
            for (action, arguments) in [
                ("update", json!({"key": 1, "set": {evil: "closed"}})),
                ("update", json!({"key": 1, "set": {"status": evil}})),
                (
                    "update",
                    json!({"key": {&column: 1}, "set": {"status": "closed"}}),
                ),
                ("insert", json!({"values": {evil: 1}})),
                ("delete", json!({"key": {&column: 1}})),
            ] {
                let failed = status(bench.plan(action, "tickets", arguments).await);
                assert_eq!(failed, Status::Invalid, "{action} {evil}");
            }
        }
        assert_eq!(bench.dump().await, before);
        // The servers keep no NUL in a text.
        let kept = |evil: &&str| engine == Engine::Sqlite || !evil.contains('\0');
        for evil in EVIL.into_iter().filter(kept) {
            let (plan, receipt) = bench
                .act("insert", "tickets", json!({"values": {"subject": evil}}))
                .await;
            bench.undo(&plan, &receipt).await.unwrap();
            let upsert = json!({"key": {"house": evil, "room": 1}, "values": {"note": evil}});
            let (plan, receipt) = bench.act("upsert", "places", upsert).await;
            bench.undo(&plan, &receipt).await.unwrap();
        }
        assert_eq!(bench.dump().await, before);
    })
    .await;
}

/// A column that is not there and one that is hidden are answered alike.
#[tokio::test]
async fn hidden_columns_are_not_told_from_none() {
    each(async |engine| {
        let bench = Bench::on(engine).await;
        let ask = async |name: &str| {
            let set = json!({"key": 1, "set": {name: "x"}});
            let failure = bench.plan("update", "tickets", set).await.unwrap_err();
            (failure.status, failure.message.replace(name, "…"))
        };
        let hidden = ask("secret").await;
        assert_eq!(hidden, ask("no_such").await);
        assert_eq!(hidden, ask("shout").await);
        assert_eq!(hidden, ask("id").await);
    })
    .await;
}

/// Action, table, arguments, and what the answer must name.
const BROKEN: &str = r#"
update | tickets | {"key": 1, "set": {"status": "gone"}} | `set.status` | one of
update | tickets | {"key": 1, "set": {"status": null}} | `set.status` | null
update | tickets | {"key": 1, "set": {"amount": 1001}} | `set.amount` | at most 1000
update | tickets | {"key": 1, "set": {"amount": -0.5}} | `set.amount` | at least 0
update | tickets | {"key": 1, "set": {"amount": "12"}} | `set.amount` | number
update | tickets | {"key": 1, "set": {"amount": true}} | `set.amount` | number
update | tickets | {"key": 1, "set": {"subject": "LONG"}} | `set.subject` | 200 characters
update | tickets | {"key": 1, "set": {"subject": 5}} | `set.subject` | text
update | tickets | {"key": 1, "set": {"subject": ["a"]}} | `set.subject` | text
update | tickets | {"key": 1, "set": {"customer_id": 5}} | `set.customer_id` | new row
update | tickets | {"key": 1, "set": {}} | `set` | at least one
update | tickets | {"key": 1, "keys": [2], "set": {}} | `keys` | not both
insert | tickets | {"values": {"customer_id": 1.5}} | `values.customer_id` | whole
insert | codes | {"values": {"code": "A1"}} | `values.code` | match `[a-z]+`
insert | codes | {"values": {"code": "a"}} | codes/a | there already
delete | tickets | {} | `key` | missing
delete | tickets | {"keys": [1, "1"]} | tickets/1 | twice
delete | tickets | {"keys": MANY} | `keys` | at most 100
delete | places | {"key": "north"} | `key` | house, room
delete | places | {"key": {"house": "north"}} | `room` | missing
upsert | places | {"key": {"house": "x", "room": 1}, "values": {"room": 2}} | `values.room` | key
"#;

#[tokio::test]
async fn values_that_break_a_rule_are_told_with_field_and_rule() {
    each(async |engine| {
        let bench = Bench::on(engine).await;
        let long = BROKEN.replace("LONG", &"x".repeat(201));
        let long = long.replace("MANY", &format!("{:?}", [1; 101]));
        for line in long.lines().skip(1) {
            let parts: Vec<&str> = line.split(" | ").collect();
            let [action, table, arguments, field, rule] = parts[..] else {
                panic!("{line}")
            };
            let arguments = serde_json::from_str(arguments).unwrap();
            let failure = bench.plan(action, table, arguments).await.unwrap_err();
            assert_eq!(failure.status, Status::Invalid, "{line}: {failure:?}");
            let told = &failure.message;
            assert!(
                told.contains(field) && told.contains(rule),
                "{line}: {told}"
            );
        }
    })
    .await;
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!(true)),
        any::<i64>().prop_map(Value::from),
        (-5..5_i64).prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has no others", |x| x.is_finite())
            .prop_map(Value::from),
        (-9e18..9e18_f64).prop_map(|x| json!(x.round())),
        "[ -9]{0,4}[0-9.e+-]{0,6}".prop_map(Value::from),
        Just(json!("inf")),
        Just(json!("\u{b}12\u{b}")),
        "\\PC{0,8}".prop_map(Value::from),
    ]
}

const TYPES: [&str; 16] = [
    "INTEGER",
    "BIGINT",
    "TEXT",
    "VARCHAR(20)",
    "REAL",
    "DOUBLE",
    "NUMERIC",
    "DECIMAL(10,2)",
    "BOOLEAN",
    "DATE",
    "DATETIME",
    "STRING",
    "",
    "BLOB",
    "ANY",
    "FLOATING POINT",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    /// What is planned for a value is what SQLite makes of it, whatever the column's type.
    #[test]
    fn a_value_is_kept_as_it_was_planned(values in prop::collection::vec(value(), TYPES.len())) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let columns: Vec<String> =
                TYPES.iter().enumerate().map(|(index, declared)| format!("c{index} {declared}")).collect();
            let schema = format!("CREATE TABLE all_types (id INTEGER PRIMARY KEY, {})", columns.join(", "));
            let names: Vec<String> = (0..TYPES.len()).map(|index| format!("c{index}")).collect();
            let writable: serde_json::Map<String, Value> =
                names.iter().map(|name| (name.clone(), json!({"null": true}))).collect();
            let mut fields = names.clone();
            fields.push("id".to_owned());
            let scope = json!({"tables": {"all_types": {
                "key": "id", "fields": fields, "writable": writable, "label": "public"}}});
            let bench = Bench::with(&schema, scope, false).await;
            for (name, value) in names.iter().zip(values) {
                let row = json!({"values": {name: value}});
                let Ok(plan) = bench.plan("insert", "all_types", row).await else { continue };
                let done = bench.apply(&plan, &super::key_of(&plan)).await;
                assert!(done.is_ok(), "{name} {}: {done:?}", plan.work);
            }
        });
    }
}

/// A database may be called what it likes, and its names stay names.
#[tokio::test]
async fn odd_names_of_tables_and_columns_are_names() {
    each(async |engine| {
        let (table, column) = ("a\"; DROP TABLE b; --", "c\" = 1 --");
        let quoted = |name: &str| engine.quoted(name);
        let id = match engine {
            Engine::Sqlite => "id INTEGER PRIMARY KEY",
            Engine::Postgres => "id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
            Engine::MariaDb => "id INTEGER AUTO_INCREMENT PRIMARY KEY",
        };
        let schema = format!(
            "CREATE TABLE {table} ({id}, {column} TEXT); CREATE TABLE b (id INTEGER PRIMARY KEY);",
            table = quoted(table),
            column = quoted(column)
        );
        let scope = json!({"label": "public", "tables": {table: {
            "key": "id", "fields": ["id", column], "writable": {column: {}}}}});
        let bench = Bench::made(engine, &schema, (scope, false)).await;
        let before = bench.dump().await;
        let insert = bench
            .act("insert", table, json!({"values": {column: "x"}}))
            .await;
        let set = json!({"key": 1, "set": {column: "y"}});
        let update = bench.act("update", table, set).await;
        let delete = bench.act("delete", table, json!({"key": 1})).await;
        for (plan, receipt) in [delete, update, insert] {
            bench.undo(&plan, &receipt).await.unwrap();
        }
        assert_eq!(bench.dump().await, before);
    })
    .await;
}
