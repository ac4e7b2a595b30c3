//! Search finds what it should, in the order that BM25 says, in each document's own language.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::desk::{Desk, documents, gateway, paths, write};

const ANN: &str = "  ann: {name: Ann}\n";
const ALL: &str = "{who: [everyone], may: [read, search]}";

async fn desk(folder: &std::path::Path, scope: &str) -> Desk {
    std::fs::create_dir_all(folder.join("documents")).unwrap();
    Desk::open(folder, &gateway(ANN), &documents("", scope, ALL)).await
}

/// BM25 as the textbook writes it, over words that have no endings.
fn reference(corpus: &BTreeMap<String, Vec<String>>, query: &[&str]) -> Vec<(String, f64)> {
    let passages = corpus.len() as f64;
    let average = corpus.values().map(Vec::len).sum::<usize>() as f64 / passages;
    let mut scores: Vec<(String, f64)> = corpus
        .iter()
        .map(|(path, words)| {
            let score: f64 = query
                .iter()
                .map(|word| {
                    let having = corpus
                        .values()
                        .filter(|words| words.iter().any(|own| own == word))
                        .count() as f64;
                    let rarity = (1.0 + (passages - having + 0.5) / (having + 0.5)).ln();
                    let times = words.iter().filter(|own| own == word).count() as f64;
                    rarity * times * 2.2
                        / (times + 1.2 * (0.25 + 0.75 * words.len() as f64 / average))
                })
                .sum();
            (path.clone(), (score * 10_000.0).round() / 10_000.0)
        })
        .filter(|(_, score)| *score > 0.0)
        .collect();
    scores.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
    scores
}

#[tokio::test]
async fn scores_are_those_of_an_independent_count_over_what_is_visible() {
    let keep = tempfile::tempdir().unwrap();
    let grant = "{who: [everyone], may: [read, search], only: {label: internal}}";
    std::fs::create_dir_all(keep.path().join("documents")).unwrap();
    let desk = Desk::open(
        keep.path(),
        &gateway(ANN),
        &documents("", "label: internal", grant),
    )
    .await;
    let mut corpus = BTreeMap::new();
    // A small generator, so that lengths and frequencies vary and the test is the same each time.
    let mut state = 1_u64;
    let mut next = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for number in 0..120 {
        let (path, length) = (format!("t{number:03}.txt"), 3 + next(60));
        let words: Vec<String> = (0..length)
            .map(|_| format!("w{}", next(8) * next(5)))
            .collect();
        let hidden = number % 3 == 0;
        let front = if hidden {
            "---\nlabel: restricted\n---\n"
        } else {
            ""
        };
        write(
            &desk.documents(),
            &path,
            format!("{front}{}", words.join(" ")),
        );
        if !hidden {
            // The title is the path, cut at the dot.
            let title = [format!("t{number:03}"), "txt".to_owned()];
            corpus.insert(path, title.into_iter().chain(words).collect());
        }
    }
    desk.synced(120).await;
    for query in [
        vec!["w0"],
        vec!["w1", "w2"],
        vec!["w6", "w6", "w8"],
        vec!["w28", "w0", "w12", "txt"],
        vec!["w99"],
    ] {
        let expected = reference(&corpus, &query);
        let question = json!({"query": query.join(" "), "limit": 50});
        let answer = desk.ask("ann", "search", question).await;
        assert_eq!(answer["data"]["total"], expected.len(), "{query:?}");
        let hits = answer["data"]["hits"].as_array().unwrap();
        let found: Vec<(String, f64)> = hits
            .iter()
            .map(|hit| {
                (
                    hit["path"].as_str().unwrap().to_owned(),
                    hit["score"].as_f64().unwrap(),
                )
            })
            .collect();
        assert_eq!(found.len(), expected.len().min(50));
        for ((path, score), (right_path, right)) in found.iter().zip(&expected) {
            assert!(
                (score - right).abs() < 0.000_11,
                "{query:?} {path}: {score}, not {right}"
            );
            // Sums that differ in their last bit may round apart; the order then is by the sum.
            assert!(
                path == right_path || (score - right).abs() < 0.000_11,
                "{query:?}"
            );
        }
    }
}

