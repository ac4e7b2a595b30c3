//! Each format gives the same values for the same content.

use super::*;

const FIELDS: &[&str] = &["id", "code", "amount", "day", "paid", "note"];

/// What every format says of the same two rows.
fn expected() -> Value {
    json!([
        [1, "007", 2.5, "2026-01-31", "true", "Zürich, \"east\""],
        [2, "12345678901234567890", 10, "2026-02-28", "false", null],
    ])
}

const CSV: &str = "id, code ,amount,day,paid,note\n\
    1,007,2.50,2026-01-31,true,\"Zürich, \"\"east\"\"\"\n\
    2,12345678901234567890,10,2026-02-28,false,\n";
const LINES: &str = "{\"id\": 1, \"code\": \"007\", \"amount\": 2.50, \"day\": \"2026-01-31\", \"paid\": true, \
    \"note\": \"Zürich, \\\"east\\\"\"}\n\
    {\"code\": \"12345678901234567890\", \"id\": 2, \"amount\": 10, \"day\": \"2026-02-28\", \"paid\": false}\n";

async fn same(name: &str, content: impl AsRef<[u8]>) {
    let desk = Desk::of(FIELDS);
    desk.write(name, content);
    let shape = desk.shape("t").await.unwrap();
    assert!(shape.is_ok(), "{name}: {shape:?}");
    assert_eq!(desk.rows("t").await.unwrap(), expected(), "{name}");
    let types = ["INTEGER", "TEXT", "REAL", "TEXT", "TEXT", "TEXT"];
    assert_eq!(desk.types("t").await, types, "{name}");
}

#[tokio::test]
async fn two_formats_with_the_same_content_give_the_same() {
    same("t.csv", CSV).await;
    same("t.csv", format!("\u{feff}{}", CSV.replace('\n', "\r\n"))).await;
    same("t.jsonl", LINES).await;
}

/// Written by openpyxl 3.1 and pyarrow 26.
#[tokio::test]
async fn files_of_other_programs_give_the_same() {
    same("t.xlsx", include_bytes!("fixtures/openpyxl.xlsx")).await;
    same("t.parquet", include_bytes!("fixtures/snappy.parquet")).await;
    same("t.parquet", include_bytes!("fixtures/zstd.parquet")).await;
    same("t.parquet", include_bytes!("fixtures/lz4.parquet")).await;
    same("t.parquet", include_bytes!("fixtures/gzip.parquet")).await;
}

#[tokio::test]
async fn parquet_is_typed_by_its_schema() {
    let desk = Desk::of(&["id", "price", "at", "big", "clock", "empty"]);
    desk.write("t.parquet", include_bytes!("fixtures/types.parquet"));
    assert_eq!(
        desk.rows("t").await.unwrap(),
        json!([
            [
                1,
                "12345678901234567.89",
                "2026-01-31T10:20:30.000001Z",
                "18446744073709551615",
                "10:20:30",
                null
            ],
            [2, "-0.01", "1969-12-31T23:59:59Z", "5", "00:00:00", null],
        ])
    );
    let nested = Desk::of(&["id", "list"]);
    nested.write("t.parquet", include_bytes!("fixtures/types.parquet"));
    let told = nested.unfit("t").await;
    assert_eq!(
        told,
        "`t.parquet`: `list` holds several values in one; leave it out of `fields`"
    );
}

#[tokio::test]
async fn of_a_formula_its_value_counts() {
    let desk = Desk::of(&["id", "what"]);
    desk.write("t.csv", "id;what\n1;=1+1\n2;\"=cmd|' /C calc'!A0\"\n");
    let rows = desk.rows("t").await.unwrap();
    assert_eq!(rows, json!([[1, "=1+1"], [2, "=cmd|' /C calc'!A0"]]));
}
