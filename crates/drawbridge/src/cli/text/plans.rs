//! Kept plans as text for people.

use serde_json::Value;

use super::{Columns, cell, items, table};

const APPROVALS: Columns = &[
    ("ID", "/short"),
    ("STAGE", "/stage"),
    ("CONNECTOR", "/connector"),
    ("WHAT", "/sentence"),
    ("FOR", "/person"),
    ("THROUGH", "/client"),
    ("EXPIRES", "/expires"),
    ("YOURS", "/yours"),
];

pub(in crate::cli) fn approvals(data: &Value) -> String {
    let rows: Vec<Value> = items(data.get("approvals"))
        .map(|plan| {
            let mut row = plan.clone();
            let yours = plan.get("yours_to_decide").and_then(Value::as_bool) == Some(true);
            if let Some(row) = row.as_object_mut() {
                let short: String = cell(plan, "/id").chars().take(8).collect();
                row.insert("short".to_owned(), short.into());
                row.insert("yours".to_owned(), if yours { "yes" } else { "" }.into());
            }
            row
        })
        .collect();
    let rows = Value::Array(rows);
    let table = table(Some(&rows), APPROVALS, "Nothing waits for anybody.");
    match data.get("next").and_then(Value::as_str) {
        Some(next) => format!("{table}\n\nThere are more: `drawbridge approvals --before {next}`."),
        None => table,
    }
}

pub(in crate::cli) fn approval(data: &Value) -> String {
    let mut text = format!(
        "{}\n\n{} is {}: {} by {}, asked for by {} through {} at {}",
        cell(data, "/sentence"),
        cell(data, "/id"),
        cell(data, "/stage"),
        cell(data, "/power"),
        cell(data, "/connector"),
        cell(data, "/person"),
        cell(data, "/client"),
        cell(data, "/created"),
    );
    let asked: Vec<String> = items(data.pointer("/asking/ask"))
        .map(|who| who.as_str().unwrap_or_default().to_owned())
        .collect();
    if !asked.is_empty() {
        let quorum = cell(data, "/asking/quorum");
        text.push_str(&format!(
            "\nAsked: {} ({quorum} must say yes; {}), until {}",
            asked.join(", "),
            cell(data, "/asking/rule"),
            cell(data, "/expires")
        ));
    }
    for voice in items(data.get("approved_by")) {
        text.push_str(&format!(
            "\nApproved by {} at {}",
            cell(voice, "/person"),
            cell(voice, "/at")
        ));
    }
    if let Some(editor) = data.get("edited_by").and_then(Value::as_str) {
        text.push_str(&format!("\nEdited by {editor}"));
    }
    text.push_str(&match data
        .pointer("/reversal/irreversible")
        .and_then(Value::as_str)
    {
        Some(why) => format!("\nIt cannot be undone: {why}"),
        None if !cell(data, "/undo_until").is_empty() => {
            format!("\nIt can be undone until {}", cell(data, "/undo_until"))
        }
        None => "\nIt can be undone as long as what was before is kept".to_owned(),
    });
    if let Some(reason) = data.pointer("/ended/reason").and_then(Value::as_str) {
        text.push_str(&format!("\nIt ended: {reason}"));
    }
    for target in items(data.get("targets")) {
        text.push_str(&format!(
            "\n\n{} {}",
            cell(target, "/change"),
            cell(target, "/resource")
        ));
        let facets = target.get("facets").and_then(Value::as_object);
        for (name, value) in facets.into_iter().flatten() {
            text.push_str(&format!("  {name}: {}", value.as_str().unwrap_or_default()));
        }
        text.push_str(&difference(target));
    }
    text.push_str(&format!("\n\nDigest: {}", cell(data, "/digest")));
    text
}

/// What becomes of a target, as a diff or field by field.
fn difference(target: &Value) -> String {
    if let Some(diff) = target.pointer("/diff/text").and_then(Value::as_str) {
        return format!("\n{}", diff.trim_end());
    }
    let mut text = String::new();
    for change in items(target.pointer("/diff/fields")) {
        let side = |name: &str| {
            change
                .get(name)
                .map_or("(not there)".to_owned(), Value::to_string)
        };
        text.push_str(&format!(
            "\n  {}: {} -> {}",
            cell(change, "/field"),
            side("before"),
            side("after")
        ));
    }
    text
}

/// What came of a yes.
pub(in crate::cli) fn outcome(data: &Value) -> String {
    let sentence = cell(data, "/sentence");
    match cell(data, "/stage").as_str() {
        "applied" => {
            let done = data.pointer("/receipt/sentence").and_then(Value::as_str);
            let undo = match cell(data, "/undo_until").as_str() {
                "" => String::new(),
                until => format!(
                    "\n`drawbridge undo {} --reason …` takes it back, until {until}.",
                    cell(data, "/id")
                ),
            };
            format!("Done: {}{undo}", done.unwrap_or(&sentence))
        }
        "waiting" if items(data.get("approved_by")).next().is_none() => format!(
            "It waits for others to approve it: {sentence}\n`drawbridge approvals show {}` shows it.",
            cell(data, "/id")
        ),
        "waiting" => format!("Your yes is kept; others must say yes too: {sentence}"),
        "approved" => format!("Approved: {sentence}"),
        stage => format!("{stage}: {sentence}\n{}", cell(data, "/ended/reason")),
    }
}

/// How a plan is after a decision.
pub(in crate::cli) fn decided(data: &Value) -> String {
    match (
        cell(data, "/stage").as_str(),
        cell(data, "/effects").as_str(),
    ) {
        ("", "") => cell(data, "/sentence"),
        ("", effects) => format!("Effects of all connectors: {effects}."),
        (stage, _) => format!(
            "{} is {stage}: {}",
            cell(data, "/id"),
            cell(data, "/sentence")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_plan_is_shown_with_all_that_would_change_and_who_is_asked() {
        let data = json!({
            "id": "3f9a1c0011223344", "stage": "waiting", "sentence": "Set tickets/1: status from open to closed",
            "connector": "crm", "power": "update", "person": "ann@x.example", "client": "claude",
            "created": "2026-06-01T12:00:00Z", "expires": "2026-06-02T12:00:00Z", "digest": "abc",
            "asking": {"ask": ["group:leads"], "quorum": 2, "rule": "approval[0]"},
            "approved_by": [{"person": "lena@x.example", "at": "2026-06-01T13:00:00Z"}],
            "reversal": "reversible",
            "targets": [
                {"resource": "tickets/1", "change": "update", "facets": {"label": "internal"},
                 "diff": {"fields": [{"field": "status", "before": "open", "after": "closed"}]}},
                {"resource": "a.md", "change": "create", "facets": {},
                 "diff": {"text": "--- before\n+++ after\n@@ -0,0 +1 @@\n+a\n"}},
            ],
        });
        insta::assert_snapshot!(approval(&data), @r#"
        Set tickets/1: status from open to closed

        3f9a1c0011223344 is waiting: update by crm, asked for by ann@x.example through claude at 2026-06-01 12:00:00Z
        Asked: group:leads (2 must say yes; approval[0]), until 2026-06-02 12:00:00Z
        Approved by lena@x.example at 2026-06-01 13:00:00Z
        It can be undone as long as what was before is kept

        update tickets/1  label: internal
          status: "open" -> "closed"

        create a.md
        --- before
        +++ after
        @@ -0,0 +1 @@
        +a

        Digest: abc
        "#);
    }
}
