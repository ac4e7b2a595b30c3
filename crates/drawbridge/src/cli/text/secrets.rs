//! What is known of credentials, for people.

use serde_json::Value;

use super::{Columns, cell, items, table};

const SECRETS: Columns = &[
    ("CREDENTIAL", "/name"),
    ("KEPT", "/kept"),
    ("OWNER", "/owner"),
    ("APPROVED BY", "/approved_by"),
    ("LAST ROTATED", "/last_rotated"),
    ("LAST USED", "/last_used"),
    ("IN FORCE", "/versions_in_force"),
    ("USED BY", "/used_by"),
];
const VERSIONS: Columns = &[
    ("VERSION", "/version"),
    ("SET", "/created"),
    ("BY", "/created_by"),
    ("ACCEPTED", "/accepted"),
    ("LAST USED", "/last_used"),
    ("REFUSED", "/refused"),
    ("RETIRED", "/retired"),
];

pub(in crate::cli) fn secrets(data: &Value) -> String {
    let mut text = table(
        data.get("secrets"),
        SECRETS,
        "There is no credential that you look after.",
    );
    for one in items(data.get("secrets")) {
        for warning in items(one.get("warnings")) {
            let warning = warning.as_str().unwrap_or_default();
            text.push_str(&format!("\n\n{}: {warning}", cell(one, "/name")));
        }
    }
    text
}

pub(in crate::cli) fn secret(data: &Value) -> String {
    let line = |what: &str, at: &str, none: &str| {
        let value = cell(data, at);
        let value = if value.is_empty() { none } else { &value };
        format!("{what:<13} {value}\n")
    };
    let mut text = [
        line("Credential", "/name", ""),
        line("Kept", "/kept", ""),
        line("Owner", "/owner", "nobody"),
        line("Approved by", "/approved_by", "nobody"),
        line("Created", "/created", "never"),
        line("Last rotated", "/last_rotated", "never"),
        line("Last used", "/last_used", "never"),
        line("In force", "/in_force", "nothing"),
        line("Used by", "/used_by", "no connector"),
    ]
    .concat();
    if let Some(problem) = data.get("problem").and_then(Value::as_str) {
        text.push_str(&format!("\nIt cannot be had: {problem}\n"));
    }
    for warning in items(data.get("warnings")) {
        let warning = warning.as_str().unwrap_or_default();
        text.push_str(&format!("\nWarning: {warning}\n"));
    }
    let none = "No version was ever seen.";
    text.push_str(&format!(
        "\n{}",
        table(data.get("versions"), VERSIONS, none)
    ));
    text
}

pub(in crate::cli) fn secret_set(data: &Value) -> String {
    let (name, version) = (cell(data, "/name"), cell(data, "/version"));
    match data.get("beside").and_then(Value::as_u64) {
        None | Some(0) => {
            format!("Version {version} of {name} is in force for the next connection.")
        }
        Some(_) => format!(
            "Version {version} of {name} is in force for the next connection, beside the one before. \
             Once the target\nlets it in (`drawbridge secret show {name}`), \
             `drawbridge secret retire {name}` ends the old one."
        ),
    }
}

pub(in crate::cli) fn secret_retired(data: &Value) -> String {
    let (name, version) = (cell(data, "/name"), cell(data, "/version"));
    format!("Version {version} of {name} is retired, and its secret is no longer kept.")
}

pub(in crate::cli) fn secret_removed(data: &Value) -> String {
    let name = cell(data, "/name");
    format!("{name} is removed, and none of its secrets is kept any longer.")
}

pub(in crate::cli) fn connected(data: &Value) -> String {
    let scopes = cell(data, "/scopes");
    let scopes = if scopes.is_empty() {
        "whatever it gives"
    } else {
        &scopes
    };
    format!(
        "Connected to {} by {}, for {scopes}.",
        cell(data, "/resource"),
        cell(data, "/issuer")
    )
}

pub(in crate::cli) fn disconnected(_: &Value) -> String {
    "Disconnected: its tokens are no longer kept. The authorization server may still know of them; end them \
     there too."
        .to_owned()
}
