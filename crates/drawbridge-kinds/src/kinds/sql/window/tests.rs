use super::{super::part, *};
use serde_json::{Value, json};

const HOME: (Dialect, &str) = (Dialect::Sqlite, "main");

fn scope(home: (Dialect, &str), table: &Value) -> TableScope {
    let table: part::Table = serde_json::from_value(table.clone()).unwrap();
    TableScope::of(("customers", &table), "internal", home).unwrap()
}

fn text(piece: &Piece) -> String {
    let one = |segment: &Segment| match segment {
        Segment::Text(text) => text.clone(),
        Segment::Value(Cell::Text(bytes), column) => {
            format!(
                "«{}:{}»",
                String::from_utf8_lossy(bytes),
                column.as_ref().map_or("-", |beside| &beside.column)
            )
        }
        Segment::Value(cell, _) => format!("«{cell:?}»"),
    };
    piece.0.iter().map(one).collect()
}

#[test]
fn values_of_a_caller_are_bound_and_never_pasted() {
    let table = json!({
        "key": "id", "fields": ["id", "na\"me"],
        "rows": "region = :person.region AND (owner IN (:person.id, 'it''s') OR NOT open <> TRUE)",
    });
    let evil = "x' OR '1'='1";
    let given = [("person.region", evil), ("person.id", "ann")];
    let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let seen = scope(HOME, &table).with_given(given.clone().into());
    assert_eq!(
        text(&seen.window()),
        format!(
            "SELECT t.\"id\" AS \"id\", t.\"na\"\"me\" AS \"na\"\"me\" FROM \"main\".\"customers\" AS t \
             WHERE ((t.\"region\" = «{evil}:region») AND ((t.\"owner\" IN («ann:owner», 'it''s')) \
             OR (NOT (t.\"open\" <> TRUE))))"
        )
    );
    let seen = scope((Dialect::MariaDb, "main"), &table).with_given(given.into());
    assert!(text(&seen.window()).contains("t.`na\"me` AS `na\"me` FROM `main`.`customers` AS t"));
}

#[test]
fn who_lacks_an_attribute_sees_no_row() {
    let table = json!({
        "key": "id", "fields": ["id"], "rows": "region = :person.region OR NOT id = 1",
    });
    let scope = scope(HOME, &table);
    assert_eq!(text(&scope.rule().unwrap()), "1 = 0");
    let given = [("person.region".to_owned(), String::new())];
    assert_ne!(
        text(&scope.with_given(given.into()).rule().unwrap()),
        "1 = 0"
    );
}

/// Rule, and what is wrong with it.
const WRONG: &str = "
region =  =>  ends too early
region = :person  =>  of the caller there is
region = :owner.x  =>  of the caller there is
region = 'x' -- more  =>  comment
region = /* */ 'x'  =>  comment
region = lower('x')  =>  `(`
lower(region) = 'x'  =>  `(`
region = (SELECT 1)  =>  `(`
region = 'x'; DROP TABLE a  =>  `;`
region || 'x' = 'y'  =>  `||`
region = 'x' UNION SELECT 1  =>  `UNION`
t.region = 'x'  =>  `.`
region = $1  =>  `$1`
region = ?  =>  `?`
region NOT = 'x'  =>  `=`
region  =>  ends too early
EXISTS (SELECT 1)  =>  `(`
region = 1 + 1  =>  `+`
region = 'a\\b'  =>  not understood
id IN ()  =>  `)`
id = 1e5  =>  not understood
id = 0x10  =>  not understood
id COLLATE nocase = 'x'  =>  `COLLATE`
id = @a  =>  not understood
";

#[test]
fn a_rule_is_understood_word_for_word_or_refused() {
    for line in WRONG.lines().skip(1) {
        let (rule, why) = line.split_once("  =>  ").unwrap();
        let table = json!({"key": "id", "fields": ["id"], "rows": rule});
        let table: part::Table = serde_json::from_value(table).unwrap();
        let wrong = TableScope::of(("a", &table), "internal", HOME).unwrap_err();
        assert!(wrong.contains(why), "{rule}: {wrong}");
    }
    let deep = format!("{}id = 1{}", "(".repeat(17), ")".repeat(17));
    let nots = format!("{}id = 1", "NOT ".repeat(17));
    for rule in [deep, nots, format!("id = '{}'", "x".repeat(2_000))] {
        let table = json!({"key": "id", "fields": ["id"], "rows": rule});
        let table: part::Table = serde_json::from_value(table).unwrap();
        assert!(TableScope::of(("a", &table), "internal", HOME).is_err());
    }
}
