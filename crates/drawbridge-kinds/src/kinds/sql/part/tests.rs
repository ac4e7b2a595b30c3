use drawbridge_core::{
    connector::{ForPerson, Part},
    file::{Direction, Labels, WhenStale, read_connector, read_gateway},
};
use serde_json::{Value, json};

use super::{acts_for_person, check, compare};

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

/// `system.person` on a server, and where the fault is; nothing where there is none.
const TOLD: &str = r#"
postgres | {"role": ":person.role"} |
postgres | {"settings": {"app.person": ":person.id", "app.client": ":client", "app.tenant": "acme"}} |
postgres | {"role": "crm_reader", "settings": {"app.a.b_1": ":person.region"}} |
mariadb | {"role": ":person.role", "settings": {"person": ":person.id", "app.region": ":person.region"}} |
postgres | {} | person
postgres | {"role": "crm_reader"} | person
postgres | {"settings": {"app.client": ":client"}} | person
postgres | {"settings": {"region": ":person.region"}} | person/settings/region
postgres | {"settings": {"app.": ":person.region"}} | person/settings/app.
postgres | {"settings": {"app.1": ":person.region"}} | person/settings/app.1
postgres | {"settings": {"app.a b": ":person.region"}} | person/settings/app.a b
postgres | {"settings": {"app.X": ":person.id", "app.x": ":person.id"}} | person/settings/app.x
postgres | {"settings": {"app.x": ":person"}} | person/settings/app.x
postgres | {"settings": {"app.x": ":person.region OR 1"}} | person/settings/app.x
postgres | {"settings": {"app.x": ":groups"}} | person/settings/app.x
postgres | {"settings": {"app.x": ":'x'"}} | person/settings/app.x
postgres | {"settings": {"app.x": ""}} | person/settings/app.x
postgres | {"role": "", "settings": {"app.x": ":person.id"}} | person/role
postgres | {"role": "NONE", "settings": {"app.x": ":person.id"}} | person/role
postgres | {"role": "crm", "settings": {"app.x": ":person.id"}} | person/role
postgres | {"role": ":role"} | person/role
mariadb | {"settings": {"@person": ":person.id"}} | person/settings/@person
mariadb | {"settings": {"a`b": ":person.id"}} | person/settings/a`b
"#;

#[test]
fn how_a_server_is_told_of_the_person_is_checked() {
    for line in TOLD.lines().skip(1) {
        let parts: Vec<&str> = line.split(" |").map(str::trim).collect();
        let [scheme, person, place] = parts[..] else {
            panic!("{line}")
        };
        let person: Value = serde_json::from_str(person).unwrap();
        let url = format!("{scheme}://crm@localhost/crm");
        let system = json!({"url": url, "person": person});
        let place = format!("/system/{place}");
        let expected: Vec<String> = (place != "/system/").then_some(place).into_iter().collect();
        assert_eq!(places(&system, &scope("{}")), expected, "{line}");
        let said = acts_for_person(&part(&system, &scope("{}")));
        assert_eq!(said, ForPerson::Said("/system/person"), "{line}");
        let unsaid = acts_for_person(&part(&json!({"url": url}), &scope("{}")));
        assert!(matches!(unsaid, ForPerson::Unsaid(mend) if mend.contains("`person`")));
    }
}

#[test]
fn no_file_can_be_told_of_the_person() {
    for url in ["sqlite:crm.db", "reports:exports"] {
        let system = json!({"url": url, "person": {"role": ":person.role"}});
        assert_eq!(places(&system, &scope("{}")), ["/system/person"]);
        for system in [system, json!({"url": url})] {
            let said = acts_for_person(&part(&system, &scope("{}")));
            assert_eq!(said, ForPerson::Never, "{system}");
        }
    }
}

#[test]
fn another_way_to_tell_of_the_person_widens() {
    let of = |person: Value| {
        let url = "postgres://crm@localhost/crm";
        part(&json!({"url": url, "person": person}), &scope("{}"))
    };
    let [role, other, none] = [
        json!({"role": ":person.role"}),
        json!({"role": ":person.id"}),
        Value::Null,
    ];
    for (old, new, count) in [
        (&role, &role, 0),
        (&role, &other, 1),
        (&none, &role, 1),
        (&role, &none, 1),
    ] {
        let changes = compare(&of(old.clone()), &of(new.clone()), &Labels::default());
        assert_eq!(changes.len(), count, "{changes:?}");
        assert!(
            changes
                .iter()
                .all(|change| change.direction == Direction::Widens)
        );
    }
}

const GATEWAY: &str = "gateway: acme\naddress: 127.0.0.1:0\noperator: olga@acme.example\n\
    people:\n  olga@acme.example: {}\n";

/// A whole file, with these keys in `system` and in `identity`.
fn file(system: &str, identity: &str) -> String {
    format!(
        "connector: crm\npurpose: {{task: Look, owner: olga@acme.example}}\n\
         system: {{kind: sql, {system}}}\n\
         scope: {{label: internal, tables: {{t: {{key: id, fields: [id]}}}}}}\n\
         access: [read]\nidentity: {{account: crm{identity}}}\n\
         permissions: [{{who: [everyone], may: [read]}}]\nlogging: {{}}\napproval: []\nrecovery: {{}}\n"
    )
}

#[test]
fn acting_for_the_person_is_said_in_both_places_or_in_none() {
    let gateway = read_gateway("drawbridge.yaml", GATEWAY).unwrap();
    let told = |system: &str, identity: &str| {
        let text = file(system, identity);
        let read = read_connector("crm.yaml", "crm", &text, &gateway, crate::kinds::KINDS);
        read.err().map(|errors| errors.to_string())
    };
    let url = "url: 'postgres://crm@localhost/crm'";
    let person = "person: {settings: {app.person: ':person.id'}}";
    let both = format!("{url}, {person}");
    assert_eq!(told(url, ""), None);
    assert_eq!(told(url, ", acts_for: service"), None);
    assert_eq!(told(&both, ", acts_for: person"), None);
    let unsaid = told(url, ", acts_for: person").unwrap();
    assert!(
        unsaid.starts_with("crm.yaml:6:") && unsaid.contains("add `person` to `system`"),
        "{unsaid}"
    );
    for identity in ["", ", acts_for: service"] {
        let unused = told(&both, identity).unwrap();
        assert!(
            unused.starts_with("crm.yaml:3:") && unused.contains("`acts_for: person`"),
            "{unused}"
        );
    }
    for url in ["url: 'sqlite:crm.db'", "url: 'reports:exports'"] {
        let never = told(url, ", acts_for: person").unwrap();
        assert!(
            never.contains("`identity.acts_for`") && never.contains("cannot act for the person"),
            "{never}"
        );
        let never = told(&format!("{url}, {person}"), "").unwrap();
        assert!(
            never.contains("`system.person`: only a server can be told"),
            "{never}"
        );
    }
}
