//! Records as events of the Open Cybersecurity Schema Framework: class API Activity (6003).
//!
//! Source: <https://schema.ocsf.io/1.3.0/classes/api_activity>.

use drawbridge_core::{answer::Status, call::Power, log::Record};
use serde_json::{Value, json};

use crate::store::StoredRecord;

/// The version of the schema.
const VERSION: &str = "1.3.0";
const CATEGORY: u32 = 6;
const CLASS: u32 = 6003;

pub(super) fn event(stored: &StoredRecord) -> Value {
    let record = &stored.record;
    let (activity, activity_name) = activity(record.power, &record.action);
    let (status, status_name) = status(record.status);
    let (severity, severity_name) = severity(record.status);
    let mut event = json!({
        "category_uid": CATEGORY,
        "category_name": "Application Activity",
        "class_uid": CLASS,
        "class_name": "API Activity",
        "activity_id": activity,
        "activity_name": activity_name,
        "type_uid": CLASS * 100 + activity,
        "type_name": format!("API Activity: {activity_name}"),
        "severity_id": severity,
        "severity": severity_name,
        "status_id": status,
        "status": status_name,
        "status_code": record.status.word(),
        "time": record.time.as_millisecond(),
        "duration": record.duration_us / 1_000,
        "metadata": metadata(stored),
        "actor": {
            "user": {"uid": record.person, "name": record.person},
            "app_name": record.client,
        },
        "src_endpoint": {"svc_name": record.door.word()},
        "api": api(&stored.record),
        "resources": record.returned.targets.iter().map(|target| json!({"name": target})).collect::<Vec<_>>(),
        "unmapped": {
            "arguments": record.asked.arguments,
            "answers": record.asked.answers,
            "allowed": record.decided.allowed,
            "reasons": record.decided.reasons,
            "returned": record.returned,
            "duration_us": record.duration_us,
            "identity": record.identity,
        },
    });
    let message = record.message.as_deref();
    add(&mut event, "", ("status_detail", message));
    add(&mut event, "", ("message", message));
    if let Some(task) = &record.task {
        add_value(&mut event, "/actor", ("session", json!({"uid": task})));
    }
    event
}

fn metadata(stored: &StoredRecord) -> Value {
    let record = &stored.record;
    let mut metadata = json!({
        "version": VERSION,
        "uid": record.id,
        "sequence": stored.place,
        "log_name": "audit",
        "original_time": record.time.to_string(),
        "product": {
            "name": "Drawbridge",
            "vendor_name": "Drawbridge",
            "version": env!("CARGO_PKG_VERSION"),
        },
    });
    add(
        &mut metadata,
        "",
        ("correlation_uid", record.trace.as_deref()),
    );
    metadata
}

fn api(record: &Record) -> Value {
    let status = record.status.word();
    let mut api = json!({
        "operation": record.action,
        "service": {"name": record.connector},
        "request": {"uid": record.id},
        "response": {"message": status},
    });
    let error = (!record.status.has_data()).then_some(status);
    add(&mut api, "/response", ("error", error));
    add(
        &mut api,
        "/service",
        ("version", record.revision.as_deref()),
    );
    api
}

fn add(object: &mut Value, at: &str, (name, value): (&str, Option<&str>)) {
    if let Some(value) = value {
        add_value(object, at, (name, value.into()));
    }
}

fn add_value(object: &mut Value, at: &str, (name, value): (&str, Value)) {
    if let Some(object) = object.pointer_mut(at).and_then(Value::as_object_mut) {
        object.insert(name.to_owned(), value);
    }
}

fn activity(power: Option<Power>, action: &str) -> (u32, &str) {
    match power {
        Some(Power::Write) => (1, "Create"),
        Some(Power::Read | Power::Search) => (2, "Read"),
        Some(Power::Update) => (3, "Update"),
        Some(Power::Delete) => (4, "Delete"),
        Some(Power::Draft) => (99, "Draft"),
        Some(Power::Send) => (99, "Send"),
        Some(Power::Trigger) => (99, "Trigger"),
        None => (99, action),
    }
}

fn status(status: Status) -> (u32, &'static str) {
    match status {
        Status::Ok | Status::Partial => (1, "Success"),
        Status::Unknown => (0, "Unknown"),
        Status::ApprovalNeeded => (99, "Approval needed"),
        Status::Denied
        | Status::Rejected
        | Status::Invalid
        | Status::NotFound
        | Status::Timeout
        | Status::Unavailable
        | Status::Stale
        | Status::Limited
        | Status::Conflict
        | Status::Failed => (2, "Failure"),
    }
}

fn severity(status: Status) -> (u32, &'static str) {
    match status {
        Status::Ok
        | Status::Partial
        | Status::ApprovalNeeded
        | Status::Invalid
        | Status::NotFound => (1, "Informational"),
        Status::Denied
        | Status::Rejected
        | Status::Timeout
        | Status::Unavailable
        | Status::Stale
        | Status::Limited
        | Status::Conflict => (2, "Low"),
        Status::Unknown | Status::Failed => (3, "Medium"),
    }
}
