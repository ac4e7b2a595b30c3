//! Whatever was done can be taken back, to the byte, and nobody's change is lost by it.

use drawbridge_core::{answer::Status, plan::Image};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    super::plan,
    Bench, each,
    engine::{EVERY, Engine},
    status,
};

/// One thing that somebody asks for.
#[derive(Debug, Clone)]
struct Asked(&'static str, &'static str, Value);

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("';DROP TABLE tickets;--".to_owned()),
        Just("\u{0}\u{feff}é\"".to_owned()),
        Just("12".to_owned()),
        Just(" 1e3 ".to_owned()),
        Just(String::new()),
        "[a-zé0-9 ]{0,12}",
    ]
}

fn asked() -> impl Strategy<Value = Asked> {
    let status = prop_oneof![Just("open"), Just("waiting"), Just("closed")];
    let amount = prop_oneof![
        Just(Value::Null),
        (0..1000_i32).prop_map(Value::from),
        (0.0..1000.0_f64).prop_map(Value::from)
    ];
    let code = "[a-e]";
    let house = prop_oneof![Just("north"), Just("south")];
    prop_oneof![
        (text(), status.clone(), amount.clone()).prop_map(|(subject, status, amount)| {
            let row = json!({"subject": subject, "status": status, "amount": amount});
            Asked(
                "insert",
                "tickets",
                json!({"rows": [row, {"customer_id": 3}]}),
            )
        }),
        (1..6_i64, status, amount, text()).prop_map(|(key, status, amount, subject)| {
            let set = json!({"status": status, "amount": amount, "subject": subject});
            Asked("update", "tickets", json!({"key": key, "set": set}))
        }),
        (1..6_i64).prop_map(|key| Asked("delete", "tickets", json!({"key": key}))),
        (1..6_i64, 1..6_i64)
            .prop_map(|(one, two)| { Asked("delete", "tickets", json!({"keys": [one, two]})) }),
        (code, text()).prop_map(|(code, title)| {
            Asked(
                "upsert",
                "codes",
                json!({"key": code, "values": {"title": title}}),
            )
        }),
        code.prop_map(|code| Asked("delete", "codes", json!({"key": code}))),
        (house.clone(), 1..4_i64, text()).prop_map(|(house, room, note)| {
            let key = json!({"house": house, "room": room});
            Asked(
                "upsert",
                "places",
                json!({"key": key, "values": {"note": note}}),
            )
        }),
        (house, 1..4_i64).prop_map(|(house, room)| {
            Asked(
                "delete",
                "places",
                json!({"key": {"house": house, "room": room}}),
            )
        }),
    ]
}

/// Does what can be done of it, takes all of it back, and that back, and that too.
async fn there_and_back(engine: Engine, all: Vec<Asked>) {
    let bench = Bench::on(engine).await;
    let before = bench.dump().await;
    let mut done = Vec::new();
    for Asked(action, table, arguments) in all {
        let Ok(plan) = bench.plan(action, table, arguments.clone()).await else {
            continue;
        };
        let again = bench.plan(action, table, arguments.clone()).await.unwrap();
        assert_eq!(plan.digest(), again.digest(), "{action} {arguments}");
        let kept = serde_json::to_string(&plan).unwrap();
        let plan = serde_json::from_str(&kept).unwrap();
        // Another row may have the value that only one may have: then nothing is done.
        match bench.apply(&plan, &super::key_of(&plan)).await {
            Ok(receipt) => done.push((plan, receipt)),
            Err(failure) => assert_eq!(failure.status, Status::Invalid, "{failure:?} {plan:#?}"),
        }
    }
    let middle = bench.dump().await;
    let mut back = Vec::new();
    for (plan, receipt) in done.iter().rev() {
        back.push(bench.undo(plan, receipt).await.unwrap());
    }
    assert_eq!(bench.dump().await, before);
    let mut again = Vec::new();
    for (plan, receipt) in back.iter().rev() {
        again.push(bench.undo(plan, receipt).await.unwrap());
    }
    assert_eq!(bench.dump().await, middle);
    for (plan, receipt) in again.iter().rev() {
        bench.undo(plan, receipt).await.unwrap();
    }
    assert_eq!(bench.dump().await, before);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn effects_taken_back_in_reverse_leave_no_trace(all in prop::collection::vec(asked(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for engine in EVERY {
                there_and_back(engine, all.clone()).await;
            }
        });
    }
}

