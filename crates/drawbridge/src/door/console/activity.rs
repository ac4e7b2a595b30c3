//! The log: what was asked, by whom, and what came of it; and one record with its whole story.

use askama::Template;
use axum::{
    extract::{Path, Query},
    http::{HeaderMap, HeaderValue, header},
};
use drawbridge_core::{
    answer::{Failure, Status},
    call::Power,
    log::Record,
};
use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::Value;

use super::{
    chart::{Chart, charts},
    encoded,
    escape::editable,
    frame::Frame,
    given,
    visitor::{Shown, Visitor, of_headers, read, show},
    zone::Zone,
};
use crate::{
    door::api::records::{Again, exported},
    operate::{ExportFormat, Operation, RecordQuery, UsageQuery},
};

/// Records on one page.
const RECORDS: u32 = 50;

/// What is looked for, as the form sends it: empty where nothing is said.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Asked {
    person: String,
    client: String,
    connector: String,
    power: String,
    status: String,
    since: String,
    until: String,
    target: String,
    text: String,
    looks: String,
    before: String,
    /// In which zone its times are meant: what the form said beside them.
    zone: String,
}

#[derive(Deserialize)]
struct Records {
    records: Vec<Entry>,
    next: Option<Next>,
}

#[derive(Deserialize)]
struct Next {
    before: Option<u64>,
}

/// A record, and its place on the log.
#[derive(Deserialize)]
struct Entry {
    place: u64,
    #[serde(flatten)]
    record: Record,
}

#[derive(Template)]
#[template(path = "activity.html")]
struct List {
    frame: Frame,
    asked: Asked,
    list: Records,
    charts: [Chart; 2],
    /// In which the times of the form are read.
    zone: String,
}

impl Entry {
    /// What came of it, as a colour.
    fn class(&self) -> &'static str {
        status_class(self.record.status)
    }

    /// What was done. Acts on the gateway itself are no tools, and have names in words.
    fn action(&self) -> String {
        match self.record.power {
            Some(_) => self.record.action.clone(),
            None => self.record.action.replace('_', " "),
        }
    }

    fn time(&self) -> String {
        self.record.time.to_string()
    }
}

/// The colour of a status.
pub(super) fn status_class(status: Status) -> &'static str {
    match status {
        Status::Ok => "green",
        Status::Partial | Status::ApprovalNeeded | Status::Stale | Status::Limited => "amber",
        Status::Denied
        | Status::Rejected
        | Status::Failed
        | Status::Unknown
        | Status::Unavailable
        | Status::Timeout
        | Status::Conflict => "red",
        Status::Invalid | Status::NotFound => "",
    }
}

impl List {
    fn powers(&self) -> [Power; 8] {
        Power::ALL
    }

    fn statuses(&self) -> [Status; 14] {
        Status::ALL
    }

    /// The same question with another place to go on from, or for another page.
    fn query(&self, before: Option<&u64>) -> String {
        let asked = &self.asked;
        let fields = [
            ("person", &asked.person),
            ("client", &asked.client),
            ("connector", &asked.connector),
            ("power", &asked.power),
            ("status", &asked.status),
            ("since", &asked.since),
            ("until", &asked.until),
            ("target", &asked.target),
            ("text", &asked.text),
            ("looks", &asked.looks),
            ("zone", &asked.zone),
        ];
        let said = fields.into_iter().filter(|(_, value)| !value.is_empty());
        let mut parts: Vec<String> = said
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        parts.extend(before.map(|before| format!("before={before}")));
        parts.join("&")
    }
}

/// A word of ours, or none where nothing is said.
///
/// # Errors
/// Where it is another word: nobody must take an answer for that to a question that was not asked.
fn word<T: serde::de::DeserializeOwned>(field: &str, text: &str) -> Result<Option<T>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let known = serde_json::from_value(Value::String(text.to_owned()));
    known
        .map(Some)
        .map_err(|_| Failure::invalid(format!("`{field}`: `{text}` is none that there is")))
}

impl Asked {
    /// The zone that its times are meant in: that of whoever looks, where it says none.
    fn zone(&self, own: &Zone) -> Zone {
        Zone::named(&self.zone).unwrap_or_else(|| own.clone())
    }

