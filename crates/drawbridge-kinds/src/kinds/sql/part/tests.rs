use drawbridge_core::{
    connector::Part,
    file::{Direction, Labels, WhenStale},
};
use serde_json::{Value, json};

use super::{check, compare};

fn part(system: &Value, scope: &Value) -> Part {
    Part {
        system: system.clone(),
        scope: scope.clone(),
        stale_after: None,
        when_stale: WhenStale::Warn,
        powers: std::collections::BTreeSet::new(),
    }
}

/// A scope with one table, which has some keys more or otherwise; or none.
fn scope(more: &str) -> Value {
    if more == "none" {
        return json!({"tables": {}});
    }
    let mut table = json!({"key": "id", "fields": ["id", "status"], "label": "internal"});
    let more: Value = serde_json::from_str(more).unwrap();
    table
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json!({"tables": {"tickets": table}})
}

/// What a table has, and where the fault is.
const WRONG: &str = r#"
{"label": "odd"} | label
{"label": null} |
{"key": "code"} | key
{"key": ["id", "id"]} | key
{"key": []} | key
{"fields": ["id", "ID"]} | fields/1
{"fields": ["id", "a\u0000"]} | fields/1
{"writable": {"secret": {}}} | writable/secret
{"writable": {"status": {"min": 2, "max": 1}}} | writable/status/min
{"writable": {"status": {"pattern": "["}}} | writable/status/pattern
"#;

