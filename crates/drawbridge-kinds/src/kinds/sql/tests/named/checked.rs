//! What is wrong with an action, what clients are told of it, and what is new of it, by its file alone.

use drawbridge_core::{
    call::Power,
    connector::{Kind, Part},
    file::{Direction, Labels, WhenStale},
};
use serde_json::{Value, json};

use super::{
    super::super::{Sql, part},
    scope,
};

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
