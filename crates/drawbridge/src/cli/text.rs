//! Answers of the gateway as text for people: tables and sentences. Scripts ask for `--json`.

mod plans;
mod secrets;

use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use serde_json::Value;

pub(super) use plans::{approval, approvals, decided, outcome};
pub(super) use secrets::{
    connected, disconnected, secret, secret_removed, secret_retired, secret_set, secrets,
};

/// Makes text of an answer's data.
pub(super) type Text = fn(&Value) -> String;

/// Columns of a table: a heading, and where the value stands in a row.
type Columns = &'static [(&'static str, &'static str)];

const TOOLS: Columns = &[("TOOL", "/name"), ("POWER", "/power"), ("WHAT", "/title")];
const CONNECTORS: Columns = &[
    ("CONNECTOR", "/name"),
    ("STATE", "/state"),
    ("HEALTH", "/inspection/health"),
    ("HOLDS", "/inspection/summary"),
    ("PROBLEMS", "/inspection/problem_count"),
    ("OWNER", "/owner"),
    ("PURPOSE", "/purpose"),
];
const TOKENS: Columns = &[
    ("TOKEN", "/id"),
    ("PERSON", "/person"),
    ("CLIENT", "/client"),
    ("NAME", "/name"),
    ("EXPIRES", "/expires"),
    ("LAST USED", "/last_used"),
    ("REVOKED", "/revoked"),
];

/// Characters of a line where the terminal does not say how many it has.
const WIDTH: u16 = 160;

pub(super) fn tools(data: &Value) -> String {
    table(
        data.get("tools"),
        TOOLS,
        "There is no tool that you may use.",
    )
}

pub(super) fn connectors(data: &Value) -> String {
    let none = "There is no connector that you may use.";
    let mut text = table(data.get("connectors"), CONNECTORS, none);
    for one in items(data.get("connectors")) {
        let name = cell(one, "/name");
        if one.get("waiting").is_some_and(|waiting| !waiting.is_null()) {
            text.push_str(&format!(
                "\n\nA wider revision of {name} waits: `drawbridge diff {name}` shows what it widens."
            ));
        }
        if let Some(why) = one.get("broken").and_then(Value::as_str) {
            text.push_str(&format!(
                "\n\nThe file of {name} is broken, and its last good revision is in force: {why}"
            ));
        }
    }
    for problem in items(data.get("problems")) {
        text.push_str(&format!(
            "\n\n{}:{}:{}: {}; {}",
            cell(problem, "/file"),
            cell(problem, "/line"),
            cell(problem, "/column"),
            cell(problem, "/rule"),
            cell(problem, "/mend"),
        ));
    }
    text
}

pub(super) fn tokens(data: &Value) -> String {
    table(data.get("tokens"), TOKENS, "There is no token.")
}

pub(super) fn new_token(data: &Value) -> String {
    let expires = match cell(data, "/expires").as_str() {
        "" => "It does not expire.".to_owned(),
        time => format!("It expires on {time}."),
    };
    format!(
        "{}\n\nThis token is shown once. It is for {} through {}. {expires}\n\
         `drawbridge token revoke {}` ends it.",
        cell(data, "/token"),
        cell(data, "/person"),
        cell(data, "/client"),
        cell(data, "/id"),
    )
}

pub(super) fn revoked(data: &Value) -> String {
    format!(
        "The token {} is ended, from the next call on.",
        cell(data, "/id")
    )
}

pub(super) fn standing(data: &Value) -> String {
    format!("{} is {}.", cell(data, "/connector"), cell(data, "/state"))
}

pub(super) fn revisions(data: &Value) -> String {
    let mut text = format!("In force: {}", cell(data, "/in_force"));
    match data.get("waiting").filter(|waiting| !waiting.is_null()) {
        None => text.push_str("\nNo revision waits for review."),
        Some(waiting) => {
            text.push_str(&format!("\nWaits for review: {}", cell(waiting, "/hash")));
            for change in items(waiting.get("changes")) {
                text.push_str(&format!(
                    "\n  {:<8} {}: {}",
                    cell(change, "/direction"),
                    cell(change, "/pointer"),
                    cell(change, "/sentence")
                ));
            }
        }
    }
    if let Some(why) = data.get("broken").and_then(Value::as_str) {
        text.push_str(&format!("\nThe file as it stands is broken: {why}"));
    }
    text
}