#[tokio::test]
async fn each_document_is_found_by_the_word_forms_of_its_language() {
    let keep = tempfile::tempdir().unwrap();
    let scope = r#"label: internal, language: en, folders: [{path: "de/**", language: de}]"#;
    let desk = desk(keep.path(), scope).await;
    write(
        &desk.documents(),
        "one.md",
        "# One\n\nThe runners were running.",
    );
    write(
        &desk.documents(),
        "de/zwei.md",
        "# Zwei\n\nDie Häuser stehen am Hang.",
    );
    write(
        &desk.documents(),
        "tre.md",
        "---\nlanguage: sv\n---\n# Tre\n\nHundarna springer.",
    );
    write(
        &desk.documents(),
        "site.html",
        "<html lang=\"fr-FR\"><title>Quatre</title><p>Les chevaux mangeaient.</p></html>",
    );
    desk.synced(4).await;
    for (query, path) in [
        ("runs", Some("one.md")),
        ("haus", Some("de/zwei.md")),
        ("HÄUSERN", Some("de/zwei.md")),
        ("hund", Some("tre.md")),
        ("manger", Some("site.html")),
        ("Ha\u{308}user", Some("de/zwei.md")),
        ("mangel", None),
    ] {
        let found = paths(&desk.ask("ann", "search", json!({"query": query})).await);
        assert_eq!(found.first().map(String::as_str), path, "{query}");
    }
}

#[tokio::test]
async fn filters_pages_and_ranges_give_just_what_is_asked_for() {
    let keep = tempfile::tempdir().unwrap();
    let desk = desk(keep.path(), r#"label: internal, drafts: show"#).await;
    for number in 0..12 {
        let status = if number % 4 == 0 { "draft" } else { "final" };
        let text = format!(
            "---\nstatus: {status}\n---\n# Oak {number}\n\nWalnut line.\n\n## Below\n\nSecond part."
        );
        write(&desk.documents(), &format!("wood/{number:02}.md"), text);
    }
    let old = desk.documents().join("wood/11.md");
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    std::fs::File::options()
        .write(true)
        .open(old)
        .unwrap()
        .set_modified(time)
        .unwrap();
    desk.synced(12).await;
    let ask = |action: &'static str, arguments: Value| desk.ask("ann", action, arguments);
    let list = ask("list", json!({"status": "draft"})).await;
    assert_eq!(paths(&list), ["wood/00.md", "wood/04.md", "wood/08.md"]);
    desk.answers(
        ("ann", "list", json!({"modified_before": "2002-01-01"})),
        |answer| paths(answer) == ["wood/11.md"],
    )
    .await;
    let late = ask("list", json!({"modified_after": "2001-09-10T00:00:00Z"})).await;
    assert_eq!(late["data"]["total"], 11);
    let wrong = ask("list", json!({"modified_after": "soon"})).await;
    assert!(
        wrong["message"]
            .as_str()
            .unwrap()
            .starts_with("`modified_after`: it is no time"),
        "{wrong}"
    );
    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let mut question = json!({"query": "walnut", "limit": 5});
        if cursor.is_string() {
            question["cursor"] = cursor;
        }
        let page = ask("search", question).await;
        seen.extend(paths(&page));
        cursor = page["data"]["next"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(seen.len(), 12);
    seen.dedup();
    assert_eq!(seen.len(), 12, "no hit comes twice");
    let read = |more: Value| {
        let mut arguments = json!({"path": "wood/01.md"});
        arguments
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        ask("read", arguments)
    };
    let whole = read(json!({})).await;
    assert_eq!(
        whole["data"]["text"],
        "## Oak 1\n\nWalnut line.\n\n## Oak 1 › Below\n\nSecond part."
    );
    assert_eq!(
        (&whole["data"]["lines"], &whole["data"]["length"]),
        (&json!(7), &json!(54))
    );
    let line = read(json!({"from_line": 3, "to_line": 3})).await;
    assert_eq!(line["data"]["text"], "Walnut line.\n");
    let letters = read(json!({"from_character": 4, "to_character": 6})).await;
    assert_eq!(letters["data"]["text"], "Oak");
    let below = read(json!({"heading": "Below"})).await;
    assert_eq!(below["data"]["text"], "## Oak 1 › Below\n\nSecond part.");
    assert_eq!(read(json!({"from_line": 90})).await["status"], "not_found");
    assert_eq!(
        read(json!({"from_line": 3, "to_line": 2})).await["status"],
        "invalid"
    );
    assert_eq!(read(json!({"page": 3})).await["status"], "not_found");
}

#[tokio::test]
async fn a_long_document_is_read_page_by_page_without_losing_a_letter() {
    let keep = tempfile::tempdir().unwrap();
    let desk = desk(keep.path(), "label: internal").await;
    let text: String = (0..9_000).map(|number| format!("word{number} ")).collect();
    write(&desk.documents(), "long.txt", &text);
    desk.synced(1).await;
    let (mut whole, mut arguments) = (String::new(), json!({"path": "long.txt"}));
    loop {
        let answer = desk.ask("ann", "read", arguments.clone()).await;
        whole.push_str(answer["data"]["text"].as_str().unwrap());
        match answer["data"]["next"].as_str() {
            Some(next) => arguments["cursor"] = json!(next),
            None => break,
        }
    }
    assert_eq!(whole, text.trim());
}
