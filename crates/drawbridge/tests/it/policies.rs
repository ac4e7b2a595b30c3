//! The organisation's own rules, under `policies/`.

use serde_json::{Value, json};

use crate::bridge::Bridge;

const FEW: &str = r#"
@id("few-at-a-time")
@advice("ask for at most ten hits")
forbid (principal, action == Drawbridge::Action::"handbook_search", resource)
when { context.arguments has limit && context.arguments.limit > 10 };
"#;

/// A rule about an integer holds however the number is written.
#[tokio::test]
async fn a_rule_about_an_argument_cannot_be_written_around() {
    let bridge = Bridge::start().await;
    let search = |limit: Value| {
        let arguments = json!({"query": "refund", "limit": limit});
        async { bridge.call("maja", "handbook_search", arguments).await }
    };
    assert_eq!(search(json!(50)).await["status"], "ok", "before the rule");
    std::fs::write(bridge.folder().join("policies/few.cedar"), FEW).unwrap();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while search(json!(50)).await["status"] == "ok" {
        assert!(std::time::Instant::now() < end, "the rule is not taken up");
    }
    for limit in ["50", "50.0", "5e1", "11.0"] {
        let answer = search(serde_json::from_str(limit).unwrap()).await;
        assert_eq!(answer["status"], "denied", "{limit}: {answer}");
        assert_eq!(
            answer["notices"],
            json!(["ask for at most ten hits"]),
            "{limit}"
        );
    }
    for limit in ["10", "1e1", "10.0"] {
        let answer = search(serde_json::from_str(limit).unwrap()).await;
        assert_eq!(answer["status"], "ok", "{limit}: {answer}");
    }
    let huge = search(json!(1e300)).await;
    assert_ne!(huge["status"], "ok", "{huge}");
}

const FOLDER: &str = r#"
@id("one-folder-at-a-time")
@advice("name the folder to search")
forbid (principal, action == Drawbridge::Action::"handbook_search", resource)
unless { context.arguments has folder };
@id("no-erik")
forbid (principal == Drawbridge::Person::"erik@lindqvist.example",
        action == Drawbridge::Action::"handbook_list", resource);
"#;

/// A rule that asks for an argument leaves the tool to those who give it, and the record names the
/// rule that kept it from others.
#[tokio::test]
async fn a_tool_whose_rule_asks_for_an_argument_is_offered_and_explained_alike() {
    let bridge = Bridge::start().await;
    std::fs::write(bridge.folder().join("policies/folder.cedar"), FOLDER).unwrap();
    let bare = json!({"query": "per diem"});
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let denied = loop {
        let answer = bridge.call("maja", "handbook_search", bare.clone()).await;
        if answer["status"] == "denied" {
            break answer;
        }
        assert!(std::time::Instant::now() < end, "the rule is not taken up");
    };
    assert_eq!(denied["notices"], json!(["name the folder to search"]));
    let within = json!({"query": "per diem", "folder": "handbook"});
    let answer = bridge.call("maja", "handbook_search", within.clone()).await;
    assert_eq!(answer["status"], "ok", "{answer}");
    for (arguments, allowed) in [(within, true), (bare, false)] {
        let asked = arguments.to_string();
        let line = [
            "--json",
            "explain",
            "handbook_search",
            "--arguments",
            &asked,
        ];
        let explained: Value = serde_json::from_slice(&bridge.line(&line).stdout).unwrap();
        assert_eq!(explained["data"]["decision"]["allowed"], allowed, "{asked}");
    }
    let kept = bridge.call("erik", "handbook_list", json!({})).await;
    assert_eq!(kept["status"], "denied", "{kept}");
    let id = kept["record"].as_str().unwrap();
    let record: Value =
        serde_json::from_slice(&bridge.line(&["--json", "log", "show", id]).stdout).unwrap();
    let reasons = record["data"]["decided"]["reasons"].to_string();
    assert!(reasons.contains("no-erik"), "{record}");
}

/// What forbids cannot be lost by a byte that is no text, a wrong ending, or a file in its place.
#[tokio::test]
async fn a_rule_that_can_no_longer_be_read_goes_on_forbidding() {
    let bridge = Bridge::start().await;
    let folder = bridge.folder().join("policies");
    let rule = folder.join("no-lists.cedar");
    let text = "forbid (principal, action == Drawbridge::Action::\"handbook_list\", resource);\n";
    let list = || bridge.call("maja", "handbook_list", json!({"limit": 1}));
    std::fs::write(&rule, text).unwrap();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while list().await["status"] != "denied" {
        assert!(std::time::Instant::now() < end, "the rule is not taken up");
    }
    let problems = || {
        let told = bridge.line(&["--json", "connectors"]);
        let told: Value = serde_json::from_slice(&told.stdout).unwrap();
        told["data"]["problems"].to_string()
    };
    type Harm<'a> = (&'a str, Box<dyn Fn() + 'a>, Box<dyn Fn() + 'a>);
    let (text_file, sub) = (folder.join("no-lists.txt"), folder.join("more"));
    let back = || std::fs::write(&rule, text).unwrap();
    let harms: Vec<Harm<'_>> = vec![
        (
            "no-lists.cedar",
            Box::new(|| std::fs::write(&rule, b"// \xff\n").unwrap()),
            Box::new(back),
        ),
        (
            "no-lists.txt",
            Box::new(|| std::fs::rename(&rule, &text_file).unwrap()),
            Box::new(|| std::fs::rename(&text_file, &rule).unwrap()),
        ),
        (
            "policies/more",
            Box::new(|| {
                std::fs::create_dir(&sub).unwrap();
                std::fs::rename(&rule, sub.join("x.cedar")).unwrap();
            }),
            Box::new(|| {
                std::fs::remove_dir_all(&sub).unwrap();
                back();
            }),
        ),
    ];
    for (named, harm, mend) in harms {
        harm();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !problems().contains(named) {
            assert!(
                std::time::Instant::now() < end,
                "{named} is not told: {}",
                problems()
            );
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(list().await["status"], "denied", "{named}");
        mend();
        while problems() != "[]" {
            assert!(
                std::time::Instant::now() < end,
                "{named} stays: {}",
                problems()
            );
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}