    fn query(&self, zone: &Zone) -> Result<RecordQuery, Failure> {
        Ok(RecordQuery {
            person: given(&self.person),
            client: given(&self.client),
            connector: given(&self.connector),
            power: word("power", &self.power)?,
            status: word("status", &self.status)?,
            since: time(zone, ("since", &self.since))?,
            until: time(zone, ("until", &self.until))?,
            target: given(&self.target),
            text: given(&self.text),
            before: self.before.parse().ok(),
            limit: Some(RECORDS),
            calls: self.looks.is_empty(),
            ..RecordQuery::default()
        })
    }
}

/// A time of a form: a day or a minute as clocks in this zone show it, or whole; none where nothing is
/// said.
fn time(zone: &Zone, (field, text): (&str, &str)) -> Result<Option<jiff::Timestamp>, Failure> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || {
        Failure::invalid(format!(
            "`{field}`: `{text}` is no time; write it like 2026-06-01T12:00"
        ))
    };
    zone.read(text).ok_or_else(wrong).map(Some)
}

pub(super) async fn list(visitor: Visitor, Query(asked): Query<Asked>) -> Shown {
    let frame = Frame::of(&visitor, "/activity").await?;
    let zone = asked.zone(&visitor.zone);
    let query = asked
        .query(&zone)
        .map_err(|failure| visitor.failed(failure))?;
    let list: Records = visitor.ask(Operation::Records(query)).await?;
    let query = UsageQuery {
        connector: given(&asked.connector),
        hours: Some(24),
        days: None,
    };
    // Of a connector that is none, or not theirs to look at, there is nothing to draw.
    let counted = match visitor.look(Operation::Usage(query)).await {
        Ok(counted) => counted,
        Err(_) => {
            visitor
                .look(Operation::Usage(UsageQuery::default()))
                .await?
        }
    };
    show(&List {
        frame,
        asked,
        list,
        charts: charts(&read(counted)?, &zone),
        zone: zone.name().to_owned(),
    })
}

/// Every record of the question, as a file.
pub(super) async fn export(
    visitor: Visitor,
    Path(format): Path<ExportFormat>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Shown {
    let zone = asked.zone(&visitor.zone);
    let filter = RecordQuery {
        limit: None,
        before: None,
        ..asked
            .query(&zone)
            .map_err(|failure| visitor.failed(failure))?
    };
    let name = format!(
        "attachment; filename=\"drawbridge-records.{}\"",
        format.ending()
    );
    let app = visitor.app.clone();
    let again: Again = Box::new(move || {
        let (app, headers) = (app.clone(), headers.clone());
        let again = async move { Some(of_headers(&app, &headers).await.ok()?.caller) };
        again.boxed()
    });
    let mut response = exported(visitor.app, (visitor.caller, again), (format, filter)).await;
    if let Ok(name) = HeaderValue::from_str(&name) {
        response
            .headers_mut()
            .insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

#[derive(Template)]
#[template(path = "record.html")]
struct Page {
    frame: Frame,
    entry: Entry,
    /// That it is on the log, as one can check without this gateway.
    proof: Option<Value>,
}

impl Page {
    fn whole(&self) -> String {
        editable(&serde_json::to_value(&self.entry.record).unwrap_or_default())
    }

    fn proof(&self) -> String {
        self.proof.as_ref().map(editable).unwrap_or_default()
    }

    fn took(&self) -> String {
        took(self.entry.record.duration_us)
    }
}

/// A duration for people.
pub(super) fn took(microseconds: u64) -> String {
    match microseconds {
        0..=999 => format!("{microseconds} µs"),
        1_000..=999_999 => format!("{} ms", microseconds / 1_000),
        _ => format!(
            "{}.{} s",
            microseconds / 1_000_000,
            microseconds / 100_000 % 10
        ),
    }
}

pub(super) async fn page(visitor: Visitor, Path(id): Path<String>) -> Shown {
    let frame = Frame::of(&visitor, "/activity").await?;
    let entry = visitor.ask(Operation::Record { id: id.clone() }).await?;
    // To some it is told without what was in it, and then there is no proof for them.
    let proof = visitor.look(Operation::Proof { id }).await.ok();
    show(&Page {
        frame,
        entry,
        proof: proof.map(read).transpose()?,
    })
}
