//! What AI clients are told of the actions.

use drawbridge_core::{
    call::{Action, Power},
    plan::receipt_schema,
};
use serde_json::{Value, json};

use super::change::{MOST_CONTENT, MOST_TARGETS, WRITABLE_FORMATS};

/// The most hits of one answer.
const MOST_HITS: usize = 50;
/// The hits of an answer to a search without `limit`.
pub(super) const USUAL_HITS: usize = 10;
/// The most documents of one answer.
const MOST_DOCUMENTS: usize = 200;
/// The documents of an answer to a list without `limit`.
pub(super) const USUAL_DOCUMENTS: usize = 50;

pub(super) fn all() -> Vec<Action> {
    vec![
        search(),
        read(),
        list(),
        draft(),
        write(),
        update(),
        delete(),
    ]
}

fn filters() -> Value {
    json!({
        "folder": {"type": "string", "maxLength": 500, "description": "Only documents in this folder or below it"},
        "label": {"type": "string", "maxLength": 100, "description": "Only documents with this label"},
        "department": {"type": "string", "maxLength": 200, "description": "Only documents of this department"},
        "customer": {"type": "string", "maxLength": 200, "description": "Only documents about this customer"},
        "project": {"type": "string", "maxLength": 200, "description": "Only documents about this project"},
        "status": {"type": "string", "maxLength": 100, "description": "Only documents with this status, such as `final`"},
        "modified_after": {"type": "string", "maxLength": 40, "description": "Only documents changed on or after this day (`2026-01-31`, UTC) or time (`2026-01-31T08:00:00Z`)"},
        "modified_before": {"type": "string", "maxLength": 40, "description": "Only documents changed before this day or time"},
        "format": {"type": "string", "maxLength": 20, "description": "Only documents of this format, such as `pdf`"},
        "cursor": {"type": "string", "maxLength": 400, "description": "The `next` of an earlier answer, for what follows it"},
    })
}

fn with(mut properties: Value, required: &[&str], more: Value) -> Value {
    if let (Value::Object(all), Value::Object(more)) = (&mut properties, more) {
        all.extend(more);
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn document(more: Value) -> Value {
    let mut properties = json!({
        "title": {"type": "string"}, "path": {"type": "string"}, "label": {"type": "string"},
        "modified": {"type": ["string", "null"]}, "synced": {"type": "string"}, "version": {"type": "string"},
        "stale": {"type": "boolean"},
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut properties, more) {
        all.extend(more);
    }
    json!({"type": "object", "properties": properties, "required": ["title", "path", "label", "synced", "version"]})
}

fn page(name: &str, item: &Value) -> Value {
    json!({
        "type": "object",
        "properties": {
            name: {"type": "array", "items": item},
            "total": {"type": "integer"},
            "next": {"type": ["string", "null"]},
        },
        "required": [name, "total", "next"],
    })
}

fn search() -> Action {
    let hit = document(json!({
        "heading": {"type": "string"}, "page": {"type": ["integer", "null"]},
        "snippet": {"type": "string"}, "score": {"type": "number"},
    }));
    Action {
        name: "search".into(),
        title: "Search documents".to_owned(),
        description: "Finds passages by the words they contain, best first, each with its document, heading \
                      or page, date and version. Ask with the words that the answer would use. Then `read` the \
                      document before you rely on it, and cite its path. No hits means that nothing you may \
                      see has these words."
            .to_owned(),
        power: Power::Search,
        input: with(filters(), &["query"], json!({
            "query": {"type": "string", "minLength": 1, "maxLength": 1000, "description": "Words to look for"},
            "limit": {"type": "integer", "minimum": 1, "maximum": MOST_HITS, "description": format!("How many hits; {USUAL_HITS} if left out")},
        })),
        output: page("hits", &hit),
    }
}

fn read() -> Action {
    Action {
        name: "read".into(),
        title: "Read a document".to_owned(),
        description:
            "Returns a document's text, in pages of about 12,000 characters; `next` leads on. \
                      `heading`, `page` or a range gives only that part."
                .to_owned(),
        power: Power::Read,
        input: with(
            json!({}),
            &["path"],
            json!({
                "path": {"type": "string", "minLength": 1, "maxLength": 20000, "description": "The document's path, as search and list give it"},
                "heading": {"type": "string", "maxLength": 500, "description": "Only the parts below this heading"},
                "page": {"type": "integer", "minimum": 1, "description": "Only this page or slide"},
                "from_line": {"type": "integer", "minimum": 1, "description": "Only from this line of that text on"},
                "to_line": {"type": "integer", "minimum": 1, "description": "Only up to this line"},
                "from_character": {"type": "integer", "minimum": 1, "description": "Only from this character of that text on"},
                "to_character": {"type": "integer", "minimum": 1, "description": "Only up to this character"},
                "cursor": {"type": "string", "maxLength": 400, "description": "The `next` of an earlier answer"},
            }),
        ),
        output: document(json!({
            "text": {"type": "string"}, "length": {"type": "integer"}, "lines": {"type": "integer"},
            "outline": {"type": "array", "items": {"type": "string"}}, "next": {"type": ["string", "null"]},
        })),
    }
}

fn list() -> Action {
    let item =
        document(json!({"state": {"type": "string"}, "reason": {"type": ["string", "null"]}}));
    Action {
        name: "list".into(),
        title: "List documents".to_owned(),
        description: "Lists the documents you may see, by path, also those whose text could not be read, with \
                      the reason."
            .to_owned(),
        power: Power::Read,
        input: with(filters(), &[], json!({
            "limit": {"type": "integer", "minimum": 1, "maximum": MOST_DOCUMENTS, "description": format!("How many; {USUAL_DOCUMENTS} if left out")},
        })),
        output: page("documents", &item),
    }
}

/// A path to be written.
fn path() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 500,
           "description": "From the folder's root, such as `notes/2026-02.md`"})
}

