//! Types of the servers: what they hold comes back to the byte, and is shown as what it is.

use drawbridge_core::{answer::Status, plan::Image};
use serde_json::{Map, Value, json};

use super::{Bench, engine::Engine};

/// A type, values that it holds, and how the first is shown.
type Held = (&'static str, &'static [&'static str], fn() -> Value);

const POSTGRES: &[Held] = &[
    ("smallint", &["-32768", "7"], || json!(-32768)),
    (
        "bigint",
        &["9223372036854775807", "-9223372036854775808"],
        || json!(i64::MAX),
    ),
    ("boolean", &["true", "false"], || json!(true)),
    (
        "real",
        &["0.1", "'NaN'", "'-Infinity'", "-0.0", "3.4e38", "1e-45"],
        || json!(0.1),
    ),
    (
        "float8",
        &["0.1", "'NaN'", "'Infinity'", "-0.0", "1.7e308", "5e-324"],
        || json!(0.1),
    ),
    (
        "numeric",
        &[
            "10.50",
            "0.1000000000000000055511151231257827",
            "'NaN'",
            "1e100",
        ],
        || json!(10.5),
    ),
    ("numeric(10, 2)", &["10.50", "-0.01"], || json!(10.5)),
    ("money", &["12.34", "-0.01"], || json!("$12.34")),
    ("char(5)", &["'ab'", "''"], || json!("ab   ")),
    ("varchar(5)", &["'ab  '", "''"], || json!("ab  ")),
    ("text", &["E'a\\nb\\\\'", "'Zürich'", "''"], || {
        json!("a\nb\\")
    }),
    ("\"char\"", &["'x'"], || json!("x")),
    ("name", &["'x'"], || json!("x")),
    ("bytea", &["'\\x00ff'", "''"], || json!({"base64": "AP8="})),
    (
        "date",
        &["'2026-01-05'", "'infinity'", "'0044-03-15 BC'"],
        || json!("2026-01-05"),
    ),
    ("time", &["'01:02:03.000004'", "'24:00'"], || {
        json!("01:02:03.000004")
    }),
    ("timetz", &["'01:02:03+05:30'"], || json!("01:02:03+05:30")),
    (
        "timestamp",
        &["'2026-01-05 01:02:03.000004'", "'-infinity'"],
        || json!("2026-01-05 01:02:03.000004"),
    ),
    (
        "timestamptz",
        &["'2026-01-05 01:02:03+02'", "'infinity'"],
        || Value::Null,
    ),
    ("interval", &["'1 year 2 mons -3 days 04:05:06.7'"], || {
        json!("1 year 2 mons -3 days +04:05:06.7")
    }),
    ("uuid", &["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"], || {
        json!("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
    }),
    (
        "json",
        &["'{\"b\": 1.50,  \"a\":[null]}'", "'null'"],
        || json!({"b": 1.5, "a": [null]}),
    ),
    (
        "jsonb",
        &["'{\"b\": 1.50,  \"a\":[null]}'", "'12345678901234567890.1'"],
        || json!({"a": [null], "b": 1.5}),
    ),
    ("xml", &["'<a b=\"c\">d</a>'"], || json!("<a b=\"c\">d</a>")),
    (
        "integer[]",
        &["'{1,NULL,3}'", "'[2:3]={4,5}'", "'{}'"],
        || json!("{1,NULL,3}"),
    ),
    ("text[]", &["ARRAY['a,b', '\"', 'NULL', NULL]"], || {
        json!("{\"a,b\",\"\\\"\",\"NULL\",NULL}")
    }),
    ("inet", &["'10.0.0.1/8'"], || json!("10.0.0.1/8")),
    ("bit(3)", &["B'101'"], || json!("101")),
    ("bit varying(5)", &["B'1'", "B''"], || json!("1")),
    ("int4range", &["'[1,5)'", "'empty'"], || json!("[1,5)")),
    ("point", &["'(0.1,-0.2)'"], || json!("(0.1,-0.2)")),
    ("tsvector", &["'a:1 fat:2'"], || json!("'a':1 'fat':2")),
    ("mood", &["'sad'"], || json!("sad")),
    ("positive", &["5"], || json!(5)),
    ("short", &["'abc'"], || json!("abc")),
    ("pair", &["ROW(1, 'x,y')"], || json!("(1,\"x,y\")")),
];

const POSTGRES_TYPES: &str = "CREATE TYPE mood AS ENUM ('sad', 'it''s ok'); \
    CREATE DOMAIN positive AS integer CHECK (VALUE > 0); CREATE DOMAIN short AS varchar(3); \
    CREATE TYPE pair AS (a integer, b text);";

const MARIADB: &[Held] = &[
    ("TINYINT", &["-128"], || json!(-128)),
    ("TINYINT(1)", &["1", "2"], || json!(1)),
    ("INT UNSIGNED ZEROFILL", &["4294967295", "7"], || {
        json!(4_294_967_295_u64)
    }),
    ("BIGINT", &["-9223372036854775808"], || json!(i64::MIN)),
    ("BIGINT UNSIGNED", &["7", "18446744073709551615"], || {
        json!(7)
    }),
    ("DECIMAL(10, 2)", &["10.50", "-0.01"], || json!(10.5)),
    (
        "DECIMAL(65, 30)",
        &[
            "0.100000000000000005551115123126",
            "99999999999999999999999999999999999",
        ],
        || json!("0.100000000000000005551115123126"),
    ),
    ("FLOAT", &["0.5", "0.1", "3.4e38"], || json!(0.5)),
    ("DOUBLE", &["0.1", "1.7e308", "-0.0", "5e-324"], || {
        json!(0.1)
    }),
    ("CHAR(5)", &["'ab'", "''"], || json!("ab")),
    ("VARCHAR(5)", &["'ab  '", "''"], || json!("ab  ")),
    ("VARCHAR(20) CHARACTER SET latin1", &["'Zürich'"], || {
        json!("Zürich")
    }),
    ("TEXT", &["'a\\nb\\\\ 😀'"], || json!("a\nb\\ 😀")),
    ("TEXT COLLATE utf8mb4_general_ci", &["'a'"], || json!("a")),
    ("BINARY(3)", &["x'00ff'"], || json!({"base64": "AP8A"})),
    ("BLOB", &["x'00ff'", "''"], || json!({"base64": "AP8="})),
    (
        "BIT(10)",
        &["b'1000000001'", "b'0'"],
        || json!({"base64": "AgE="}),
    ),
    (
        "DATE",
        &["'2026-01-05'", "'0000-00-00'", "'2026-00-00'"],
        || json!("2026-01-05"),
    ),
    (
        "DATETIME(6)",
        &["'2026-01-05 01:02:03.000004'", "'0000-00-00'"],
        || json!("2026-01-05 01:02:03.000004"),
    ),
    ("TIMESTAMP(3) NULL", &["'2026-01-05 01:02:03.004'"], || {
        json!("2026-01-05 01:02:03.004")
    }),
    ("TIME(2)", &["'-838:59:59'", "'01:02:03.04'"], || {
        json!("-838:59:59.00")
    }),
    ("YEAR", &["2026", "0"], || json!(2026)),
    ("ENUM('sad', 'it''s ok')", &["'it''s ok'"], || {
        json!("it's ok")
    }),
    ("SET('a', 'b')", &["'b,a'", "''"], || json!("a,b")),
    ("JSON", &["'{\"b\": 1.50}'"], || json!("{\"b\": 1.50}")),
    ("UUID", &["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"], || {
        json!("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
    }),
    ("INET6", &["'::1'"], || json!("::1")),
    ("POINT", &["ST_GeomFromText('POINT(1 2)', 4326)"], || {
        Value::Null
    }),
];

fn types(engine: Engine) -> (&'static [Held], &'static str) {
    match engine {
        Engine::MariaDb => (MARIADB, "SET SESSION sql_mode = 'STRICT_ALL_TABLES'; "),
        _ => (POSTGRES, POSTGRES_TYPES),
    }
}

/// A table with one column for each type; each row has values in all of them.
async fn bench(engine: Engine) -> Bench {
    let (held, before) = types(engine);
    let columns: Vec<String> = held
        .iter()
        .enumerate()
        .map(|(index, (name, ..))| format!("c{index} {name}"))
        .collect();
    let most = held
        .iter()
        .map(|(_, values, _)| values.len())
        .max()
        .unwrap();
    let mut schema = format!(
        "{before}CREATE TABLE every (id INTEGER PRIMARY KEY, {});",
        columns.join(", ")
    );
    for row in 0..most {
        let values: Vec<&str> = held
            .iter()
            .map(|(_, values, _)| values.get(row).copied().unwrap_or("NULL"))
            .collect();
        schema += &format!("INSERT INTO every VALUES ({row}, {});", values.join(", "));
    }
    let mut fields: Vec<String> = (0..held.len()).map(|index| format!("c{index}")).collect();
    let writable: Map<String, Value> = fields
        .iter()
        .map(|name| (name.clone(), json!({"null": true})))
        .chain([("id".to_owned(), json!({}))])
        .collect();
    fields.push("id".to_owned());
    let scope = json!({"tables": {"every": {
        "key": "id", "fields": fields, "writable": writable, "label": "public"}}});
    Bench::made(engine, &schema, (scope, true)).await
}

async fn come_back(engine: Engine) {
    let bench = bench(engine).await;
    let (held, _) = types(engine);
    let before = bench.dump().await;
    let most = before.len();
    let all: Vec<usize> = (0..most).collect();
    let (plan, receipt) = bench.act("delete", "every", json!({"keys": all})).await;
    let Some(Image::Fields(first)) = &plan.targets[0].before else {
        panic!()
    };
    for (index, (name, _, shown)) in held.iter().enumerate() {
        let shown = shown();
        assert!(
            shown.is_null() || first[&format!("c{index}")] == shown,
            "{name} is shown as {}",
            first[&format!("c{index}")]
        );
    }
    let kept = serde_json::to_string(&plan).unwrap();
    let plan = serde_json::from_str(&kept).unwrap();
    bench.undo(&plan, &receipt).await.unwrap();
    assert_eq!(bench.dump().await, before);
    // Each column emptied, and filled again from what is kept.
    let mut done = Vec::new();
    for index in 0..held.len() {
        let set = json!({"keys": all, "set": {format!("c{index}"): null}});
        done.push(bench.act("update", "every", set).await);
    }
    assert_ne!(bench.dump().await, before);
    for (plan, receipt) in done.iter().rev() {
        bench.undo(plan, receipt).await.unwrap();
    }
    assert_eq!(bench.dump().await, before);
}

/// What somebody may give, for a column of whatever type.
fn given() -> Vec<Value> {
    vec![
        json!("a"),
        json!("ab   "),
        json!("abcdef"),
        json!("sad"),
        json!("SAD"),
        json!("b,a"),
        json!("2026-1-5"),
        json!("2026-01-05 1:2:3.5"),
        json!("2026-02-31"),
        json!("01:02"),
        json!("a0eebc999c0b4ef8bb6d6bb9bd380a11"),
        json!("10.0.0.1"),
        json!("{1, 2}"),
        json!("101"),
        json!("[1,3]"),
        json!(0),
        json!(7),
        json!(-1),
        json!(300),
        json!(5_000_000_000_i64),
        json!(0.1),
        json!(10.125),
        json!(1e300),
        json!(true),
        json!(""),
        json!("\u{0}"),
        json!("😀"),
        json!("1 day"),
        json!("<a/>"),
        json!("12345678901234567890"),
    ]
}

/// What is planned for a value is what the server makes of it, or it is refused before.
async fn as_planned(engine: Engine) {
    let bench = bench(engine).await;
    let (held, _) = types(engine);
    let given = given();
    let (mut taken, mut id) = (0, 100);
    for (index, (name, ..)) in held.iter().enumerate() {
        for value in &given {
            id += 1;
            let row = json!({"values": {"id": id, format!("c{index}"): value}});
            let plan = match bench.plan("insert", "every", row).await {
                Ok(plan) => plan,
                Err(failure) => {
                    assert_eq!(
                        failure.status,
                        Status::Invalid,
                        "{name} {value}: {failure:?}"
                    );
                    continue;
                }
            };
            match bench.apply(&plan, &super::key_of(&plan)).await {
                Ok(_) => taken += 1,
                Err(failure) => assert_eq!(
                    failure.status,
                    Status::Invalid,
                    "{name} {value}: {failure:?} {}",
                    plan.work
                ),
            }
        }
    }
    assert!(taken > 60, "{taken}");
}

#[tokio::test]
async fn what_postgresql_holds_comes_back_and_is_shown_as_what_it_is() {
    come_back(Engine::Postgres).await;
}

#[tokio::test]
async fn what_mariadb_holds_comes_back_and_is_shown_as_what_it_is() {
    come_back(Engine::MariaDb).await;
}

#[tokio::test]
async fn what_postgresql_is_given_is_kept_as_it_was_planned() {
    as_planned(Engine::Postgres).await;
}

#[tokio::test]
async fn what_mariadb_is_given_is_kept_as_it_was_planned() {
    as_planned(Engine::MariaDb).await;
}

/// A column that the server sets by itself whenever its row is changed.
#[tokio::test]
async fn a_time_that_the_server_keeps_of_a_row_comes_back_too() {
    let schema = "CREATE TABLE notes (id INT AUTO_INCREMENT PRIMARY KEY, word VARCHAR(20), \
        at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)); \
        INSERT INTO notes (word, at) VALUES ('a', '2026-01-01 00:00:00');";
    let scope = json!({"tables": {"notes": {
        "key": "id", "fields": ["id", "word", "at"], "writable": {"word": {}}, "label": "public"}}});
    let bench = Bench::made(Engine::MariaDb, schema, (scope, false)).await;
    let before = bench.dump().await;
    let set = json!({"key": 1, "set": {"word": "b"}});
    let (plan, receipt) = bench.act("update", "notes", set).await;
    let after = bench.dump().await;
    let (back, receipt) = bench.undo(&plan, &receipt).await.unwrap();
    assert_eq!(bench.dump().await, before);
    bench.undo(&back, &receipt).await.unwrap();
    assert_eq!(bench.dump().await, after);
}
