//! Questions over business databases that everybody knows: through windows that show everything,
//! each has the answer that the engine itself gives.

use std::{collections::BTreeSet, path::Path};

use serde_json::{Value, json};

use super::{
    super::{
        engine::{Engine, Place, each},
        opened,
    },
    letter,
    ordinary::direct,
    query,
};

const SAMPLES: [(&str, &str); 3] = [
    ("chinook", include_str!("../samples/chinook.tsv")),
    ("northwind", include_str!("../samples/northwind.tsv")),
    ("pagila", include_str!("../samples/pagila.tsv")),
];

fn scope(name: &str) -> Value {
    let scopes: Value = serde_json::from_str(include_str!("../samples/scopes.json")).unwrap();
    let tables = &scopes[name]["tables"];
    json!({"label": "internal", "query": true, "tables": tables})
}

#[tokio::test]
#[ignore = "needs the sample databases, which are not part of the project: see samples/load"]
async fn questions_over_known_databases_have_their_answers() {
    each(same_answers).await;
}

async fn same_answers(engine: Engine) {
    let folder = std::env::var_os("DRAWBRIDGE_TEST_SAMPLES").expect("a folder with `NAME.sqlite`");
    let (mut asked, mut wrong, mut refused) = (0, Vec::new(), BTreeSet::new());
    for (name, questions) in SAMPLES {
        let keep = tempfile::tempdir().unwrap();
        let place = Place {
            engine,
            folder: keep.path().to_owned(),
            name: format!("parity_{name}"),
        };
        if engine == Engine::Sqlite {
            let file = Path::new(&folder).join(format!("{name}.sqlite"));
            std::fs::copy(file, keep.path().join("crm.db")).unwrap();
        }
        let database = opened(&place, scope(name), false);
        let seen: Vec<_> = database.own.tables.values().cloned().collect();
        for line in questions.lines() {
            let (engines, text) = line.split_once('\t').unwrap();
            if !engines.contains(letter(engine).0) {
                continue;
            }
            let Some(wanted) = direct(&database, text).await else {
                println!("{engine:?} itself does not answer {text}");
                continue;
            };
            asked += 1;
            match query::answer(&database, text, &seen).await {
                Ok(found) if found.data["rows"] == wanted => {}
                Ok(found) => wrong.push(format!("{text}\n  {}\n  {wanted}", found.data["rows"])),
                Err(failure) => {
                    refused.insert(format!("{text}\n  {}", failure.message));
                }
            }
        }
    }
    println!("{engine:?}: {asked} asked, {} refused", refused.len());
    let refused: Vec<String> = refused.into_iter().collect();
    assert!(
        wrong.is_empty() && refused.is_empty(),
        "{}\nREFUSED\n{}",
        wrong.join("\n"),
        refused.join("\n")
    );
    assert!(asked >= 200, "{asked}");
}