#[tokio::test]
async fn a_change_by_others_is_never_overwritten() {
    each(async |engine| {
        let bench = Bench::on(engine).await;
        // Each of these is invisible to the caller, and still a change.
        let secret = engine.bytes("01");
        let others = [
            format!("UPDATE tickets SET secret = {secret} WHERE id = 1"),
            match engine {
                Engine::Sqlite => "UPDATE tickets SET opened = CAST(opened AS BLOB) WHERE id = 1",
                _ => "UPDATE tickets SET opened = NULL WHERE id = 1",
            }
            .to_owned(),
            "DELETE FROM tickets WHERE id = 1".to_owned(),
        ];
        for (action, arguments) in [
            (
                "update",
                json!({"keys": [2, 1], "set": {"status": "closed"}}),
            ),
            ("delete", json!({"keys": [2, 1]})),
        ] {
            for other in &others {
                let bench = Bench::on(engine).await;
                let plan = bench
                    .plan(action, "tickets", arguments.clone())
                    .await
                    .unwrap();
                bench.sql(other).await;
                let before = bench.dump().await;
                assert_eq!(
                    status(bench.apply(&plan, "k").await),
                    Status::Conflict,
                    "{action}"
                );
                assert_eq!(bench.dump().await, before, "{action} {other}");
            }
        }
        let plan = bench
            .plan("insert", "codes", json!({"values": {"code": "x"}}))
            .await
            .unwrap();
        bench.sql("INSERT INTO codes (code) VALUES ('x')").await;
        assert_eq!(status(bench.apply(&plan, "k").await), Status::Conflict);
    })
    .await;
}

