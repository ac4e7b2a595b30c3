//! What AI clients are told of the actions.

use drawbridge_core::{
    call::{Action, Power},
    plan::receipt_schema,
};
use serde_json::{Value, json};

use super::{
    fetch::{MOST_ROWS as MOST_READ, USUAL_ROWS},
    planned::MOST_ROWS,
};

pub(super) fn all() -> Vec<Action> {
    vec![
        describe(),
        read(),
        list(),
        insert(),
        update(),
        upsert(),
        delete(),
    ]
}

fn object(properties: &Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn table() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 200, "description": "A table that `describe` lists"})
}

fn key() -> Value {
    json!({"type": ["string", "integer"], "description": "The row's key"})
}

fn values() -> Value {
    json!({"type": "object", "minProperties": 1, "maxProperties": 200, "description": "Fields and their values"})
}

fn action(
    name: &'static str,
    power: Power,
    (title, description): (&str, &str),
    (input, output): (Value, Value),
) -> Action {
    Action {
        name,
        title: title.to_owned(),
        description: description.to_owned(),
        power,
        input,
        output,
    }
}

fn describe() -> Action {
    let tables = json!({"type": "object", "properties": {"tables": {"type": "array", "items": {"type": "object"}}}, "required": ["tables"]});
    let description = "Lists the tables you may see, with their keys, their fields, and which fields can be written. \
                       Ask this first.";
    action(
        "describe",
        Power::Read,
        ("Which tables are there?", description),
        (object(&json!({}), &[]), tables),
    )
}

fn read() -> Action {
    let output =
        json!({"type": "object", "properties": {"row": {"type": "object"}}, "required": ["row"]});
    let input = object(&json!({"table": table(), "key": key()}), &["table", "key"]);
    let description = "Reads one row by its key. Cite its path.";
    action(
        "read",
        Power::Read,
        ("Read a row", description),
        (input, output),
    )
}

fn list() -> Action {
    let output = json!({"type": "object", "properties": {
        "rows": {"type": "array", "items": {"type": "object"}},
        "next": {"description": "The key to go on after; null at the end"},
    }, "required": ["rows", "next"]});
    let input = object(
        &json!({
            "table": table(),
            "after": {"type": ["string", "integer"], "description": "The `next` of an earlier answer"},
            "limit": {"type": "integer", "minimum": 1, "maximum": MOST_READ, "description": format!("How many; {USUAL_ROWS} if left out")},
        }),
        &["table"],
    );
    let description = "Lists rows of a table in the order of their keys.";
    action(
        "list",
        Power::Read,
        ("List rows", description),
        (input, output),
    )
}

fn insert() -> Action {
    let rows = json!({"type": "array", "minItems": 1, "maxItems": MOST_ROWS, "items": values(),
                      "description": "Several rows at once, instead of `values`: all are added, or none"});
    let input = object(
        &json!({"table": table(), "values": values(), "rows": rows}),
        &["table"],
    );
    let description = "Adds a row. The database makes its key where it makes keys. A person may have to approve it \
                       first: the answer says so.";
    action(
        "insert",
        Power::Write,
        ("Add a row", description),
        (input, receipt_schema()),
    )
}

fn keys() -> Value {
    json!({"type": "array", "minItems": 1, "maxItems": MOST_ROWS, "items": key(),
           "description": "Several rows at once, instead of `key`: all are changed, or none"})
}

fn update() -> Action {
    let input = object(
        &json!({"table": table(), "key": key(), "keys": keys(), "set": values()}),
        &["table", "set"],
    );
    let description = "Changes fields of a row. Read it first. A person may have to approve it: the answer says so.";
    action(
        "update",
        Power::Update,
        ("Change a row", description),
        (input, receipt_schema()),
    )
}

fn upsert() -> Action {
    let input = object(
        &json!({"table": table(), "key": key(), "values": values()}),
        &["table", "key", "values"],
    );
    let description = "Changes the row with this key, or adds it where there is none. A person may have to approve \
                       it: the answer says so.";
    action(
        "upsert",
        Power::Write,
        ("Add or change a row", description),
        (input, receipt_schema()),
    )
}

fn delete() -> Action {
    let input = object(
        &json!({"table": table(), "key": key(), "keys": keys()}),
        &["table"],
    );
    let description = "Deletes a row. A person may have to approve it first: the answer says so.";
    action(
        "delete",
        Power::Delete,
        ("Delete a row", description),
        (input, receipt_schema()),
    )
}
