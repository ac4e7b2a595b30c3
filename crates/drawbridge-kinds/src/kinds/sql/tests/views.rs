//! What is outside a caller's window is as though it were not there.

use std::collections::BTreeMap;

use drawbridge_core::{answer::Status, file::Labels};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    super::{fetch::fetched, part, part::TableScope, plan},
    Bench,
    engine::{Engine, SERVERS, each},
    status,
};

pub(super) const SCHEMA: &str = "
    CREATE TABLE customers (
        id INTEGER PRIMARY KEY, name TEXT, region TEXT NOT NULL DEFAULT 'north', email TEXT,
        born TEXT, phone TEXT, secret TEXT DEFAULT 'canary', rank INTEGER DEFAULT 0);
    INSERT INTO customers (id, name, region, email, born, phone, rank) VALUES
        (1, 'Ann', 'north', 'ann@x.example', '1980-05-06', '0301234567', 3),
        (3, 'Bo', 'north', 'bo@y.example', '1990', '123', 1),
        (5, NULL, 'north', NULL, 'unknown', NULL, 2);
";
/// Rows that only a southerner sees, and other values in a column that nobody sees.
pub(super) const HIDDEN: &str = "
    INSERT INTO customers (id, name, region, email, born, phone, rank) VALUES
        (2, 'canary', 'south', 'canary@c.example', '1111-01-01', 'canary-canary', 0),
        (4, 'canary', 'south', NULL, NULL, NULL, NULL), (9, 'Ann', 'south', 'a@b', '1', '1', 9);
    UPDATE customers SET secret = 'canary two';
";

pub(super) fn scope() -> Value {
    json!({"label": "internal", "query": true, "tables": {"customers": {
        "key": "id", "fields": ["id", "name", "email", "born", "phone", "rank"],
        "mask": {"email": "partial", "born": "year", "phone": "full"},
        "rows": "region = :person.region",
        "writable": {"name": {"null": true}, "rank": {"min": 0, "max": 9, "null": true}},
    }}})
}

/// The table as somebody of this region sees it.
pub(super) fn of(bench: &Bench, region: &str) -> TableScope {
    let given = BTreeMap::from([("person.region".to_owned(), region.to_owned())]);
    bench.database.own.tables["customers"].with_given(given)
}

async fn ask(bench: &Bench, action: &str, arguments: Value) -> String {
    let found = fetched(&bench.database, action, (&of(bench, "north"), &arguments)).await;
    match found {
        Ok(found) => format!("{}\n{}\n{:?}", found.data, found.text, found.sources),
        Err(failure) => format!("{:?}: {}", failure.status, failure.message),
    }
}

/// What a plan would do, or why there is none.
async fn act(bench: &Bench, action: &str, arguments: Value) -> String {
    match plan::planned(&bench.database, action, (&of(bench, "north"), &arguments)).await {
        Ok(plan) => format!("{}: {:?}", plan.sentence, plan.targets),
        Err(failure) => format!("{:?}: {}", failure.status, failure.message),
    }
}

#[tokio::test]
async fn masked_fields_show_what_their_mask_leaves() {
    each(masked).await;
}

async fn masked(engine: Engine) {
    let bench = Bench::spoken(engine, &format!("{SCHEMA}{HIDDEN}"), scope()).await;
    let found = fetched(&bench.database, "list", (&of(&bench, "north"), &json!({}))).await;
    let rows = found.unwrap().data["rows"].clone();
    let shown = |id: i64, name: Value, email: Value, born: Value, rank: i64| json!({"id": id, "name": name, "email": email, "born": born, "phone": "***", "rank": rank});
    assert_eq!(
        rows,
        json!([
            shown(1, json!("Ann"), json!("a***@x.example"), json!(1980), 3),
            shown(3, json!("Bo"), json!("b***@y.example"), json!(1990), 1),
            shown(5, Value::Null, Value::Null, Value::Null, 2),
        ])
    );
}

