//! `connector add`: a file that a person can review, from what a stranger says.

use serde_json::{Value, json};

use super::setup::{OLGA, Upstream, Written, told};
use crate::acting::firm::ANN;

/// Whether a file shows all that is in it.
fn is_plain(text: &str) -> bool {
    let seen = |letter: char| matches!(letter, '\n' | ' '..='~') || letter.is_alphanumeric();
    text.chars().all(seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_written_that_can_do_nothing_until_it_is_reviewed() {
    let upstream = Upstream::new();
    let out = upstream.add(&["--json"], &[]);
    assert!(out.status.success(), "{}", told(&out));
    let said: Value = serde_json::from_slice(&out.stdout).unwrap();
    let data = &said["data"];
    assert_eq!(said["status"], "ok", "{said:#}");
    assert_eq!(data["file"], "connectors/up.yaml");
    assert!(
        data["target"]
            .as_str()
            .unwrap()
            .contains("hostile-upstream")
    );
    let notes = data["notes"].to_string();
    for note in [
        "`get`: `read`",
        "`remove`: `delete`",
        "`send`: `send`",
        "`put`: `update`",
    ] {
        assert!(notes.contains(note), "{note}: {notes}");
    }
    let checked = upstream.firm.house.line(&["check", "up", "--offline"]);
    assert!(checked.status.code() != Some(2), "{}", told(&checked));
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let olga = open.client(&upstream.firm, OLGA, "claude");
    for person in [&ann, &olga] {
        let answer = person.call("up_echo", json!({"text": "early"})).await;
        assert_eq!(answer["status"], "denied", "{answer:#}");
    }
    assert!(upstream.calls("echo").is_empty());
    upstream.firm.review("up");
    let answer = super::setup::until(&olga, ("up_echo", json!({"text": "reviewed"})), "ok").await;
    assert_eq!(answer["data"]["structuredContent"]["text"], "reviewed");
    // The file names nobody but its owner.
    let answer = ann.call("up_echo", json!({"text": "x"})).await;
    assert_eq!(answer["status"], "denied", "{answer:#}");
    assert_eq!(upstream.calls("echo"), [json!({"text": "reviewed"})]);
}

#[test]
fn poisoned_tools_are_shown_for_what_they_are_or_left_out_with_the_reason() {
    let upstream = Upstream::new();
    let out = upstream.add(&[], &["--poison"]);
    let said = told(&out);
    assert!(out.status.success(), "{said}");
    let file = upstream.file();
    assert!(is_plain(&file), "the file hides something");
    assert!(
        is_plain(&said.replace(['⟨', '⟩', '…'], "")),
        "the output hides something: {said:?}"
    );
    for (name, why) in [
        ("twin", "more than once"),
        ("send mail", "no AI client"),
        ("a/b", "no AI client"),
        ("../put", "no AI client"),
        ("schema_true", "left out"),
        ("schema_remote_ref", "left out"),
        ("schema_no_object", "left out"),
        ("schema_a_text", "left out"),
    ] {
        let line = said
            .lines()
            .find(|line| line.contains(&format!("`{name}`")));
        // What the SDK itself refuses is never listed.
        let line = line.unwrap_or_default();
        assert!(
            line.contains(why) && line.contains("left out"),
            "{name}: {line:?}\n{said}"
        );
    }
    let tools = file.split_once("  # What the system").unwrap().0;
    for name in ["twin", "send mail", "a/b", "schema_true", "schema_a_text"] {
        assert!(!tools.contains(name), "{name} is offered: {tools}");
    }
    for name in [
        "poison_zero_width",
        "poison_tags",
        "poison_bidi",
        "poison_ansi",
        "poison_important",
        "poison_secrecy",
        "poison_shadow",
        "poison_long",
    ] {
        assert!(
            said.contains(&format!("look at `{name}`")),
            "{name} raises no doubt: {said}"
        );
    }
    let checked = upstream.firm.house.line(&["check", "up", "--offline"]);
    let checked = told(&checked);
    assert!(checked.contains("poison_tags"), "{checked}");
    assert!(
        checked.contains("`up_ech0` looks like `up_echo`")
            || checked.contains("`up_echo` looks like `up_ech0`"),
        "{checked}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_characters_reach_no_ai_client_unseen() {
    let written = Written {
        tools: &[
            ("poison_tags", "{power: read}"),
            ("poison_ansi", "{power: read}"),
            ("poison_bidi", "{power: read}"),
        ],
        ..Written::default()
    };
    let upstream = Upstream::with(&["--poison"], written);
    let open = upstream.open();
    let ann = open.client(&upstream.firm, ANN, "claude");
    let listed = super::setup::listed(&ann).await;
    assert_eq!(listed.len(), 3, "{listed:#?}");
    for tool in listed {
        let text = tool["description"]
            .as_str()
            .unwrap()
            .replace(['⟨', '⟩'], "");
        assert!(is_plain(&text), "{text:?}");
        assert!(text.contains("U+"), "{text}");
    }
    // It is the same tool still: what is shown otherwise is not what is compared.
    let answer = ann.call("up_poison_tags", json!({})).await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
}

#[test]
fn nothing_is_overwritten_and_no_secret_is_written() {
    let upstream = Upstream::new();
    for (name, value) in [("API_TOKEN", "v4lue-of-it"), ("DB_PASSWORD", "v4lue-of-it")] {
        let pair = format!("{name}={value}");
        let out = upstream.add(&["--env", &pair], &[]);
        let said = told(&out);
        assert!(!out.status.success(), "{said}");
        assert!(
            said.contains(name) && said.contains("drawbridge secret set"),
            "{said}"
        );
        assert!(!said.contains(value), "{said}");
        assert!(!upstream.path().exists());
    }
    assert!(upstream.log().is_empty(), "it was started all the same");
    upstream.added(&["--env", "GREETING=hello world"], &[]);
    let before = upstream.file();
    assert!(before.contains("GREETING: \"hello world\""), "{before}");
    let log = upstream.log();
    assert_eq!(log[0]["env"]["GREETING"], "hello world");
    let out = upstream.add(&[], &[]);
    assert!(!out.status.success());
    assert!(
        told(&out).contains("nothing is overwritten"),
        "{}",
        told(&out)
    );
    assert_eq!(upstream.file(), before);
    assert_eq!(
        upstream.log().len(),
        log.len(),
        "it was started all the same"
    );
}

#[test]
fn what_cannot_be_asked_is_told_with_the_reason_and_nothing_is_written() {
    let upstream = Upstream::new();
    for (command, why) in [
        (vec!["--", "no-such-program-here"], "no-such-program-here"),
        (vec!["--", "false"], "its program"),
        (vec!["--url", "http://127.0.0.1:9/mcp"], "cannot be reached"),
        (vec!["--url", "ftp://x.example"], "no address of the web"),
        (
            vec!["--url", "http://ann:secret-word@x.example/"],
            "a name or a password",
        ),
        (
            vec!["--url", "http://127.0.0.1:9/mcp", "--", "false"],
            "keep the one that is meant",
        ),
        (vec![], "neither `command` nor `url`"),
    ] {
        let out = upstream.line(&command);
        let said = told(&out);
        assert!(
            !out.status.success() && said.contains(why),
            "{command:?}: {said}"
        );
        assert!(!said.contains("secret-word"), "{said}");
        assert!(!upstream.path().exists());
    }
    let out = upstream.firm.house.line(&["connector", "add", "sql", "x"]);
    assert!(
        !out.status.success() && told(&out).contains("written by hand"),
        "{}",
        told(&out)
    );
    let out = upstream
        .firm
        .house
        .line(&["connector", "add", "nothing", "x"]);
    assert!(
        !out.status.success() && told(&out).contains("there is no kind"),
        "{}",
        told(&out)
    );
}