fn content() -> Value {
    json!({"type": "string", "maxLength": MOST_CONTENT, "description": "The whole text, as it shall be"})
}

fn documents() -> Value {
    json!({"type": "array", "minItems": 1, "maxItems": MOST_TARGETS, "description": "Several at once, instead of `path`: all are done, or none",
           "items": with(json!({"path": path(), "content": content()}), &["path", "content"], json!({}))})
}

fn effect(
    name: &'static str,
    power: Power,
    (title, description): (&str, &str),
    input: Value,
) -> Action {
    let formats = WRITABLE_FORMATS.join(", ");
    Action {
        name: name.into(),
        title: title.to_owned(),
        description: format!("{description} Only {formats} files, in folders that may be written."),
        power,
        input,
        output: receipt_schema(),
    }
}

fn draft() -> Action {
    let description = "Prepares a document, new or changed, for the person to look at, edit and send on. Nothing is \
                       changed by it.";
    let input = with(
        json!({"path": path(), "content": content()}),
        &["path", "content"],
        json!({}),
    );
    effect(
        "draft",
        Power::Draft,
        ("Draft a document", description),
        input,
    )
}

fn write() -> Action {
    let description = "Creates a document that is not there yet, in a folder that is. A person may have to approve it first: the \
                       answer says so.";
    let input = with(
        json!({"path": path(), "content": content(), "documents": documents()}),
        &[],
        json!({}),
    );
    effect(
        "write",
        Power::Write,
        ("Create a document", description),
        input,
    )
}

fn update() -> Action {
    let description = "Changes a document that is there: give its whole new `content`, or with `replace` only the \
                       pieces that change, each quoted exactly. Read it first. A person may have to approve it: \
                       the answer says so.";
    let piece = with(
        json!({
            "old": {"type": "string", "minLength": 1, "maxLength": 100_000, "description": "What it says; it must say it exactly once"},
            "new": {"type": "string", "maxLength": 100_000, "description": "What it shall say instead"},
        }),
        &["old", "new"],
        json!({}),
    );
    let input = with(
        json!({"path": path(), "content": content(), "documents": documents(),
               "replace": {"type": "array", "minItems": 1, "maxItems": 100, "items": piece}}),
        &[],
        json!({}),
    );
    effect(
        "update",
        Power::Update,
        ("Change a document", description),
        input,
    )
}

fn delete() -> Action {
    let description =
        "Deletes documents. A person may have to approve it first: the answer says so.";
    let paths = json!({"type": "array", "minItems": 1, "maxItems": MOST_TARGETS, "items": path(),
                       "description": "Several at once, instead of `path`: all are deleted, or none"});
    let input = with(json!({"path": path(), "paths": paths}), &[], json!({}));
    effect(
        "delete",
        Power::Delete,
        ("Delete documents", description),
        input,
    )
}
