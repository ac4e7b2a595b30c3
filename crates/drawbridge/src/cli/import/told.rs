//! What came of an import, for people and for scripts.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    apply::Applied,
    bring::{Outcome, State},
    places::Place,
};
use crate::cli::show;

/// How much is shown of what a server said, in characters.
const MOST_SAID: usize = 300;

/// What was to be done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Nothing was written.
    Dry,
    /// Connectors were written.
    Written,
    /// Clients were pointed here too.
    Applied,
}

type Came<'a> = (&'a [(Place, String)], &'a [Outcome], &'a [Applied]);

/// Tells all of it.
pub(super) fn tell(came: Came<'_>, how: How, as_json: bool) {
    if as_json {
        show::line(&show::json(&value(came)));
    } else {
        show::line(&show::visible(&text(came, how)));
    }
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::Found => "found",
            Self::Already => "already",
            Self::Off => "off",
            Self::LeftOut => "left_out",
        }
    }
}

fn value((broken, outcomes, applied): Came<'_>) -> Value {
    let servers = outcomes.iter().map(|outcome| {
        let file = outcome
            .connector
            .as_ref()
            .filter(|_| outcome.state == State::Imported);
        json!({
            "name": outcome.entry.name,
            "settings": outcome.place.path,
            "client": outcome.place.client.map(super::Client::name),
            "state": outcome.state.word(),
            "connector": outcome.connector,
            "file": file.map(|name| format!("connectors/{name}.yaml")),
            "why": outcome.why,
            "report": outcome.report,
        })
    });
    let broken = broken
        .iter()
        .map(|(place, why)| json!({"settings": place.path, "why": why}));
    let written = applied.iter().map(|one| {
        json!({"settings": one.place.path, "kept": one.kept.as_ref().ok(), "why": one.kept.as_ref().err()})
    });
    let (servers, broken): (Vec<Value>, Vec<Value>) = (servers.collect(), broken.collect());
    let whole = broken.is_empty()
        && outcomes
            .iter()
            .all(|outcome| outcome.state != State::LeftOut)
        && applied.iter().all(|one| one.kept.is_ok());
    json!({
        "status": if whole { "ok" } else { "partial" },
        "data": {"servers": servers, "broken": broken, "applied": written.collect::<Vec<Value>>()},
    })
}

fn text((broken, outcomes, applied): Came<'_>, how: How) -> String {
    let mut text = String::new();
    for (place, why) in broken {
        let _ = writeln!(text, "{}\n  left out   {why}", place.told());
    }
    for outcome in outcomes {
        one(outcome, &mut text);
    }
    for one in applied {
        let _ = match &one.kept {
            Ok(kept) => writeln!(
                text,
                "{} starts Drawbridge now; restart the client. Its old settings, with the secrets in them, are \
                 kept as `{}` for this account alone: `drawbridge import --undo` puts them back, or delete that \
                 file once all works.",
                one.place.told(),
                kept.display()
            ),
            Err(why) => writeln!(text, "{} stays as it was: {why}", one.place.told()),
        };
    }
    let count = |state: State| outcomes.iter().filter(|one| one.state == state).count();
    let left_out = count(State::LeftOut) + broken.len();
    match how {
        How::Dry => {
            let _ = write!(
                text,
                "Nothing was written. Would be imported: {}.",
                count(State::Found)
            );
        }
        How::Written | How::Applied => {
            let _ = write!(text, "Imported: {}.", count(State::Imported));
        }
    }
    if left_out > 0 {
        let _ = write!(text, " Left out: {left_out}.");
    }
    if outcomes.iter().any(|one| reason(one).1) {
        text.push_str(
            " All that their servers said stands in `drawbridge --json import --dry-run`.",
        );
    }
    next(outcomes, how, &mut text);
    text
}

