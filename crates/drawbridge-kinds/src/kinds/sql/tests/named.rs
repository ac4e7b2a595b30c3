//! Actions of the connector's own: they do what their statement says, for whom it is, and no more.

mod checked;

use std::{collections::BTreeMap, sync::Arc};

use drawbridge_core::{
    answer::{Failure, Status},
    call::{Caller, Person, Power},
    plan::{Image, Plan},
};
use serde_json::{Value, json};

use super::{
    super::{
        inspect::inspect,
        named::{self, Asked},
        part::TableScope,
    },
    Bench,
    engine::{Engine, each},
    key_of,
};

const SCHEMA: &str = "
    CREATE TABLE parts (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, region TEXT NOT NULL, stock INTEGER NOT NULL,
        price NUMERIC(10, 2), made DATE, cost INTEGER);
    INSERT INTO parts (id, name, region, stock, price, made, cost) VALUES
        (1, 'bolt', 'north', 10, 1.50, '2026-01-31', 7), (2, 'nut', 'north', 0, 0.25, '2026-03-01', 7),
        (3, 'gear', 'south', 5, 12.00, '2025-12-24', 7), (4, 'cog', 'north', 3, NULL, NULL, 7);
";

fn scope() -> Value {
    json!({
        "label": "internal",
        "standard": ["describe"],
        "tables": {"parts": {
            "key": "id", "fields": ["id", "name", "region", "stock", "price", "made"],
            "rows": "region = :person.region",
            "writable": {"stock": {"min": 0, "max": 100}, "name": {"max_length": 40}, "region": {"once": true}},
        }},
        "actions": {
            "cheaper_than": {
                "description": "Parts under a price.", "power": "search", "most": 2,
                "statement": "SELECT name, price FROM parts WHERE price < :price AND (:word IS NULL OR name LIKE :word) ORDER BY name",
                "parameters": {"price": {"type": "number", "min": 0, "max": 1000}, "word": {"type": "text", "optional": true}},
            },
            "made_after": {
                "description": "Parts made after a day.", "power": "read",
                "statement": "SELECT count(*) AS parts FROM parts WHERE made > :day AND region = :region",
                "parameters": {"day": {"type": "date"}, "region": {"type": "text", "from": "person.region"}},
            },
            "take": {
                "description": "Takes parts out of the store.", "power": "update",
                "statement": "UPDATE parts SET stock = stock - :many WHERE id = :id AND stock >= :many",
                "parameters": {"id": {"type": "integer"}, "many": {"type": "integer", "min": 1, "max": 50}},
            },
            "restock": {
                "description": "Adds one to each part of a kind.", "power": "update", "most": 2,
                "statement": "UPDATE parts SET stock = stock + 1 WHERE name LIKE :word",
                "parameters": {"word": {"type": "text", "pattern": "[a-z%]{1,9}"}},
            },
            "enter": {
                "description": "Enters a new part.", "power": "write",
                "statement": "INSERT INTO parts (name, region, stock) VALUES (:name, :region, 0)",
                "parameters": {"name": {"type": "text", "max_length": 20}, "region": {"type": "text", "from": "person.region"}},
            },
            "drop_empty": {
                "description": "Removes a part of which there is none.", "power": "delete",
                "statement": "DELETE FROM parts WHERE id = :id AND stock = 0",
                "parameters": {"id": {"type": "integer"}},
            },
        },
    })
}

fn caller(attributes: &[(&str, &str)]) -> Caller {
    let attributes = attributes.iter();
    let attributes: BTreeMap<String, String> = attributes
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let id = "ann@acme.example".to_owned();
    let person = Person {
        id,
        attributes,
        ..Person::anonymous()
    };
    Caller {
        person: Arc::new(person),
        ..Caller::gateway()
    }
}

fn northerner() -> Caller {
    caller(&[("region", "north")])
}

/// The tables as somebody sees them.
fn seen(bench: &Bench, caller: &Caller) -> Vec<TableScope> {
    let tables = bench.database.own.tables.values();
    let own = &bench.database.own;
    tables.map(|table| own.seen_by(table, caller)).collect()
}

