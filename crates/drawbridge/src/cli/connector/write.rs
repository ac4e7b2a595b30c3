//! The text of a connector file: what people change is written for people, what was pinned a line each.

use std::fmt::Write;

use drawbridge_core::connector::Proposal;
use serde_json::{Map, Value};

/// The key under which what was reviewed stands.
const PINNED: &str = "pinned";

/// A whole file.
pub(super) fn file(
    (kind, name, task): (&str, &str, &str),
    (owner, credential): (&str, Option<&str>),
    (system, proposal): (&Map<String, Value>, &Proposal),
) -> String {
    let powers: Vec<&str> = proposal.powers.iter().map(|power| power.word()).collect();
    let powers = powers.join(", ");
    let owner = line(&Value::from(owner));
    let mut text = format!(
        "connector: {name}\n\
         purpose:\n  task: {}\n  owner: {owner}\n  review_every: 90d\n\
         system:\n  kind: {kind}\n",
        line(&Value::from(task)),
    );
    for (key, value) in system {
        let _ = writeln!(text, "  {}: {}", word(key), line(value));
    }
    text.push_str("scope:\n");
    if let Value::Object(scope) = &proposal.scope {
        for (key, value) in scope.iter().filter(|(_, value)| !is_empty(value)) {
            if key == PINNED {
                text.push_str("  # What the system said when this was reviewed; `drawbridge connector pin` writes it anew.\n");
            }
            entry((key, value), 1, &mut text);
        }
    }
    let _ = write!(
        text,
        "access: [{powers}]\n\
         identity:\n  account: {}\n",
        line(&Value::from(format!("whatever account {name} uses"))),
    );
    if let Some(credential) = credential {
        let _ = writeln!(text, "  credential: {}", line(&Value::from(credential)));
    }
    let _ = write!(
        text,
        "  approved_by: {owner}\n\
         permissions:\n  - {{who: [{owner}], may: [{powers}]}}\n\
         logging: {{keep: 400d, content: summary}}\n\
         # Every effect asks, unless a rule here says otherwise.\n\
         approval: []\n\
         recovery: {{}}\n"
    );
    text
}

/// A file with what was pinned in the place of what was. The rest stays as its author wrote it.
pub(super) fn pinned(text: &str, proposal: &Proposal) -> anyhow::Result<String> {
    let mut block = String::new();
    if let Some(pinned) = proposal.scope.get(PINNED) {
        entry((PINNED, pinned), 1, &mut block);
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let scope = lines.iter().position(|line| line.trim_end() == "scope:");
    let Some(scope) = scope else {
        anyhow::bail!(
            "`scope` is not written over several lines; write it so, that the pins can stand beneath"
        );
    };
    let beneath = |line: &&str| line.trim().is_empty() || line.starts_with([' ', '#']);
    let length = lines
        .iter()
        .skip(scope + 1)
        .take_while(|line| beneath(line))
        .count();
    let end = scope + 1 + length;
    let begin = (scope + 1..end).find(|index| {
        let line = lines.get(*index).map_or("", |line| line.trim_end());
        line.trim_start().starts_with("pinned:") && line.len() - line.trim_start().len() == 2
    });
    let (begin, after) = match begin {
        Some(begin) => {
            let deeper = |line: &&str| line.starts_with("   ") || line.trim().is_empty();
            let length = lines
                .iter()
                .take(end)
                .skip(begin + 1)
                .take_while(|line| deeper(line))
                .count();
            (begin, begin + 1 + length)
        }
        None => (end, end),
    };
    let mut new: String = lines.iter().take(begin).copied().collect();
    if !new.ends_with('\n') {
        new.push('\n');
    }
    new.push_str(&block);
    new.extend(lines.iter().skip(after).copied());
    Ok(new)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// A key and its value: what holds nothing but objects over several lines, the rest on one.
fn entry((key, value): (&str, &Value), depth: usize, text: &mut String) {
    let space = "  ".repeat(depth);
    match value {
        Value::Object(fields)
            if depth < 4 && !fields.is_empty() && fields.values().all(Value::is_object) =>
        {
            let _ = writeln!(text, "{space}{}:", word(key));
            for (key, value) in fields {
                entry((key, value), depth + 1, text);
            }
        }
        value => {
            let _ = writeln!(text, "{space}{}: {}", word(key), line(value));
        }
    }
}

/// A key or a text as YAML writes it: plain where it can be nothing else.
fn word(key: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let begins = key.starts_with(|letter: char| letter.is_ascii_alphabetic());
    let means = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    if begins && key.chars().all(plain) && !means.contains(&key.to_ascii_lowercase().as_str()) {
        return key.to_owned();
    }
    quoted(key)
}

/// A value on one line, as YAML's flow style writes it.
fn line(value: &Value) -> String {
    match value {
        Value::String(text) => word(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(line).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(key, value)| format!("{}: {}", word(key), line(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

/// A text in double quotes. Whatever is no letter of a language and no plain character is written out, so
/// that nothing in a file is there that cannot be seen.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        let _ = match letter {
            '"' => write!(quoted, "\\\""),
            '\\' => write!(quoted, "\\\\"),
            '\n' => write!(quoted, "\\n"),
            '\t' => write!(quoted, "\\t"),
            ' '..='~' => write!(quoted, "{letter}"),
            letter if letter.is_alphanumeric() => write!(quoted, "{letter}"),
            letter => write!(quoted, "\\U{:08X}", u32::from(letter)),
        };
    }
    quoted.push('"');
    quoted
}
