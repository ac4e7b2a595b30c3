//! What AI clients are told of the actions. They name no table: who may see which is the view's to
//! say, and `describe` tells it.

use drawbridge_core::{
    call::{Action, Power},
    plan::receipt_schema,
};
use serde_json::{Value, json};

use super::{
    arguments::MOST_TARGETS,
    fetch::{MOST_ROWS, USUAL_ROWS},
    query as question, search,
};

/// What an effect returns, in words.
const PLANNED: &str =
    "It is planned first: a person may have to approve it, and then the answer says so.";

/// The actions; those that change something where the file lets something be changed.
pub(super) fn all(changeable: bool) -> Vec<Action> {
    let mut actions = vec![describe(), read(), list(), search()];
    if changeable {
        actions.extend([insert(), update(), upsert(), delete()]);
    }
    actions
}

fn table() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 200, "description": "The table's name, as `describe` gives it"})
}

fn key(description: &str) -> Value {
    json!({
        "type": ["integer", "number", "string", "object"],
        "maxLength": 1000,
        "additionalProperties": {"type": ["integer", "number", "string"]},
        "maxProperties": 8,
        "description": description,
    })
}

const KEY: &str =
    "The row's key; an object with one value for each column where the key has several";

fn values(description: &str) -> Value {
    json!({
        "type": "object",
        "additionalProperties": {"type": ["string", "number", "integer", "boolean", "null"]},
        "maxProperties": 200,
        "description": description,
    })
}

fn many(items: &Value, description: &str) -> Value {
    json!({"type": "array", "items": items, "minItems": 1, "maxItems": MOST_TARGETS, "description": description})
}

fn input(properties: &Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn output(properties: &Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required})
}

fn describe() -> Action {
    let field = output(
        &json!({
            "name": {"type": "string"}, "type": {"type": ["string", "null"]}, "null": {"type": "boolean"},
            "mask": {"type": ["string", "null"], "description": "What is shown instead of the value: `full`, `partial`, `hash` or `year`"},
            "writable": {"type": ["object", "null"], "description": "The rule for values; null for a field that cannot be set"},
        }),
        &["name", "type", "null", "mask", "writable"],
    );
    let table = output(
        &json!({
            "table": {"type": "string"}, "label": {"type": "string"},
            "key": {"type": "array", "items": {"type": "string"}},
            "fields": {"type": "array", "items": field},
            "changeable": {"type": "boolean"},
            "min_group": {"type": ["integer", "null"], "description": "The fewest people of a group that is told: such a table gives no rows, only counts, sums and averages by `query`"},
        }),
        &["table", "label", "key", "fields", "changeable", "min_group"],
    );
    Action {
        name: "describe",
        title: "Describe the tables".to_owned(),
        description:
            "Lists the tables that you may use, with their key, their fields and the values that \
                      each field can be given. Ask this first."
                .to_owned(),
        power: Power::Read,
        input: input(&json!({}), &[]),
        output: output(
            &json!({"tables": {"type": "array", "items": table}}),
            &["tables"],
        ),
    }
}

fn read() -> Action {
    Action {
        name: "read",
        title: "Read a row".to_owned(),
        description: "Returns the fields of the row with this key, and its version.".to_owned(),
        power: Power::Read,
        input: input(
            &json!({"table": table(), "key": key(KEY)}),
            &["table", "key"],
        ),
        output: output(
            &json!({
                "table": {"type": "string"}, "key": {}, "row": {"type": "object"},
                "version": {"type": "string"}, "label": {"type": "string"},
            }),
            &["table", "key", "row", "version", "label"],
        ),
    }
}

fn list() -> Action {
    Action {
        name: "list",
        title: "List rows".to_owned(),
        description: "Lists the rows of a table in the order of their keys; `next` leads on."
            .to_owned(),
        power: Power::Read,
        input: input(
            &json!({
                "table": table(),
                "limit": {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "description": format!("How many; {USUAL_ROWS} if left out")},
                "after": key("Only rows after this key: the `next` of an earlier answer"),
            }),
            &["table"],
        ),
        output: rows_output(),
    }
}

