//! `search`: conditions, words, order and cursors over what is visible, and nothing else.

use drawbridge_core::{answer::Failure, decide::Fingerprint};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    super::search::search,
    Bench,
    engine::{EVERY, Engine, each},
    views::{HIDDEN, SCHEMA, of, scope},
};

async fn found(bench: &Bench, arguments: Value) -> Result<Value, Failure> {
    let scope = of(bench, "north");
    let found = search(&bench.database, (&scope, &arguments), Fingerprint([7; 32])).await;
    found.map(|found| found.data)
}

fn ids(data: &Value) -> Value {
    let rows = data["rows"].as_array().unwrap();
    rows.iter().map(|row| row["id"].clone()).collect()
}

/// What is asked, and the keys of what is found.
const QUESTIONS: &str = r#"
{} | [1, 3, 5]
{"where": [{"field": "name", "value": "Ann"}]} | [1]
{"where": [{"field": "name", "op": "ne", "value": "Ann"}]} | [3]
{"where": [{"field": "rank", "op": "ge", "value": 2}, {"field": "rank", "op": "lt", "value": 3}]} | [5]
{"where": [{"field": "rank", "op": "in", "value": [1, 3, 9]}]} | [1, 3]
{"where": [{"field": "name", "op": "is_null", "value": true}]} | [5]
{"where": [{"field": "name", "op": "is_null", "value": false}]} | [1, 3]
{"where": [{"field": "email", "op": "contains", "value": "X.EX"}]} | [1]
{"where": [{"field": "email", "op": "contains", "value": "ann@"}]} | []
{"where": [{"field": "email", "value": "a***@x.example"}]} | [1]
{"where": [{"field": "born", "op": "le", "value": 1980}]} | [1]
{"where": [{"field": "phone", "op": "contains", "value": "030"}]} | []
{"where": [{"field": "name", "op": "starts_with", "value": "b"}]} | [3]
{"text": "bo example"} | [3]
{"text": "canary"} | []
{"text": "%"} | []
{"order": [{"field": "rank"}]} | [3, 5, 1]
{"order": [{"field": "name", "descending": true}]} | [3, 1, 5]
{"order": [{"field": "email"}, {"field": "rank", "descending": true}]} | [1, 3, 5]
{"where": [{"field": "rank", "value": 1.5}]} | []
{"where": [{"field": "rank", "op": "lt", "value": 1.5}]} | [3]
{"where": [{"field": "name", "value": "x' OR '1'='1"}]} | []
"#;

#[tokio::test]
async fn a_search_finds_visible_rows_by_what_is_shown() {
    each(finds).await;
}

async fn finds(engine: Engine) {
    let bench = Bench::spoken(engine, &format!("{SCHEMA}{HIDDEN}"), scope()).await;
    for line in QUESTIONS.lines().skip(1) {
        let (arguments, wanted) = line.split_once(" | ").unwrap();
        let arguments = serde_json::from_str(arguments).unwrap();
        let data = found(&bench, arguments).await.unwrap();
        assert_eq!(ids(&data).to_string(), wanted.replace(' ', ""), "{line}");
        assert!(!data.to_string().contains("canary"));
    }
}

#[tokio::test]
async fn cursors_lead_through_every_row_once_and_belong_to_one_question() {
    each(cursors).await;
}