async fn read(bench: &Bench, action: &str, arguments: Value) -> Result<Value, Failure> {
    read_as(bench, &northerner(), action, arguments).await
}

async fn read_as(
    bench: &Bench,
    caller: &Caller,
    action: &str,
    arguments: Value,
) -> Result<Value, Failure> {
    let tables = &seen(bench, caller);
    let asked = Asked {
        action,
        caller,
        arguments: &arguments,
        tables,
    };
    let named = &bench.database.own.named[action];
    let found = named::fetch(&bench.database, named, &asked).await?;
    Ok(json!({"rows": found.data["rows"], "missing": found.missing}))
}

async fn plan(bench: &Bench, action: &str, arguments: Value) -> Result<Plan, Failure> {
    let caller = &northerner();
    let tables = &seen(bench, caller);
    let asked = Asked {
        action,
        caller,
        arguments: &arguments,
        tables,
    };
    named::plan(&bench.database, &bench.database.own.named[action], &asked).await
}

/// What a plan says of a field, before and after.
fn stocks(plan: &Plan) -> Vec<(Value, Value)> {
    let of = |image: &Option<Image>| match image {
        Some(Image::Fields(fields)) => fields["stock"].clone(),
        _ => Value::Null,
    };
    let targets = plan.targets.iter();
    targets
        .map(|target| (of(&target.before), of(&target.after)))
        .collect()
}

#[tokio::test]
async fn a_statement_that_reads_answers_with_what_its_caller_may_see() {
    each(reads).await;
}

async fn reads(engine: Engine) {
    let bench = Bench::spoken(engine, SCHEMA, scope()).await;
    let found = read(&bench, "cheaper_than", json!({"price": 2})).await;
    assert_eq!(
        found.unwrap(),
        json!({"rows": [["bolt", 1.5], ["nut", 0.25]], "missing": []})
    );
    let null = json!({"price": 2, "word": null});
    let found = read(&bench, "cheaper_than", null).await.unwrap();
    assert_eq!(found["rows"], json!([["bolt", 1.5], ["nut", 0.25]]));
    let found = read(&bench, "cheaper_than", json!({"price": 1.25, "word": "n%"})).await;
    assert_eq!(found.unwrap()["rows"], json!([["nut", 0.25]]));
    // What would be a way out, pasted, is a value.
    let out = json!({"price": 999, "word": "' OR 1=1 --"});
    assert_eq!(
        read(&bench, "cheaper_than", out).await.unwrap()["rows"],
        json!([])
    );
    let count = async |caller: &Caller, day: &str| {
        let found = read_as(&bench, caller, "made_after", json!({"day": day})).await;
        found.map(|found| found["rows"][0][0].clone())
    };
    assert_eq!(count(&northerner(), "2026-01-31").await.unwrap(), json!(1));
    let southerner = caller(&[("region", "south")]);
    assert_eq!(count(&southerner, "2025-01-31").await.unwrap(), json!(1));
    let nobody = count(&caller(&[]), "2025-01-31").await.unwrap_err();
    assert_eq!(nobody.status, Status::Denied);
    assert!(
        nobody.message.contains("`person.region`"),
        "{}",
        nobody.message
    );
    for (action, arguments, told) in [
        ("cheaper_than", json!({}), "`price`: it is missing"),
        (
            "cheaper_than",
            json!({"price": 1001}),
            "`price`: it must be at most 1000",
        ),
        (
            "cheaper_than",
            json!({"price": "1"}),
            "`price`: it must be a number",
        ),
        (
            "made_after",
            json!({"day": "31.01.2026"}),
            "`day`: it must be a day like",
        ),
        (
            "made_after",
            json!({"day": "2026-02-30"}),
            "`day`: it must be a day like",
        ),
    ] {
        let failure = read(&bench, action, arguments).await.unwrap_err();
        assert_eq!(failure.status, Status::Invalid);
        assert!(failure.message.contains(told), "{}", failure.message);
    }
}