pub(super) fn explanation(data: &Value) -> String {
    let allowed = data.pointer("/decision/allowed").and_then(Value::as_bool);
    let word = if allowed == Some(true) {
        "allowed"
    } else {
        "denied"
    };
    let mut text = format!("{}: {word}", cell(data, "/tool"));
    if let Some(why) = data.get("unavailable").and_then(Value::as_str) {
        text.push_str(&format!(", but {why}"));
    }
    for reason in items(data.pointer("/decision/reasons")) {
        text.push_str(&format!("\n  because of {}", sentence(reason)));
    }
    if let Some(view) = data.get("view").filter(|_| allowed == Some(true)) {
        for admitted in items(view.get("admits")) {
            text.push_str(&format!("\n  sees {}", sentence(admitted)));
        }
        text.push_str(&format!("\n  does not see {}", cell(view, "/hides")));
        for rule in items(view.get("further_rules")) {
            text.push_str(&format!("\n  {} may forbid more", sentence(rule)));
        }
    }
    if let Some(says) = data.pointer("/gates/says").and_then(Value::as_str) {
        text.push_str(&format!("\nAt the gate: {says}"));
        let rule = cell(data, "/gates/rule");
        if !rule.is_empty() {
            text.push_str(&format!(" ({rule})"));
        }
        for gate in items(data.pointer("/gates/gates")) {
            let matches = gate.get("matches").and_then(Value::as_bool) == Some(true);
            text.push_str(&format!(
                "\n  {} {:<12} {}",
                if matches { "matches" } else { "not it " },
                cell(gate, "/place"),
                cell(gate, "/sentence")
            ));
        }
    }
    if items(data.pointer("/decision/rules")).next().is_none() {
        return text;
    }
    text.push_str("\nThe grants of this connector:");
    for rule in items(data.pointer("/decision/rules")) {
        let applies = rule.get("applies").and_then(Value::as_bool) == Some(true);
        text.push_str(&format!(
            "\n  {} {:<15} {}",
            if applies { "applies" } else { "not for" },
            cell(rule, "/place"),
            cell(rule, "/sentence")
        ));
    }
    text
}

/// Data that has no better form, as indented JSON.
pub(super) fn plain(data: &Value) -> String {
    serde_json::to_string_pretty(data).unwrap_or_default()
}

fn table(rows: Option<&Value>, columns: Columns, none: &str) -> String {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(columns.iter().map(|(heading, _)| *heading));
    let mut empty = true;
    for row in items(rows) {
        empty = false;
        table.add_row(columns.iter().map(|(_, pointer)| cell(row, pointer)));
    }
    if empty {
        none.to_owned()
    } else {
        table.trim_fmt()
    }
}

fn items(list: Option<&Value>) -> impl Iterator<Item = &Value> {
    list.and_then(Value::as_array).into_iter().flatten()
}

/// A value as people read it; times without fractions of a second.
fn cell(row: &Value, pointer: &str) -> String {
    match row.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => match text.parse::<jiff::Timestamp>() {
            Ok(time) => time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            Err(_) => text.clone(),
        },
        Some(Value::Array(list)) => {
            let words: Vec<String> = list.iter().map(|one| cell(one, "")).collect();
            words.join(", ")
        }
        Some(other) => other.to_string(),
    }
}

fn sentence(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_has_a_row_for_each_item_and_says_when_there_is_none() {
        let data =
            json!({"tools": [{"name": "handbook_search", "power": "search", "title": "Search"}]});
        insta::assert_snapshot!(tools(&data), @r"
        TOOL             POWER   WHAT
        handbook_search  search  Search
        ");
        assert_eq!(
            tools(&json!({"tools": []})),
            "There is no tool that you may use."
        );
    }

    #[test]
    fn what_waits_is_told_with_the_direction_of_each_change() {
        let data = json!({"in_force": "aa", "broken": null, "waiting": {"hash": "bb", "changes": [
            {"pointer": "/access", "direction": "widens", "sentence": "it may also search"}]}});
        insta::assert_snapshot!(revisions(&data), @r"
        In force: aa
        Waits for review: bb
          widens   /access: it may also search
        ");
    }
}