fn search() -> Action {
    let scalar = json!(["string", "number", "boolean", "array"]);
    let filter = input(
        &json!({
            "field": {"type": "string", "maxLength": 200},
            "op": {"type": "string", "enum": search::OPERATIONS, "description": "How; `eq` if left out. `contains` and `starts_with` take small and capital letters alike"},
            "value": {"type": scalar, "maxLength": search::MOST_VALUE, "maxItems": search::MOST_LIST, "description": "With what; a list for `in`, true or false for `is_null`"},
        }),
        &["field", "value"],
    );
    let order = input(
        &json!({"field": {"type": "string", "maxLength": 200}, "descending": {"type": "boolean"}}),
        &["field"],
    );
    Action {
        name: "search",
        title: "Search rows".to_owned(),
        description:
            "Finds rows of a table by conditions that must all be true, and by words in its \
                      texts. Masked fields are compared as they are shown. `next` leads on."
                .to_owned(),
        power: Power::Search,
        input: input(
            &json!({
                "table": table(),
                "where": {"type": "array", "items": filter, "maxItems": search::MOST_FILTERS},
                "text": {"type": "string", "maxLength": search::MOST_VALUE, "description": "Words, each of which must be in one of the texts of a row"},
                "order": {"type": "array", "items": order, "maxItems": search::MOST_ORDERED, "description": "By which fields, then by the key; rows without a value come last"},
                "limit": {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "description": format!("How many; {USUAL_ROWS} if left out")},
                "cursor": {"type": "string", "maxLength": 40_000, "description": "The `next` of an earlier answer to the same question"},
            }),
            &["table"],
        ),
        output: rows_output(),
    }
}

/// The action of those who may ask what they like.
pub(super) fn query() -> Action {
    Action {
        name: "query",
        title: "Ask in SQL".to_owned(),
        description:
            "Answers one `SELECT` in the database's own SQL, over the tables and fields that \
                      `describe` lists: joins, sub-queries, `WITH`, set operations, aggregates and \
                      window functions. Masked fields are what they show. Of a table with `min_group`, \
                      ask for counts, sums and averages of its columns, with `GROUP BY`: smaller \
                      groups do not come out."
                .to_owned(),
        power: Power::Search,
        input: input(
            &json!({"sql": {"type": "string", "minLength": 1, "maxLength": question::MOST_TEXT, "description": "The question, without comments and placeholders"}}),
            &["sql"],
        ),
        output: output(
            &json!({
                "columns": {"type": "array", "items": {"type": "string"}},
                "rows": {"type": "array", "items": {"type": "array"}},
                "tables": {"type": "array", "items": {"type": "string"}},
            }),
            &["columns", "rows", "tables"],
        ),
    }
}

fn rows_output() -> Value {
    output(
        &json!({
            "table": {"type": "string"}, "rows": {"type": "array", "items": {"type": "object"}},
            "next": {}, "label": {"type": "string"},
        }),
        &["table", "rows", "next", "label"],
    )
}

fn effect(
    (name, title, power): (&'static str, &str, Power),
    description: &str,
    input: Value,
) -> Action {
    Action {
        name,
        title: title.to_owned(),
        description: format!("{description} {PLANNED}"),
        power,
        input,
        output: receipt_schema(),
    }
}

fn insert() -> Action {
    let given = "The fields of the new row, by name";
    effect(
        ("insert", "Add rows", Power::Write),
        "Adds a row (`values`) or several (`rows`). What is left out gets the table's default.",
        input(
            &json!({"table": table(), "values": values(given), "rows": many(&values(given), "Several new rows, instead of `values`")}),
            &["table"],
        ),
    )
}

fn update() -> Action {
    effect(
        ("update", "Change rows", Power::Update),
        "Sets fields of the row with this key, or of several (`keys`). Other fields stay.",
        input(
            &json!({"table": table(), "key": key(KEY), "keys": many(&key(KEY), "Several rows, instead of `key`"), "set": values("The fields to set, by name")}),
            &["table", "set"],
        ),
    )
}

fn upsert() -> Action {
    effect(
        ("upsert", "Add or change a row", Power::Write),
        "Sets fields of the row with this key, and adds it where it is not there.",
        input(
            &json!({"table": table(), "key": key(KEY), "values": values("The fields to set, by name, without the key")}),
            &["table", "key", "values"],
        ),
    )
}

fn delete() -> Action {
    effect(
        ("delete", "Delete rows", Power::Delete),
        "Deletes the row with this key, or several (`keys`).",
        input(
            &json!({"table": table(), "key": key(KEY), "keys": many(&key(KEY), "Several rows, instead of `key`")}),
            &["table"],
        ),
    )
}