#[tokio::test]
async fn more_rows_than_the_file_says_are_cut_and_told() {
    each(async |engine| {
        let bench = Bench::spoken(engine, SCHEMA, scope()).await;
        bench
            .sql("INSERT INTO parts (id, name, region, stock, price) VALUES (9, 'pin', 'north', 1, 0.10)")
            .await;
        let found = read(&bench, "cheaper_than", json!({"price": 2})).await.unwrap();
        assert_eq!(found["rows"], json!([["bolt", 1.5], ["nut", 0.25]]));
        assert!(found["missing"][0].as_str().unwrap().contains("more rows"));
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_changes_is_planned_row_by_row_done_and_undone() {
    each(changes).await;
}

async fn changes(engine: Engine) {
    let bench = Bench::spoken(engine, SCHEMA, scope()).await;
    let before = bench.dump().await;
    let taken = plan(&bench, "take", json!({"id": 1, "many": 4}))
        .await
        .unwrap();
    assert_eq!((&*taken.action, taken.power), ("take", Power::Update));
    assert_eq!(stocks(&taken), [(json!(10), json!(6))]);
    let many = plan(&bench, "restock", json!({"word": "%o%"}))
        .await
        .unwrap();
    assert_eq!(
        stocks(&many),
        [(json!(10), json!(11)), (json!(3), json!(4))],
        "and not the gear of the south"
    );
    assert_eq!(many.sentence, "Change 2 rows: parts/1, parts/4");
    let entered = plan(&bench, "enter", json!({"name": "axle"}))
        .await
        .unwrap();
    let dropped = plan(&bench, "drop_empty", json!({"id": 2})).await.unwrap();
    assert_eq!(bench.dump().await, before, "planning changes nothing");
    for planned in [taken, entered, dropped] {
        let before = bench.dump().await;
        let receipt = bench.apply(&planned, &key_of(&planned)).await.unwrap();
        assert_ne!(bench.dump().await, before, "{}", planned.sentence);
        bench.undo(&planned, &receipt).await.unwrap();
        assert_eq!(bench.dump().await, before, "{}", planned.sentence);
    }
    // What it was planned on has changed: another takes first.
    bench.sql("UPDATE parts SET stock = 7 WHERE id = 4").await;
    let late = bench.apply(&many, &key_of(&many)).await.unwrap_err();
    assert_eq!(late.status, Status::Conflict);
}

/// Calls that are not planned, and why.
const REFUSED: [(&str, &str, Status, &str); 10] = [
    (
        "restock",
        r#"{"word": "%"}"#,
        Status::Limited,
        "more than 2 rows",
    ),
    ("restock", r#"{"word": "gear"}"#, Status::NotFound, "no row"),
    (
        "restock",
        r#"{"word": "Gear"}"#,
        Status::Invalid,
        "`word`: it must match",
    ),
    (
        "take",
        r#"{"id": 2, "many": 1}"#,
        Status::NotFound,
        "no row",
    ),
    (
        "take",
        r#"{"id": 3, "many": 1}"#,
        Status::NotFound,
        "no row",
    ),
    (
        "take",
        r#"{"id": 1, "many": 51}"#,
        Status::Invalid,
        "at most 50",
    ),
    (
        "take",
        r#"{"id": 1, "many": -4}"#,
        Status::Invalid,
        "at least 1",
    ),
    (
        "take",
        r#"{"id": 1.5, "many": 1}"#,
        Status::Invalid,
        "`id`: it must be a whole number",
    ),
    ("drop_empty", r#"{"id": 1}"#, Status::NotFound, "no row"),
    (
        "enter",
        r#"{"name": "xxxxxxxxxxxxxxxxxxxxx"}"#,
        Status::Invalid,
        "at most 20 characters",
    ),
];

#[tokio::test]
async fn what_a_statement_would_change_beyond_its_bounds_is_not_planned() {
    each(bounds).await;
}

async fn bounds(engine: Engine) {
    let bench = Bench::spoken(engine, SCHEMA, scope()).await;
    for (action, arguments, status, told) in REFUSED {
        let arguments = serde_json::from_str(arguments).unwrap();
        let failure = plan(&bench, action, arguments).await.unwrap_err();
        assert_eq!(failure.status, status, "{action}: {}", failure.message);
        assert!(
            failure.message.contains(told),
            "{action}: {}",
            failure.message
        );
    }
    // The rules of the table hold for a statement too.
    bench.sql("UPDATE parts SET stock = 100 WHERE id = 1").await;
    let failure = plan(&bench, "restock", json!({"word": "bolt"}))
        .await
        .unwrap_err();
    assert!(
        failure.message.contains("at most 100"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn a_statement_that_the_database_cannot_work_out_is_told_when_it_is_looked_at() {
    each(async |engine| {
        let bench = Bench::spoken(engine, SCHEMA, scope()).await;
        let looked = inspect(&bench.database).await;
        assert_eq!(looked.problem_count, 0, "{engine:?}: {:?}", looked.problems);
        let mut scope = scope();
        scope["actions"]["made_after"]["statement"] =
            json!("SELECT round(made, id, :day) FROM parts WHERE region = :region");
        let bench = Bench::spoken(engine, SCHEMA, scope).await;
        let looked = inspect(&bench.database).await;
        assert_eq!(looked.problems.len(), 1, "{engine:?}");
        assert_eq!(looked.problems[0].path, "actions/made_after");
    })
    .await;
}

/// What a statement does in a database of other types.
async fn done(engine: Engine, statement: &str, arguments: Value) -> Result<Plan, Failure> {
    let schema = "CREATE TABLE sums (id VARCHAR(40) PRIMARY KEY, exact NUMERIC(30, 10), a INTEGER, b INTEGER);
        INSERT INTO sums VALUES ('0198a8e7-2f6b-7c31-9d5e-0b1c2d3e4f50', 12345678901234567.8901, 1, 1), ('two', 1, 1, 1), ('one', 1, 1, 1);";
    let scope = json!({"label": "internal", "tables": {"sums": {
        "key": "id", "fields": ["id", "exact", "a", "b"],
        "writable": {"exact": {"min": 0}, "a": {}, "b": {}},
    }}, "actions": {"set": {
        "description": "x", "power": "update", "statement": statement, "most": 3,
        "parameters": {"n": {"type": "number"}},
    }}});
    let bench = Bench::spoken(engine, schema, scope).await;
    plan(&bench, "set", arguments).await
}

#[tokio::test]
async fn numbers_keep_their_digits_and_rows_their_order() {
    each(async |engine| {
        let after = |plan: &Plan, field: &str| {
            let images = plan.targets.iter().map(|target| match &target.after {
                Some(Image::Fields(fields)) => fields[field].clone(),
                _ => Value::Null,
            });
            images.collect::<Vec<Value>>()
        };
        let set = "UPDATE sums SET exact = :n WHERE id = 'one'";
        let precise = done(engine, set, json!({"n": 1_234_567_890_123.456_7}))
            .await
            .unwrap();
        assert_eq!(
            after(&precise, "exact"),
            [json!(1_234_567_890_123.456_7)],
            "{engine:?}"
        );
        if matches!(engine, Engine::Postgres) {
            let more = "UPDATE sums SET exact = exact + :n WHERE a = 1 AND id > 'a' OR exact > 2";
            let more = done(engine, more, json!({"n": 0.5})).await.unwrap();
            assert_eq!(
                after(&more, "exact"),
                [
                    json!("12345678901234568.3901000000"),
                    json!(1.5),
                    json!(1.5)
                ]
            );
        }
        let all = "UPDATE sums SET a = a + :n WHERE b = 1";
        let planned = done(engine, all, json!({"n": 1})).await.unwrap();
        let names: Vec<&str> = planned
            .targets
            .iter()
            .map(|target| &*target.resource)
            .collect();
        assert_eq!(
            names,
            [
                "sums/0198a8e7-2f6b-7c31-9d5e-0b1c2d3e4f50",
                "sums/one",
                "sums/two"
            ]
        );
    })
    .await;
}