/// What is to be done next.
fn next(outcomes: &[Outcome], how: How, text: &mut String) {
    let here = |one: &&Outcome| matches!(one.state, State::Imported | State::Already);
    let new = outcomes
        .iter()
        .filter(|outcome| outcome.state == State::Imported);
    let names: Vec<&str> = new
        .filter_map(|outcome| outcome.connector.as_deref())
        .collect();
    if let Some((first, others)) = names.split_first() {
        let _ = write!(
            text,
            " None of them can do anything until it is reviewed. Next:\n  look at the powers and limits in \
             connectors/{first}.yaml\n  drawbridge check {first}\n  drawbridge approve-revision {first} --reason \"reviewed its tools\""
        );
        if !others.is_empty() {
            let _ = write!(text, "\nand so with {}.", others.join(", "));
        }
    }
    if how == How::Written && outcomes.iter().any(|one| here(&one)) {
        text.push_str(
            "\nTheir clients start them past Drawbridge as before, with the secrets in their settings, until \
             `drawbridge import --apply`.",
        );
    }
}

/// Why a server was left out, for people, and whether its program said more.
fn reason(outcome: &Outcome) -> (String, bool) {
    let why = outcome.why.as_deref().unwrap_or_default();
    let Some((reason, said)) = why.split_once('\n') else {
        return (why.to_owned(), false);
    };
    // Of a long trace, the line that names the error; of the layers of a transport, what it meant.
    let lines = said.lines().map(|line| {
        let line = line.rsplit_once("] error: ").map_or(line, |(_, end)| end);
        line.rsplit_once("; it said: ")
            .map_or(line, |(_, end)| end)
            .trim()
    });
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let telling = lines.iter().find(|line| line.contains("rror: "));
    let line = telling.or(lines.last()).copied().unwrap_or_default();
    let line: String = line.chars().take(MOST_SAID).collect();
    (format!("{reason}\nin detail: {line}"), lines.len() > 1)
}

fn one(outcome: &Outcome, text: &mut String) {
    let report = &outcome.report;
    let _ = writeln!(text, "{} of {}", outcome.entry.name, outcome.place.told());
    let mut line = |what: &str, value: &str| {
        if !value.is_empty() {
            let value = value.trim_end().replace('\n', "\n             ");
            let _ = writeln!(text, "  {what:<10} {value}");
        }
    };
    let name = outcome.connector.as_deref().unwrap_or_default();
    match outcome.state {
        State::Imported => line("wrote", &format!("connectors/{name}.yaml")),
        State::Found => line("would be", &format!("connectors/{name}.yaml")),
        State::Already => line("is", &format!("the connector {name} already")),
        State::Off => line(
            "stays",
            "its client does not use it, or it is Drawbridge itself",
        ),
        State::LeftOut => line("left out", &reason(outcome).0),
    }
    let command = report.get("command").unwrap_or(&Value::Null);
    line("runs", &words(command));
    let url = report.get("url").and_then(Value::as_str);
    line("is at", url.unwrap_or_default());
    line(
        "it is",
        report
            .get("target")
            .and_then(Value::as_str)
            .unwrap_or_default(),
    );
    could(outcome, &mut line);
    let sealed = list(report.get("secrets").unwrap_or(&Value::Null));
    if let Some(credential) = report.get("credential").and_then(Value::as_str) {
        line(
            "sealed",
            &format!("{sealed}, as the credential {credential}"),
        );
    } else if outcome.state == State::Found {
        line("to seal", &sealed);
    }
    for key in ["notes", "doubts"] {
        let notes = report.get(key).and_then(Value::as_array);
        for note in notes.into_iter().flatten().filter_map(Value::as_str) {
            line("note", note);
        }
    }
}

/// What it could do, by its tools and by what it is given.
fn could(outcome: &Outcome, line: &mut impl FnMut(&str, &str)) {
    let report = &outcome.report;
    let tools = report.get("tools").and_then(Value::as_object);
    for (index, (power, names)) in tools.into_iter().flatten().enumerate() {
        line(
            if index == 0 { "could" } else { "" },
            &format!("{power}: {}", list(names)),
        );
    }
    if outcome.state != State::Off && outcome.state != State::Already {
        for (what, key) in [("may read", "read"), ("may change", "write")] {
            line(what, &list(report.get(key).unwrap_or(&Value::Null)));
        }
        match report.get("network").and_then(Value::as_bool) {
            Some(true) => line("may use", "the network"),
            Some(false) if report.get("url") == Some(&Value::Null) => {
                line("may not", "use the network")
            }
            _ => {}
        }
    }
}

fn list(value: &Value) -> String {
    texts(value).join(", ")
}

fn words(value: &Value) -> String {
    texts(value).join(" ")
}

fn texts(value: &Value) -> Vec<&str> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).collect()
}
