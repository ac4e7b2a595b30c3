//! An effect is done once, and what came of it can be found out.

use drawbridge_core::{answer::Status, plan::Settled};
use serde_json::json;

use super::{
    super::{apply, plan},
    Bench, each, planned, scope, status,
};

#[tokio::test]
async fn the_same_key_again_changes_nothing_and_gives_the_receipt_again() {
    each(async |engine| {
        for applied_table in [true, false] {
            let bench = match applied_table {
                true => Bench::on(engine).await,
                false => Bench::without_keys(engine).await,
            };
            let plan = bench
                .plan("insert", "tickets", json!({"rows": [{}, {"subject": "b"}]}))
                .await
                .unwrap();
            let first = bench.apply(&plan, "one").await.unwrap();
            let after = bench.dump().await;
            let second = bench.apply(&plan, "one").await.unwrap();
            assert_eq!(first, second);
            assert_eq!(bench.dump().await, after);
            if applied_table {
                assert_eq!(
                    apply::apply(&bench.other(), &plan, "one").await.unwrap(),
                    first
                );
                assert_eq!(bench.dump().await, after);
            }
            let another = bench.apply(&plan, "two").await.unwrap();
            assert_ne!(another, first, "another key is another effect");
        }
    })
    .await;
}

#[tokio::test]
async fn the_same_key_at_once_from_several_gateways_is_one_effect() {
    each(async |engine| {
        let bench = Bench::on(engine).await;
        for round in 0..10 {
            let plan = bench
                .plan("insert", "tickets", json!({"values": {}}))
                .await
                .unwrap();
            let before = bench.dump().await.len();
            let gateways = [bench.other(), bench.other(), bench.other(), bench.other()];
            let key = format!("round{round}");
            let all = gateways
                .iter()
                .map(|gateway| apply::apply(gateway, &plan, &key));
            let receipts = futures_util::future::join_all(all).await;
            let first = receipts[0].as_ref().unwrap();
            assert!(receipts.iter().all(|one| one.as_ref().unwrap() == first));
            assert_eq!(bench.dump().await.len(), before + 1);
        }
    })
    .await;
}

#[tokio::test]
async fn two_different_effects_on_one_row_at_once_are_one_effect_and_one_conflict() {
    each(async |engine| {
        let bench = Bench::on(engine).await;
        let (one, two) = (bench.other(), bench.other());
        for (index, status) in ["closed", "waiting", "open", "closed", "open"]
            .iter()
            .enumerate()
        {
            let set = json!({"key": 1, "set": {"status": status}});
            let set = planned(&one, "update", "tickets", set).await.unwrap();
            let subject = json!({"key": 1, "set": {"subject": format!("s{index}")}});
            let subject = planned(&two, "update", "tickets", subject).await.unwrap();
            let (first, second) = (format!("a{index}"), format!("b{index}"));
            let (first, second) = tokio::join!(
                apply::apply(&one, &set, &first),
                apply::apply(&two, &subject, &second)
            );
            let conflicts = [first, second].into_iter().filter(|done| {
                done.as_ref()
                    .is_err_and(|failure| failure.status == Status::Conflict)
            });
            assert_eq!(conflicts.count(), 1);
            bench
                .sql("UPDATE tickets SET status = 'new', subject = 'new' WHERE id = 1")
                .await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_came_of_an_effect_is_known_by_its_key() {
    each(async |engine| {
        let bench = Bench::on(engine).await;
        let plan = bench
            .plan("insert", "tickets", json!({"values": {}}))
            .await
            .unwrap();
        let settled = apply::settle(&bench.other(), &plan, "one").await;
        assert_eq!(settled, Settled::NotApplied);
        let receipt = bench.apply(&plan, "one").await.unwrap();
        let settled = apply::settle(&bench.other(), &plan, "one").await;
        assert_eq!(settled, Settled::Applied(receipt.clone()));
        // What is found after a crash is enough to take it back.
        let Settled::Applied(found) = settled else {
            panic!()
        };
        bench.undo(&plan, &found).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn without_keys_the_rows_tell_where_they_can() {
    each(async |engine| {
        for (action, table, arguments) in [
            (
                "update",
                "tickets",
                json!({"keys": [1, 2], "set": {"status": "closed"}}),
            ),
            ("delete", "tickets", json!({"keys": [1, 2]})),
            (
                "insert",
                "codes",
                json!({"rows": [{"code": "x"}, {"code": "y", "title": "Y"}]}),
            ),
        ] {
            let bench = Bench::without_keys(engine).await;
            let before = bench.dump().await;
            let plan = bench.plan(action, table, arguments).await.unwrap();
            assert_eq!(
                apply::settle(&bench.other(), &plan, "k").await,
                Settled::NotApplied
            );
            let receipt = bench.apply(&plan, "k").await.unwrap();
            let settled = apply::settle(&bench.other(), &plan, "k").await;
            let Settled::Applied(found) = settled else {
                panic!("{action}: {settled:?}")
            };
            assert_eq!(found.work, receipt.work);
            bench.undo(&plan, &found).await.unwrap();
            assert_eq!(bench.dump().await, before);
            let secret = engine.bytes("01");
            bench
                .sql(&format!(
                    "UPDATE tickets SET secret = {secret}; \
                     INSERT INTO codes (code, title) VALUES ('x', 'o')"
                ))
                .await;
            let settled = apply::settle(&bench.other(), &plan, "k").await;
            assert!(
                matches!(settled, Settled::Unknown(_)),
                "{action}: {settled:?}"
            );
        }
        let bench = Bench::without_keys(engine).await;
        let plan = bench
            .plan("insert", "tickets", json!({"values": {}}))
            .await
            .unwrap();
        let settled = apply::settle(&bench.database, &plan, "k").await;
        assert!(matches!(settled, Settled::Unknown(why) if why.contains("applied_table")));
    })
    .await;
}

#[tokio::test]
async fn a_table_that_left_the_scope_is_not_changed_any_more() {
    each(async |engine| {
        let bench = Bench::on(engine).await;
        let (plan, receipt) = bench
            .act(
                "update",
                "codes",
                json!({"key": "a", "set": {"title": "new"}}),
            )
            .await;
        let mut narrower = scope();
        narrower["tables"].as_object_mut().unwrap().remove("codes");
        let other = super::opened(&bench.place, narrower, true);
        assert_eq!(
            status(apply::apply(&other, &plan, "k2").await),
            Status::Conflict
        );
        assert_eq!(
            status(plan::undo(&other, &plan, &receipt).await),
            Status::Conflict
        );
    })
    .await;
}
