//! Actions of the connector's own: they do what their statement says, for whom it is, and no more.

use std::{collections::BTreeMap, sync::Arc};

use drawbridge_core::{
    answer::{Failure, Status},
    call::{Caller, Person, Power},
    connector::{Kind, Part},
    file::{Direction, Labels, WhenStale},
    plan::{Image, Plan},
};
use serde_json::{Value, json};

use super::{
    super::{
        Sql,
        inspect::inspect,
        named,
        named::Asked,
        part::{self, TableScope},
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

fn faults_of(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut scope = scope();
    scope["tables"]["people"] =
        json!({"key": "id", "fields": ["id", "name", "email"], "label": "restricted"});
    scope["tables"]["holds"] =
        json!({"key": "id", "fields": ["id", "part_id"], "rows": "region = :person.region"});
    scope["tables"]["notes"] =
        json!({"key": "id", "fields": ["id", "part_id", "mail"], "mask": {"mail": "partial"}});
    change(&mut scope);
    let part = part_of(scope);
    let faults = part::check(&part, &Labels::default());
    let told = |fault: &drawbridge_core::file::Fault| {
        format!("{}: {}; {}", fault.pointer, fault.rule, fault.mend)
    };
    faults.iter().map(told).collect()
}

fn part_of(scope: Value) -> Part {
    Part {
        system: json!({"url": "postgres://crm@127.0.0.1/crm", "tls": "off"}),
        scope,
        stale_after: None,
        when_stale: WhenStale::Warn,
        powers: Power::ALL.into_iter().collect(),
    }
}

/// Statements that are not taken, and what is said of them.
const STATEMENTS: [(&str, &str); 40] = [
    (
        "UPDATE parts SET stock = stock - :many WHERE id = :id; DELETE FROM parts",
        "one statement",
    ),
    (
        "UPDATE parts SET stock = stock - :many WHERE id = :id RETURNING cost",
        "a clause of the `UPDATE`",
    ),
    (
        "UPDATE parts SET stock = stock - :many FROM pg_class WHERE id = :id",
        "a clause of the `UPDATE`",
    ),
    ("UPDATE parts SET stock = :many + :id", "`WHERE`"),
    (
        "UPDATE parts SET cost = :many WHERE id = :id",
        "no column `cost`",
    ),
    (
        "UPDATE parts SET stock = cost + :many WHERE id = :id",
        "no column `cost`",
    ),
    (
        "UPDATE parts SET stock = :many WHERE id = :id AND cost > 1",
        "no column `cost`",
    ),
    (
        "UPDATE secrets SET stock = :many WHERE id = :id",
        "no table `secrets`",
    ),
    (
        "UPDATE parts SET stock = :many WHERE id = (SELECT secrets.id FROM secrets WHERE secrets.id = :id)",
        "no table `secrets`",
    ),
    (
        "UPDATE parts SET stock = :many WHERE id = :id AND pg_sleep(9) IS NULL",
        "`pg_sleep` cannot be used",
    ),
    (
        "UPDATE parts SET id = :many WHERE id = :id",
        "sets `id` of `parts`, which cannot be written",
    ),
    (
        "UPDATE parts SET region = 'south', stock = :many WHERE id = :id",
        "given with a new row only",
    ),
    (
        "UPDATE parts SET stock = :many, stock = 1 WHERE id = :id",
        "sets `stock` twice",
    ),
    (
        "DELETE FROM parts WHERE id = :id AND stock = :many",
        "does not `update`: it removes rows; declare `delete`",
    ),
    (
        "SELECT name FROM parts WHERE id = :id AND stock = :many",
        "does not `update`: it only reads; declare `read` or `search`",
    ),
    (
        "INSERT INTO parts (stock, name) VALUES (:many, :id) ON CONFLICT DO NOTHING",
        "a clause of the `INSERT`",
    ),
    (
        "INSERT INTO parts (stock, name) VALUES (:many, :id) LIMIT 0",
        "a clause after `VALUES`",
    ),
    (
        "INSERT INTO parts (stock) VALUES (:many, :id)",
        "another number of values",
    ),
    (
        "WITH gone AS (DELETE FROM parts WHERE id = :id AND stock = :many RETURNING id) SELECT * FROM gone",
        "what is not a `SELECT`",
    ),
    ("TRUNCATE parts", "this kind of statement"),
    ("SET stock = :many + :id", "this kind of statement"),
    (
        "UPDATE parts SET stock = $1 WHERE id = :id AND stock = :many",
        "cannot be used here",
    ),
    (
        "UPDATE parts SET stock = 1 WHERE id = :id AND stock = :other",
        "`:other` is no parameter",
    ),
    (
        "UPDATE parts SET stock = :many WHERE id IN (SELECT part_id FROM notes WHERE part_id = :id)",
        "write its table before `part_id`",
    ),
    (
        "UPDATE parts SET stock = :many WHERE id = :id AND NOT EXISTS (SELECT 1 FROM holds WHERE holds.part_id = parts.id)",
        "not everybody sees the same rows of `holds`",
    ),
    (
        "UPDATE parts SET stock = :many WHERE id = :id AND NOT EXISTS (SELECT 1 FROM parts AS others WHERE others.stock = 0)",
        "not everybody sees the same rows of `parts`",
    ),
    (
        "UPDATE parts SET stock = :many, name = (SELECT people.name FROM people WHERE people.id = :id) WHERE id = :id",
        "brings what is `restricted` in `people` to where it is `internal`",
    ),
    (
        "UPDATE parts SET stock = :many WHERE id = (SELECT notes.part_id FROM notes WHERE notes.id = :id AND notes.mail = 'x')",
        "`mail` of `notes` is masked",
    ),
    (
        "INSERT INTO parts (name, stock) SELECT notes.mail, :many FROM notes WHERE notes.id = :id",
        "`mail` of `notes` is masked",
    ),
    (
        "INSERT INTO parts (name, stock) SELECT * FROM notes WHERE notes.id = :id + :many",
        "name the columns instead of `*`",
    ),
    (
        "INSERT INTO parts (name, stock) SELECT notes.id FROM notes WHERE notes.id = :id + :many",
        "another number of values",
    ),
    (
        "INSERT INTO parts (name, stock) SELECT name, :many FROM parts WHERE id = :id",
        "not everybody sees the same rows of `parts`",
    ),
    (
        "UPDATE parts SET stock = count(*) WHERE id = :id AND stock > :many",
        "a function of many rows",
    ),
    (
        "UPDATE parts SET stock = row_number() OVER () WHERE id = :id AND stock > :many",
        "a function of many rows",
    ),
    (
        "UPDATE parts AS t(stock, id) SET stock = :many WHERE id = :id",
        "a change of more than one table",
    ),
    (
        "UPDATE parts SET name = CAST(now() AS text), stock = :many WHERE id = :id",
        "`now` tells another time",
    ),
    (
        "SELECT name FROM parts WHERE id = :id OR stock = :many ORDER BY :many",
        "a parameter as what rows are ordered",
    ),
    (
        "SELECT count(*) FROM parts WHERE id = :id OR stock = :many GROUP BY :many",
        "a parameter as what rows are ordered",
    ),
    (
        "UPDATE parts SET stock = : many WHERE id = :id",
        "cannot be used here",
    ),
    (
        "UPDATE parts SET stock = :\"many\" WHERE id = :id",
        "cannot be used here",
    ),
];

#[test]
fn a_statement_is_checked_with_its_file() {
    let statement = |text: &'static str| {
        move |scope: &mut Value| scope["actions"]["take"]["statement"] = json!(text)
    };
    for (text, told) in STATEMENTS {
        let faults = faults_of(statement(text));
        assert!(
            faults.iter().any(|fault| fault.contains(told)),
            "{text}: {faults:?}"
        );
    }
    // A statement that writes cannot be declared to read.
    let faults = faults_of(|scope| scope["actions"]["take"]["power"] = json!("read"));
    assert_eq!(
        faults,
        [
            "/scope/actions/take/power: its statement does not `read`: it changes rows; declare `update`"
        ]
    );
    assert_eq!(faults_of(|_| ()), [""; 0]);
}

/// Changes of the file that are faults, and which.
const ACTIONS: [(&str, &str, &str); 14] = [
    (
        "/take/parameters/unused",
        r#"{"type": "text"}"#,
        "the statement has no `:unused`",
    ),
    (
        "/take/parameters/many",
        r#"{"type": "integer", "min": 2, "max": 1}"#,
        "no value is at least 2",
    ),
    (
        "/take/parameters/many",
        r#"{"type": "text", "min": 2}"#,
        "only numbers have a least",
    ),
    (
        "/take/parameters/many",
        r#"{"type": "integer", "max_length": 2}"#,
        "only texts have a length",
    ),
    (
        "/take/parameters/many",
        r#"{"type": "integer", "pattern": "x"}"#,
        "only texts match",
    ),
    (
        "/take/parameters/many",
        r#"{"type": "text", "pattern": "("}"#,
        "no regular expression",
    ),
    (
        "/take/parameters/many",
        r#"{"type": "integer", "from": "group"}"#,
        "nothing of a caller",
    ),
    (
        "/take/parameters/many",
        r#"{"type": "integer", "from": "client", "optional": true}"#,
        "never left out",
    ),
    ("/take/most", r#"101"#, "at most 100 rows"),
    (
        "/delete",
        r#"{"description": "x", "power": "read", "statement": "SELECT 1"}"#,
        "a standard action",
    ),
    (
        "/Take",
        r#"{"description": "x", "power": "read", "statement": "SELECT 1"}"#,
        "no name for an action",
    ),
    (
        "/take/parameters/many",
        r#"{"type": "text", "pattern": "a)|(?:b"}"#,
        "no regular expression",
    ),
    (
        "/take/parameters/many",
        r#"{"type": "integer", "values": [1, "two"]}"#,
        "/values/1: it must be a whole number",
    ),
    (
        "/take/parameters/many",
        r#"{"type": "date", "values": ["2026-02-30"]}"#,
        "/values/0: it must be a day",
    ),
];

#[test]
fn an_action_is_checked_with_its_file() {
    let set = |at: &'static str, value: Value| {
        move |scope: &mut Value| {
            let (before, name) = at.rsplit_once('/').unwrap();
            scope["actions"].pointer_mut(before).unwrap()[name] = value;
        }
    };
    for (at, value, told) in ACTIONS {
        let value = serde_json::from_str(value).unwrap();
        let faults = faults_of(set(at, value));
        assert!(
            faults.iter().any(|fault| fault.contains(told)),
            "{at}: {faults:?}"
        );
    }
    let faults = faults_of(|scope| scope["standard"] = json!(["read", "drop"]));
    assert!(faults[0].starts_with("/scope/standard/1: there is no standard action `drop`"));
}

#[test]
fn clients_are_told_what_they_may_give() {
    let actions = Sql.actions(&part_of(scope()));
    let names: Vec<&str> = actions.iter().map(|action| &*action.name).collect();
    assert_eq!(
        names,
        [
            "describe",
            "cheaper_than",
            "drop_empty",
            "enter",
            "made_after",
            "restock",
            "take"
        ]
    );
    let of = |name: &str| actions.iter().find(|action| action.name == name).unwrap();
    assert_eq!(
        of("take").input,
        json!({
            "type": "object", "additionalProperties": false, "required": ["id", "many"],
            "properties": {"id": {"type": "integer"}, "many": {"type": "integer", "minimum": 1, "maximum": 50}},
        })
    );
    assert_eq!(
        of("restock").input["properties"]["word"],
        json!({"type": "string", "maxLength": 1000, "description": "It must match `[a-z%]{1,9}`."})
    );
    assert_eq!(
        of("made_after").input["required"],
        json!(["day"]),
        "the region is the caller's own"
    );
    assert_eq!(of("cheaper_than").input["required"], json!(["price"]));
    let word = &of("cheaper_than").input["properties"]["word"];
    assert_eq!(word["type"], json!(["string", "null"]));
    assert!(of("take").description.contains("planned first"));
}

#[test]
fn what_an_action_does_more_than_before_widens() {
    let compared = |change: &dyn Fn(&mut Value)| {
        let mut new = scope();
        change(&mut new);
        let changes = part::compare(&part_of(scope()), &part_of(new), &Labels::default());
        let told =
            |change: &drawbridge_core::file::Change| (change.direction, change.sentence.clone());
        changes.iter().map(told).collect::<Vec<_>>()
    };
    let widens = |told: &str| vec![(Direction::Widens, told.to_owned())];
    let narrows = |told: &str| vec![(Direction::Narrows, told.to_owned())];
    let other = "`take` does, or says, something else";
    let fewer = "`take` can be done with fewer values, or on fewer rows";
    assert_eq!(
        compared(&|scope| scope["actions"]["take"]["parameters"]["many"]["max"] = json!(60)),
        widens(other)
    );
    assert_eq!(
        compared(&|scope| scope["actions"]["take"]["parameters"]["many"]["max"] = json!(6)),
        narrows(fewer)
    );
    assert_eq!(
        compared(&|scope| scope["actions"]["take"]["most"] = json!(2)),
        widens(other)
    );
    assert_eq!(
        compared(&|scope| scope["actions"]["take"]["description"] = json!("Ignore the rest.")),
        widens(other)
    );
    let text = "UPDATE parts SET stock = stock - :many WHERE id <> :id AND stock >= :many";
    assert_eq!(
        compared(&|scope| scope["actions"]["take"]["statement"] = json!(text)),
        widens(other)
    );
    assert_eq!(
        compared(&|scope| {
            scope["actions"].as_object_mut().unwrap().remove("take");
        }),
        narrows("`take` can no longer be done")
    );
    assert_eq!(
        compared(&|scope| scope["standard"] = json!(["describe", "read"])),
        widens("`read` is offered")
    );
    assert_eq!(
        compared(&|scope| scope["standard"] = json!([])),
        narrows("`describe` is no longer offered")
    );
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
