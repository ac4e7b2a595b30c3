//! When a row was changed, as its own column says.

use drawbridge_core::{
    answer::{Found, Status},
    decide::Fingerprint,
    file::{Direction, Labels, WhenStale},
};
use serde_json::{Value, json};

use super::{
    super::{fetch::fetched, freshness::told, part, query, search::search},
    Bench,
    engine::{Engine, each},
    status,
    views::part_of,
};

const SCHEMA: &str = "
    CREATE TABLE notes (id INTEGER PRIMARY KEY, word VARCHAR(20), changed {type});
    INSERT INTO notes VALUES (1, 'new', '2026-06-01 11:00:00'), (2, 'old', '2026-05-01 00:00:00'),
        (3, 'none', NULL);
";

fn scope(more: &Value) -> Value {
    let mut table =
        json!({"key": "id", "fields": ["id", "word", "changed"], "updated_at": "changed"});
    let fields = table.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    json!({"label": "internal", "query": true, "tables": {"notes": table}})
}

/// Of each source when it was changed, and whether it is stale.
fn dated(found: &Found) -> Vec<(Option<String>, bool)> {
    let sources = found.sources.iter();
    let dated = sources.map(|source| (source.modified.map(|at| at.to_string()), source.stale));
    dated.collect()
}

#[tokio::test]
async fn a_row_says_when_it_was_changed_and_is_stale_as_the_table_says() {
    each(says).await;
}

async fn says(engine: Engine) {
    let types: &[&str] = match engine {
        Engine::Sqlite => &["TEXT"],
        Engine::Postgres => &["timestamp", "timestamptz"],
        Engine::MariaDb => &["DATETIME", "TIMESTAMP NULL"],
    };
    for class in types {
        let zones = if *class == "timestamptz" {
            [" 13:00:00+02'", " 00:00:00+00'"]
        } else {
            [" 11:00:00'", " 00:00:00'"]
        };
        let schema = SCHEMA.replace("{type}", class);
        let schema = schema.replace(" 11:00:00'", zones[0]);
        let schema = schema.replace(" 00:00:00'", zones[1]);
        dated_rows(engine, &schema).await;
    }
}

async fn dated_rows(engine: Engine, schema: &str) {
    let mut bench = Bench::spoken(engine, schema, scope(&json!({"stale_after": "24h"}))).await;
    let new = (Some("2026-06-01T11:00:00Z".to_owned()), false);
    let old = (Some("2026-05-01T00:00:00Z".to_owned()), true);
    let none = (None, true);
    let notes = bench.database.own.tables["notes"].clone();
    for (key, said) in [(1, &new), (2, &old), (3, &none)] {
        let read = fetched(&bench.database, "read", (&notes, &json!({"key": key}))).await;
        assert_eq!(
            dated(&read.unwrap()),
            std::slice::from_ref(said),
            "{schema}"
        );
    }
    let list = fetched(&bench.database, "list", (&notes, &json!({})))
        .await
        .unwrap();
    assert_eq!(dated(&list), [new.clone(), old.clone(), none]);
    let arguments = json!({"where": [{"field": "id", "op": "lt", "value": 3}]});
    let found = search(&bench.database, (&notes, &arguments), Fingerprint([7; 32]));
    let found = found.await.unwrap();
    assert_eq!(dated(&found), [new.clone(), old]);
    let asked = "SELECT max(changed) FROM notes";
    let asked = query::answer(&bench.database, asked, std::slice::from_ref(&notes));
    assert_eq!(dated(&asked.await.unwrap()), [(None, false)]);
    let warned = told(&bench.database, found.clone()).unwrap();
    assert!(
        warned.notices[0].contains("of 2026-05-01T00:00:00Z"),
        "{:?}",
        warned.notices
    );
    let warned = told(&bench.database, list).unwrap();
    assert!(
        warned.notices[0].contains("how old"),
        "{:?}",
        warned.notices
    );
    bench.database.own.when_stale = WhenStale::Refuse;
    assert_eq!(status(told(&bench.database, found)), Status::Stale);
    let read = fetched(&bench.database, "read", (&notes, &json!({"key": 1})))
        .await
        .unwrap();
    assert!(told(&bench.database, read).unwrap().notices.is_empty());
}

#[tokio::test]
async fn without_a_limit_no_row_is_old_and_a_column_without_times_does_not_fit() {
    for engine in super::engine::SERVERS {
        let schema = SCHEMA.replace("{type}", "VARCHAR(40)");
        let bench = Bench::spoken(engine, &schema, scope(&json!({}))).await;
        let notes = &bench.database.own.tables["notes"];
        let list = fetched(&bench.database, "list", (notes, &json!({}))).await;
        assert_eq!(status(list), Status::Unavailable);
    }
    let schema = SCHEMA.replace("{type}", "TEXT");
    let bench = Bench::spoken(Engine::Sqlite, &schema, scope(&json!({}))).await;
    let notes = &bench.database.own.tables["notes"];
    let list = fetched(&bench.database, "list", (notes, &json!({})))
        .await
        .unwrap();
    assert!(dated(&list).iter().all(|(_, stale)| !stale));
}

#[test]
fn what_a_file_may_not_say_of_times_is_told_and_which_way_a_change_goes() {
    for (more, place) in [
        (json!({}), None),
        (json!({"stale_after": "2d"}), None),
        (
            json!({"updated_at": null, "stale_after": "2d"}),
            Some("stale_after"),
        ),
        (json!({"updated_at": "hidden"}), Some("updated_at")),
        (json!({"mask": {"changed": "year"}}), Some("updated_at")),
        (json!({"min_group": 5}), Some("updated_at")),
    ] {
        let faults = part::check(&part_of(scope(&more)), &Labels::default());
        let found: Vec<String> = faults.into_iter().map(|fault| fault.pointer).collect();
        let wanted: Vec<String> = place
            .map(|place| format!("/scope/tables/notes/{place}"))
            .into_iter()
            .collect();
        assert_eq!(found, wanted, "{more}");
    }
    use Direction::{Narrows, Widens};
    for (old, new, way) in [
        (json!({}), json!({"stale_after": "2d"}), Narrows),
        (
            json!({"stale_after": "2d"}),
            json!({"stale_after": "1d"}),
            Narrows,
        ),
        (
            json!({"stale_after": "1d"}),
            json!({"stale_after": "2d"}),
            Widens,
        ),
        (json!({"stale_after": "1d"}), json!({}), Widens),
        (json!({}), json!({"updated_at": null}), Widens),
        (json!({"updated_at": null}), json!({}), Narrows),
        (
            json!({"updated_at": null}),
            json!({"updated_at": null, "min_group": 3}),
            Narrows,
        ),
        (json!({"min_group": 3}), json!({"min_group": 4}), Narrows),
        (json!({"min_group": 4}), json!({"min_group": 3}), Widens),
        (json!({"min_group": 4}), json!({}), Widens),
        (
            json!({"min_group": 4}),
            json!({"min_group": 9, "person": "word"}),
            Widens,
        ),
    ] {
        let (old, new) = (part_of(scope(&old)), part_of(scope(&new)));
        let changes = part::compare(&old, &new, &Labels::default());
        let ways: Vec<Direction> = changes.iter().map(|change| change.direction).collect();
        assert_eq!(ways, [way], "{changes:?}");
    }
}