#[tokio::test]
async fn what_was_changed_since_is_not_taken_back() {
    each(async |engine| {
        for (action, arguments, other) in [
            (
                "insert",
                json!({"values": {}}),
                "UPDATE tickets SET secret = NULL WHERE id = 4",
            ),
            (
                "insert",
                json!({"values": {}}),
                "DELETE FROM tickets WHERE id = 4",
            ),
            (
                "update",
                json!({"keys": [1, 2], "set": {"status": "closed"}}),
                "UPDATE tickets SET customer_id = 99 WHERE id = 1",
            ),
            (
                "delete",
                json!({"keys": [1, 2]}),
                "INSERT INTO tickets (id) VALUES (2)",
            ),
        ] {
            for between in [false, true] {
                let bench = Bench::on(engine).await;
                let (plan, receipt) = bench.act(action, "tickets", arguments.clone()).await;
                let inverse = plan::undo(&bench.database, &plan, &receipt).await.unwrap();
                bench.sql(other).await;
                let before = bench.dump().await;
                let taken_back = if between {
                    bench.apply(&inverse, "k").await.map(|_| ())
                } else {
                    plan::undo(&bench.database, &plan, &receipt)
                        .await
                        .map(|_| ())
                };
                assert_eq!(status(taken_back), Status::Conflict, "{action} {other}");
                assert_eq!(bench.dump().await, before);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_row_comes_back_though_another_has_its_number() {
    let bench = Bench::new().await;
    let (plan, receipt) = bench.act("delete", "codes", json!({"key": "c"})).await;
    bench
        .sql("INSERT INTO codes (rowid, code) VALUES (12, 'new')")
        .await;
    bench.undo(&plan, &receipt).await.unwrap();
    let dump = bench.dump().await.join("\n");
    assert!(dump.contains("text63|nullNULL|blobX''"), "{dump}");
}

#[tokio::test]
async fn odd_content_comes_back_to_the_byte() {
    let odd = [
        "CAST(x'ff00fe' AS TEXT)",
        "x''",
        "''",
        "9e999",
        "-9e999",
        "-0.0",
        "9223372036854775807",
        "1e-300",
        "'12'",
        "12",
        "12.0",
        "x'ff'",
        "char(0)",
    ];
    let bench = Bench::new().await;
    for value in odd {
        bench
            .sql(&format!(
                "UPDATE codes SET hidden = {value} WHERE code = 'a'"
            ))
            .await;
        let before = bench.dump().await;
        let (plan, receipt) = bench.act("delete", "codes", json!({"key": "a"})).await;
        let plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
        bench.undo(&plan, &receipt).await.unwrap();
        assert_eq!(bench.dump().await, before, "{value}");
    }
}

#[tokio::test]
async fn a_plan_says_what_it_does_and_shows_what_is_visible_only() {
    each(async |engine| {
        let bench = Bench::on(engine).await;
        let plan = bench
            .plan(
                "update",
                "tickets",
                json!({"key": "1", "set": {"status": "closed", "amount": 11}}),
            )
            .await
            .unwrap();
        assert_eq!(
            plan.sentence,
            "Set tickets/1: status from open to closed, amount from 10.5 to 11"
        );
        let target = &plan.targets[0];
        assert_eq!(target.resource, "tickets/1");
        assert_eq!(target.facets["table"], "tickets");
        assert_eq!(target.facets["label"], "internal");
        let Some(Image::Fields(after)) = &target.after else {
            panic!("{target:?}")
        };
        let expected =
            json!({"id": 1, "customer_id": 7, "subject": "Printer", "status": "closed", "amount": 11});
        assert_eq!(Value::Object(after.clone()), expected);
        let plan = bench
            .plan("insert", "tickets", json!({"values": {"subject": "New"}}))
            .await
            .unwrap();
        assert_eq!(
            plan.sentence,
            "Add a row to tickets: subject New, status open"
        );
        assert_eq!(plan.targets[0].resource, "tickets/(new)");
        let receipt = bench.apply(&plan, "k").await.unwrap();
        assert_eq!(receipt.applied[0].resource, "tickets/4");
        assert_eq!(receipt.applied[0].id.as_deref(), Some("4"));
        let shown = json!([plan.targets, receipt.applied]).to_string();
        assert!(
            !shown.contains("secret") && !shown.contains("opened"),
            "{shown}"
        );
    })
    .await;
}

#[tokio::test]
async fn what_is_so_already_is_no_target() {
    each(async |engine| {
        let bench = Bench::on(engine).await;
        let nothing = json!({"key": 1, "set": {"status": "open"}});
        assert_eq!(
            status(bench.plan("update", "tickets", nothing).await),
            Status::Invalid
        );
        bench
            .sql("UPDATE tickets SET status = 'closed' WHERE id = 2")
            .await;
        let some = json!({"keys": [1, 2, 3], "set": {"status": "closed"}});
        let plan = bench.plan("update", "tickets", some).await.unwrap();
        let names: Vec<&str> = plan
            .targets
            .iter()
            .map(|target| target.resource.as_str())
            .collect();
        assert_eq!(names, ["tickets/1", "tickets/3"]);
    })
    .await;
}

#[tokio::test]
async fn without_before_images_nothing_is_taken_back() {
    each(async |engine| {
        let bench = Bench::without_keys(engine).await;
        let (plan, receipt) = bench.act("delete", "tickets", json!({"key": 1})).await;
        let dropped = plan.without_images();
        let undone = plan::undo(&bench.database, &dropped, &receipt).await;
        assert_eq!(status(undone), Status::Invalid);
    })
    .await;
}

/// The owner of the database goes on building it.
#[tokio::test]
async fn a_column_that_came_since_is_seen_and_comes_back() {
    each(async |engine| {
        let bench = Bench::on(engine).await;
        let delete = json!({"key": 1});
        let plan = bench
            .plan("delete", "tickets", delete.clone())
            .await
            .unwrap();
        bench
            .sql("ALTER TABLE tickets ADD COLUMN extra TEXT DEFAULT 'precious'")
            .await;
        assert_eq!(status(bench.apply(&plan, "k").await), Status::Conflict);
        let before = bench.dump().await;
        let (plan, receipt) = bench.act("delete", "tickets", delete).await;
        bench.undo(&plan, &receipt).await.unwrap();
        assert_eq!(bench.dump().await, before);
    })
    .await;
}
