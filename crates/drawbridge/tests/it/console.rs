//! The console in a real browser: stories that are told there, and what nobody may see in one.

mod arriving;
mod attacked;
mod guarded;
mod hostile;
mod office;
mod paged;
mod roles;
mod stories;

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::clients::prepared;

/// What a story saw, by name, and what went wrong in it.
pub(crate) struct Story {
    seen: Vec<(String, Value)>,
    faults: Vec<String>,
}

impl Story {
    /// Runs a story of `tests/tools/browser`, which is told this.
    pub(crate) fn run(name: &str, told: &Value) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/browser");
        let output = Command::new(prepared("DRAWBRIDGE_TEST_NODE"))
            .arg(folder.join(format!("{name}.mjs")))
            .arg(told.to_string())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let trace = String::from_utf8_lossy(&output.stderr);
        let mut story = Self {
            seen: Vec::new(),
            faults: Vec::new(),
        };
        for line in printed.lines() {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
            match line["saw"].as_str() {
                Some(saw) => story.seen.push((saw.to_owned(), line["what"].clone())),
                None => story
                    .faults
                    .push(line["fault"].as_str().unwrap().to_owned()),
            }
        }
        let good = output.status.success() == story.faults.is_empty();
        assert!(good, "{name}: {}: {printed}{trace}", output.status);
        story
    }

    /// The same for a story in which nothing may go wrong.
    pub(crate) fn tell(name: &str, told: &Value) -> Self {
        let story = Self::run(name, told);
        assert!(story.faults.is_empty(), "{name}: {:#?}", story.faults);
        story
    }

    /// What was seen under this name.
    pub(crate) fn saw(&self, name: &str) -> &Value {
        let mut found = self.seen.iter().filter(|(seen, _)| seen == name);
        let (_, what) = found
            .next()
            .unwrap_or_else(|| panic!("`{name}` was not seen"));
        assert!(found.next().is_none(), "`{name}` was seen twice");
        what
    }
}

#[test]
fn whatever_no_page_may_do_is_seen() {
    let story = Story::tell("faults", &json!({}));
    assert_eq!(story.saw("/fine"), &json!([]));
    for (page, kind, words) in [
        ("/error", "error: ", "thrown"),
        ("/rejected", "error: ", "rejected"),
        ("/console", "console: ", "said"),
        ("/policy", "policy: ", "script-src-elem inline"),
        ("/reported", "policy: ", "script-src-elem inline"),
        ("/dialog", "dialog: ", "alert: asked"),
        (
            "/elsewhere",
            "elsewhere: ",
            "http://elsewhere.example/x.png",
        ),
        ("/missing", "console: ", "/nothing.png"),
        ("accessible", "accessibility: ", "image-alt"),
    ] {
        let faults = story.saw(page).as_array().unwrap();
        let told = faults.iter().filter_map(Value::as_str);
        let found = told
            .clone()
            .any(|fault| fault.starts_with(kind) && fault.contains(words));
        assert!(found, "{page}: {faults:?}");
    }
    assert_eq!(story.saw("expected"), &json!({"times": 1, "faults": []}));
    let broken = Story::run("faults", &json!({"breaks": true}));
    assert!(
        broken.faults[0].starts_with("story: "),
        "{:?}",
        broken.faults
    );
}

/// Tells a story while a gateway in another process answers it.
pub(crate) async fn told(name: &'static str, about: Value) -> Story {
    let telling = tokio::task::spawn_blocking(move || Story::tell(name, &about));
    telling.await.unwrap()
}

/// Says yes to a plan, as its page lets somebody.
pub(crate) async fn approve(visitor: &office::Visitor, id: &str) {
    let page = visitor.page(&format!("/approvals/{id}")).await;
    let found = page.split_once("name=\"digest\" value=\"");
    let (_, rest) = found.unwrap_or_else(|| panic!("not theirs to decide: {page}"));
    let digest = rest.split('"').next().unwrap();
    let done = visitor
        .post(&format!("/approvals/{id}/approve"), &[("digest", digest)])
        .await;
    assert_eq!(done.code, 303, "{}", done.text);
}