fn places(system: &Value, scope: &Value) -> Vec<String> {
    let faults = check(&part(system, scope), &Labels::default());
    faults.into_iter().map(|fault| fault.pointer).collect()
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let system = json!({"url": "sqlite:crm.db"});
    for line in WRONG.lines().skip(1) {
        let (table, place) = line.split_once(" |").unwrap();
        let place = format!("/scope/tables/tickets/{}", place.trim());
        let found = places(&system, &scope(table));
        assert_eq!(found, [place.trim_end_matches('/')], "{line}");
    }
    let good = scope(r#"{"writable": {"status": ["open", 1, true, null]}}"#);
    assert!(places(&system, &good).is_empty());
    for url in [
        "sqlite::memory:",
        "sqlite:a.db?mode=rwc",
        "sqlite:",
        "crm.db",
        "sqlite:a/../.drawbridge/b.db",
        "postgres://db/crm",
        "postgres://crm@db",
        "postgres://crm@db/",
        "postgres://crm:secret@db/crm",
        "postgres://crm@db/crm?sslmode=disable",
        "postgres://crm@db:port/crm",
        "postgres://crm@/crm",
        "postgres://crm@db/a/b",
        "mariadb://crm@[::1/crm",
        "oracle://crm@db/crm",
    ] {
        assert_eq!(
            places(&json!({"url": url}), &good),
            ["/system/url"],
            "{url}"
        );
    }
    let table = &good["tables"]["tickets"];
    for name in [
        "pg_catalog.pg_class",
        "mysql.user",
        "sales.drawbridge_applied",
    ] {
        let found = places(&system, &json!({"tables": {name: table}}));
        assert_eq!(found, [format!("/scope/tables/{name}")]);
    }
    for name in ["sqlite_schema", "SQLITE_x", "drawbridge_applied", "a\n"] {
        let found = places(&system, &json!({"tables": {name: table}}));
        assert_eq!(found, [format!("/scope/tables/{name}")]);
    }
    let twice = json!({"tables": {"a/b": table, "A/B": table}});
    assert_eq!(places(&system, &twice), ["/scope/tables/a~1b"]);
}

/// A table before and after, and which way that goes.
const CHANGES: &str = r#"
{} | {} |
{} | none | narrows
none | {} | widens
{} | {"label": "public"} | widens
{} | {"label": "restricted"} | narrows
{} | {"key": "status"} | widens
{} | {"fields": ["id", "status", "subject"]} | widens
{} | {"fields": ["id"]} | narrows
{} | {"writable": {"status": {}}} | widens
{"writable": {"status": {}}} | {} | narrows
{"writable": {"status": {}}} | {"writable": {"status": ["a"]}} | narrows
{"writable": {"status": ["a"]}} | {"writable": {"status": {}}} | widens
{"writable": {"status": ["a", "b"]}} | {"writable": {"status": ["b"]}} | narrows
{"writable": {"status": ["a"]}} | {"writable": {"status": ["a", null]}} | widens
{"writable": {"status": {"max": 5}}} | {"writable": {"status": {"max": 4, "min": 1}}} | narrows
{"writable": {"status": {"max": 5}}} | {"writable": {"status": {"min": 1}}} | widens
{"writable": {"status": {"pattern": "a"}}} | {"writable": {"status": {"pattern": "b"}}} | widens
{"writable": {"status": {}}} | {"writable": {"status": {"once": true}}} | narrows
{"writable": {"status": {"once": true}}} | {"writable": {"status": {}}} | widens
{"writable": {"status": {}}} | {"writable": {"status": {"null": true}}} | widens
{} | {"triggers": "allow"} | widens
{"triggers": "allow"} | {} | narrows
{"writable": {"status": {}}} | {"writable": {"status": {"max_length": 9}}} | narrows
{"writable": {"status": {"max_length": 8}}} | {"writable": {"status": {"max_length": 9}}} | widens
"#;

#[test]
fn what_widens_is_told_from_what_narrows() {
    let system = json!({"url": "sqlite:crm.db"});
    for line in CHANGES.lines().skip(1) {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let [old, new, expected] = parts[..] else {
            panic!("{line}")
        };
        let expected = match expected {
            "widens" => vec![Direction::Widens],
            "narrows" => vec![Direction::Narrows],
            _ => Vec::new(),
        };
        let (old, new) = (part(&system, &scope(old)), part(&system, &scope(new)));
        let changes = compare(&old, &new, &Labels::default());
        let found: Vec<Direction> = changes.iter().map(|change| change.direction).collect();
        assert_eq!(found, expected, "{line}: {changes:?}");
    }
    let keys = json!({"url": "sqlite:crm.db", "applied_table": true});
    let elsewhere = json!({"url": "sqlite:b.db", "applied_table": true});
    for (old, new) in [(&system, &keys), (&keys, &system), (&keys, &elsewhere)] {
        let changes = compare(
            &part(old, &scope("{}")),
            &part(new, &scope("{}")),
            &Labels::default(),
        );
        let found: Vec<Direction> = changes.iter().map(|change| change.direction).collect();
        assert_eq!(found, [Direction::Widens]);
    }
}

/// `system`, and where the fault is; nothing where there is none.
const SYSTEMS: &str = r#"
{"url": "postgres://crm@db.acme.example/crm"} |
{"url": "postgres://crm@db.acme.example:5433/crm", "tls": "verify", "ca": "ca.pem"} |
{"url": "mysql://crm@db.acme.example/crm", "tls": "encrypt"} |
{"url": "mariadb://crm@127.0.0.1:3306/crm", "tls": "off"} |
{"url": "postgres://crm@[::1]:5432/crm", "tls": "off"} |
{"url": "postgres://crm@db.acme.example/crm", "tls": "off"} | tls
{"url": "postgres://crm@db.acme.example/crm", "tls": "encrypt", "ca": "ca.pem"} | ca
{"url": "postgres://crm@localhost/crm", "ca": "ca.pem"} | ca
{"url": "sqlite:crm.db", "tls": "verify"} | tls
{"url": "sqlite:crm.db", "ca": "ca.pem"} | ca
"#;

#[test]
fn a_server_is_reached_by_tls_unless_it_is_here() {
    for line in SYSTEMS.lines().skip(1) {
        let (system, place) = line.split_once(" |").unwrap();
        let system = serde_json::from_str(system).unwrap();
        let place = format!("/system/{}", place.trim());
        let expected: Vec<String> = (place != "/system/").then_some(place).into_iter().collect();
        assert_eq!(places(&system, &scope("{}")), expected, "{line}");
    }
    let of = |url: &str, tls: Value| json!({"url": url, "tls": tls});
    let (here, there) = (
        "postgres://crm@localhost/crm",
        "postgres://crm@db.acme.example/crm",
    );
    for (old, new, expected) in [
        (of(there, json!("verify")), of(there, Value::Null), None),
        (
            of(there, Value::Null),
            of(there, json!("encrypt")),
            Some(Direction::Widens),
        ),
        (
            of(here, Value::Null),
            of(here, json!("encrypt")),
            Some(Direction::Narrows),
        ),
        (of(here, json!("off")), of(here, Value::Null), None),
    ] {
        let (old, new) = (part(&old, &scope("{}")), part(&new, &scope("{}")));
        let changes = compare(&old, &new, &Labels::default());
        let found: Vec<Direction> = changes.iter().map(|change| change.direction).collect();
        assert_eq!(
            found,
            expected.into_iter().collect::<Vec<_>>(),
            "{changes:?}"
        );
    }
}