#[tokio::test]
async fn an_answer_is_the_same_whether_hidden_rows_and_values_are_there_or_not() {
    each(same_answers).await;
}

async fn same_answers(engine: Engine) {
    let without = Bench::spoken(engine, SCHEMA, scope()).await;
    let with = Bench::spoken(engine, &format!("{SCHEMA}{HIDDEN}"), scope()).await;
    let mut reads = vec![("list", json!({})), ("list", json!({"limit": 1}))];
    for id in 0..11 {
        reads.push(("read", json!({"key": id})));
        reads.push(("list", json!({"limit": 1, "after": id})));
    }
    for (action, arguments) in reads {
        let answer = ask(&with, action, arguments.clone()).await;
        assert_eq!(answer, ask(&without, action, arguments).await);
        assert!(!answer.contains("canary"), "{answer}");
    }
    for id in 0..11 {
        for (action, arguments) in [
            ("update", json!({"key": id, "set": {"name": "x"}})),
            ("update", json!({"keys": [1, id], "set": {"name": "x"}})),
            ("upsert", json!({"key": id, "values": {"name": "x"}})),
            ("delete", json!({"key": id})),
            ("delete", json!({"keys": [id, 3]})),
        ] {
            let answer = act(&with, action, arguments.clone()).await;
            assert_eq!(answer, act(&without, action, arguments).await);
            assert!(
                !answer.contains("canary") && !answer.contains("0301234567"),
                "{answer}"
            );
        }
    }
    assert_eq!(
        ask(&with, "read", json!({"key": 2}))
            .await
            .replace('2', "7"),
        ask(&with, "read", json!({"key": 7})).await
    );
}

#[tokio::test]
async fn who_lacks_the_attribute_finds_no_row() {
    each(unknown_caller).await;
}

async fn unknown_caller(engine: Engine) {
    let bench = Bench::spoken(engine, SCHEMA, scope()).await;
    let unknown = &bench.database.own.tables["customers"];
    let list = fetched(&bench.database, "list", (unknown, &json!({})))
        .await
        .unwrap();
    assert_eq!((list.count, &list.data["rows"]), (0, &json!([])));
    let read = fetched(&bench.database, "read", (unknown, &json!({"key": 1}))).await;
    assert_eq!(status(read), Status::NotFound);
    let insert = json!({"values": {"name": "x"}});
    let plan = plan::planned(&bench.database, "insert", (unknown, &insert)).await;
    assert_eq!(status(plan), Status::Denied);
}

/// The rule goes by a column that can be written.
fn by_rank() -> Value {
    let mut scope = scope();
    scope["tables"]["customers"]["rows"] = json!("rank <= 5 AND region = :person.region");
    scope
}

#[tokio::test]
async fn no_effect_leaves_a_row_outside() {
    each(stays_inside).await;
}

async fn stays_inside(engine: Engine) {
    let bench = Bench::spoken(engine, &format!("{SCHEMA}{HIDDEN}"), by_rank()).await;
    let before = bench.dump().await;
    let north = of(&bench, "north");
    for (action, arguments) in [
        ("update", json!({"key": 1, "set": {"rank": 6}})),
        ("update", json!({"key": 1, "set": {"rank": null}})),
        ("insert", json!({"values": {"rank": 6}})),
        ("upsert", json!({"key": 1, "values": {"rank": 9}})),
    ] {
        let plan = plan::planned(&bench.database, action, (&north, &arguments)).await;
        assert_eq!(status(plan), Status::Denied, "{action} {arguments}");
    }
    // A default that only the database knows is found when it is there.
    let south = of(&bench, "south");
    let insert = json!({"values": {"rank": 1}});
    let plan = plan::planned(&bench.database, "insert", (&south, &insert)).await;
    assert_eq!(status(plan), Status::Denied);
    let worked_out = SCHEMA.replace("DEFAULT 'north'", "DEFAULT (lower('WEST'))");
    let other = Bench::spoken(engine, &worked_out, by_rank()).await;
    let plan = plan::planned(&other.database, "insert", (&of(&other, "north"), &insert)).await;
    let applied = other.apply(&plan.unwrap(), "k").await;
    assert_eq!(status(applied), Status::Denied);
    assert_eq!(bench.dump().await, before);
}