async fn cursors(engine: Engine) {
    let bench = Bench::spoken(engine, &format!("{SCHEMA}{HIDDEN}"), scope()).await;
    for order in [
        json!([]),
        json!([{"field": "name"}]),
        json!([{"field": "email", "descending": true}, {"field": "born"}]),
    ] {
        let question = json!({"order": order, "limit": 1});
        let (mut asked, mut seen) = (question.clone(), Vec::new());
        loop {
            let data = found(&bench, asked.clone()).await.unwrap();
            seen.extend(ids(&data).as_array().unwrap().clone());
            let Some(next) = data["next"].as_str() else {
                break;
            };
            asked["cursor"] = json!(next);
        }
        let whole = found(&bench, json!({"order": order})).await.unwrap();
        assert_eq!(json!(seen), ids(&whole), "{order}");
    }
    let first = found(&bench, json!({"limit": 1})).await.unwrap();
    let other = json!({"limit": 1, "cursor": first["next"], "text": "a"});
    assert!(
        found(&bench, other)
            .await
            .unwrap_err()
            .message
            .contains("another question")
    );
    let forged = json!({"limit": 1, "cursor": "AAAA"});
    assert!(
        found(&bench, forged)
            .await
            .unwrap_err()
            .message
            .contains("`cursor`")
    );
    let scope = of(&bench, "north");
    let arguments = json!({"limit": 1, "cursor": first["next"]});
    let stranger = search(&bench.database, (&scope, &arguments), Fingerprint([8; 32])).await;
    assert!(stranger.is_err());
}

#[tokio::test]
async fn what_is_wrong_with_a_search_is_told_and_hidden_fields_are_none() {
    each(told).await;
}

async fn told(engine: Engine) {
    let bench = Bench::spoken(engine, &format!("{SCHEMA}{HIDDEN}"), scope()).await;
    let told = async |arguments: Value| found(&bench, arguments).await.unwrap_err().message;
    for hidden in ["secret", "region"] {
        let of = |name: &str| json!({"where": [{"field": name, "value": "x"}]});
        assert_eq!(told(of(hidden)).await, told(of("nosuch")).await);
        let of = |name: &str| json!({"order": [{"field": name}]});
        assert_eq!(told(of(hidden)).await, told(of("nosuch")).await);
    }
    for (arguments, why) in [
        (
            json!({"where": [{"field": "name", "op": "like", "value": "x"}]}),
            "where[0].op",
        ),
        (
            json!({"where": [{"field": "name", "value": null}]}),
            "where[0].value",
        ),
        (
            json!({"where": [{"field": "name", "op": "in", "value": []}]}),
            "where[0].value",
        ),
        (
            json!({"where": [{"field": "name", "op": "is_null", "value": 1}]}),
            "where[0].value",
        ),
        (
            json!({"order": [{"field": "name"}, {"field": "name"}]}),
            "order[1].field",
        ),
        (json!({"text": "a b c d e f g h i"}), "text"),
    ] {
        assert!(told(arguments).await.contains(why), "{why}");
    }
}

fn search_arguments() -> impl Strategy<Value = Value> {
    let field = prop::sample::select(vec![
        "id", "name", "email", "born", "phone", "rank", "secret", "region",
    ]);
    let op = prop::sample::select(vec![
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "contains",
        "starts_with",
    ]);
    let value = prop_oneof![
        (0..2_000_i64).prop_map(Value::from),
        "[a-z*@.]{0,3}".prop_map(Value::from)
    ];
    let filter = (field.clone(), op, value)
        .prop_map(|(field, op, value)| json!({"field": field, "op": op, "value": value}));
    let order = (field, any::<bool>())
        .prop_map(|(field, descending)| json!({"field": field, "descending": descending}));
    (prop::collection::vec(filter, 0..3), prop::collection::vec(order, 0..3), "[a-z0-9@]{0,2}", 1..4_u64)
        .prop_map(|(filters, order, text, limit)| json!({"where": filters, "order": order, "text": text, "limit": limit}))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]
    /// No search tells whether there are hidden rows and values.
    #[test]
    fn a_search_is_answered_alike_with_and_without_hidden_rows(asked in prop::collection::vec(search_arguments(), 30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let told = |found: Result<Value, Failure>| found.map_err(|failure| failure.message);
            for engine in EVERY {
                let with = Bench::spoken(engine, &format!("{SCHEMA}{HIDDEN}"), scope()).await;
                let without = Bench::spoken(engine, SCHEMA, scope()).await;
                for arguments in &asked {
                    let one = told(found(&with, arguments.clone()).await);
                    let other = told(found(&without, arguments.clone()).await);
                    assert_eq!(one, other, "{engine:?}: {arguments}");
                }
            }
        });
    }
}