#[tokio::test]
async fn what_leaves_the_window_after_a_plan_is_a_conflict() {
    each(left_the_window).await;
}

async fn left_the_window(engine: Engine) {
    let bench = Bench::spoken(engine, &format!("{SCHEMA}{HIDDEN}"), scope()).await;
    let north = of(&bench, "north");
    for (action, arguments) in [
        ("update", json!({"key": 1, "set": {"name": "x"}})),
        ("delete", json!({"key": 3})),
    ] {
        let plan = plan::planned(&bench.database, action, (&north, &arguments))
            .await
            .unwrap();
        bench.sql("UPDATE customers SET region = 'south'").await;
        assert_eq!(status(bench.apply(&plan, action).await), Status::Conflict);
        bench
            .sql("UPDATE customers SET region = 'north' WHERE id IN (1, 3, 5)")
            .await;
    }
    let set = json!({"key": 1, "set": {"name": "x"}});
    let before = bench.dump().await;
    let plan = plan::planned(&bench.database, "update", (&north, &set))
        .await
        .unwrap();
    let receipt = bench.apply(&plan, "k").await.unwrap();
    bench.undo(&plan, &receipt).await.unwrap();
    assert_eq!(bench.dump().await, before);
    let delete = json!({"key": 3});
    let plan = plan::planned(&bench.database, "delete", (&north, &delete))
        .await
        .unwrap();
    let receipt = bench.apply(&plan, "d").await.unwrap();
    bench.undo(&plan, &receipt).await.unwrap();
    assert_eq!(bench.dump().await, before);
}

/// Equal values have equal digests, and nothing else shows in them.
#[tokio::test]
async fn digests_tell_equal_values_and_nothing_more() {
    for engine in SERVERS {
        let mut hashed = scope();
        let table = hashed["tables"]["customers"].as_object_mut().unwrap();
        table.insert("mask".to_owned(), json!({"name": "hash"}));
        table.remove("writable");
        let more = "INSERT INTO customers (id, name, region) VALUES (7, 'Ann', 'north');";
        let bench = Bench::spoken(engine, &format!("{SCHEMA}{more}"), hashed).await;
        let found = fetched(&bench.database, "list", (&of(&bench, "north"), &json!({}))).await;
        let rows = found.unwrap().data["rows"].clone();
        let names: Vec<Option<&str>> = (0..4).map(|at| rows[at]["name"].as_str()).collect();
        assert_eq!(names[0], names[3], "{engine:?}");
        assert_ne!(names[0], names[1]);
        assert_eq!((names[0].unwrap().len(), names[2]), (64, None));
    }
}

/// Change to the table in the file, where it is wrong, and what is told.
fn faulty() -> Vec<(Value, &'static str, &'static str)> {
    vec![
        (
            json!({"mask": {"gone": "full"}}),
            "mask/gone",
            "cannot be read",
        ),
        (json!({"mask": {"id": "full"}}), "mask/id", "key"),
        (json!({"mask": {"name": "full"}}), "mask/name", "written"),
        (
            json!({"mask": {"email": "hash"}}),
            "mask/email",
            "no hash function",
        ),
        (json!({"rows": "region = lower('x')"}), "rows", "`(`"),
        (
            json!({"writable": {"id": {}}}),
            "writable/id",
            "hidden rows",
        ),
    ]
}

#[test]
fn masks_and_rules_that_cannot_hold_are_told_with_their_place() {
    for (change, at, why) in faulty() {
        let mut scope = scope();
        let table = scope["tables"]["customers"].as_object_mut().unwrap();
        table.extend(change.as_object().unwrap().clone());
        let faults = part::check(&part_of(scope), &Labels::default());
        let found = faults.iter().find(|fault| fault.pointer.ends_with(at));
        let found = found.unwrap_or_else(|| panic!("{at}: {faults:?}"));
        assert!(
            found.rule.contains(why) && !found.mend.is_empty(),
            "{found:?}"
        );
    }
}

pub(super) fn part_of(scope: Value) -> drawbridge_core::connector::Part {
    drawbridge_core::connector::Part {
        system: json!({"url": "sqlite:crm.db"}),
        scope,
        powers: std::collections::BTreeSet::new(),
        stale_after: None,
        when_stale: drawbridge_core::file::WhenStale::Warn,
    }
}

/// What a table becomes, and which way that goes: `w` widens, `n` narrows, nothing is no change.
fn changes() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"rows": "region  = :person.region"}), ""),
        (json!({"rows": "region = :person.region AND rank < 3"}), "n"),
        (json!({"rows": "region = :person.region OR rank < 3"}), "w"),
        (json!({"rows": "region = :person.country"}), "w"),
        (json!({"rows": null}), "w"),
        (
            json!({"mask": {"email": "partial", "born": "year", "phone": "full", "rank": "year"}, "writable": {}}),
            "nnn",
        ),
        (
            json!({"mask": {"email": "full", "born": "year", "phone": "full"}}),
            "n",
        ),
        (
            json!({"mask": {"email": "partial", "born": "partial", "phone": "full"}}),
            "w",
        ),
        (json!({"mask": {"email": "partial", "phone": "full"}}), "w"),
    ]
}

#[test]
fn each_change_of_a_view_says_which_way_it_goes() {
    let old = part_of(scope());
    for (change, directions) in changes() {
        let mut scope = scope();
        let table = scope["tables"]["customers"].as_object_mut().unwrap();
        table.extend(change.as_object().unwrap().clone());
        let new = part_of(scope);
        let told = |old, new| -> Vec<String> {
            let changes = part::compare(old, new, &Labels::default());
            changes
                .iter()
                .map(|change| format!("{:?}", change.direction))
                .collect()
        };
        let wanted: Vec<&str> = directions
            .chars()
            .map(|one| if one == 'w' { "Widens" } else { "Narrows" })
            .collect();
        assert_eq!(told(&old, &new), wanted, "{change}");
    }
    let mut off = scope();
    off["query"] = json!(false);
    let off = part_of(off);
    assert_eq!(part::compare(&off, &old, &Labels::default()).len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    /// Whatever hidden rows there are, nobody learns of them.
    #[test]
    fn hidden_rows_change_no_byte_of_any_answer(
        hidden in prop::collection::vec((6..60_i64, "[a-z'\\PC]{0,9}", "south|west||North|NORTH |x"), 0..9),
        after in 0..60_i64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let quoted = |text: &str| text.replace('\'', "''").replace('\0', "");
            let inserts: String = hidden.iter().map(|(id, name, region)| format!(
                "INSERT OR IGNORE INTO customers (id, name, region, email) VALUES ({id}, '{0}', '{1}', '{0}');",
                quoted(name), quoted(region))).collect();
            let without = Bench::with(SCHEMA, scope(), true).await;
            let with = Bench::with(&format!("{SCHEMA}{inserts}"), scope(), true).await;
            for arguments in [json!({}), json!({"limit": 2}), json!({"after": after, "limit": 1})] {
                assert_eq!(ask(&with, "list", arguments.clone()).await, ask(&without, "list", arguments).await);
            }
            let key = json!({"key": after});
            assert_eq!(ask(&with, "read", key.clone()).await, ask(&without, "read", key.clone()).await);
            assert_eq!(act(&with, "delete", key.clone()).await, act(&without, "delete", key).await);
        });
    }
}
