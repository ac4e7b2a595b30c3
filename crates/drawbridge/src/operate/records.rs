//! Reading the audit log: what each person may see of it, and proofs.

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::Caller,
    log::{Record, plain},
};
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Effect, Prepared, RecordQuery, is_owner,
    roles::{in_person, oversees},
    store_down,
};
use crate::{
    app::App,
    audit,
    connectors::Snapshot,
    store::{RecordFilter, StoredRecord, Unread},
};

/// Records of one answer, unless the question says how many.
const RECORDS: u32 = 50;
/// The most records of one answer.
const MOST_RECORDS: u32 = 500;
/// Records that are looked through for a text before an answer says where to go on.
const MOST_LOOKED_AT: u32 = 20_000;
/// Records that are read at once.
const PAGE: u32 = 256;

/// How records are exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// One record to a line, as it was hashed: it can be verified.
    Jsonl,
    /// Open Cybersecurity Schema Framework, API Activity, one event to a line.
    Ocsf,
    /// A table with a header.
    Csv,
}

impl ExportFormat {
    /// How the names of such files end.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Ocsf => "ocsf.jsonl",
            Self::Csv => "csv",
        }
    }
}

/// Records, and where the next ones are.
pub struct RecordPage {
    /// The records.
    pub records: Vec<StoredRecord>,
    /// The query for the next ones; none when these are the last.
    pub next: Option<RecordQuery>,
    /// The place of the last record that was looked at.
    pub reached: Option<u64>,
}

impl App {
    /// The records of this query that the caller may see: everyone's for an owner or auditor, else
    /// their own. Not recorded by itself: [`App::operate`] is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn visible_records(
        &self,
        caller: &Caller,
        query: &RecordQuery,
    ) -> Result<RecordPage, Failure> {
        let snapshot = self.snapshot();
        let most = query.limit.unwrap_or(RECORDS).clamp(1, MOST_RECORDS) as usize;
        let mut filter = filter(&snapshot, caller, query);
        let sought = Sought::of(query);
        filter.limit = if sought.is_anything() {
            u32::try_from(most + 1).unwrap_or(MOST_RECORDS)
        } else {
            PAGE
        };
        let (mut records, mut looked_at) = (Vec::new(), 0);
        loop {
            let mut rows = 0;
            let mut all = self.store.each_record(&filter);
            while let Some(unread) = all.try_next().await.map_err(store_down)? {
                if records.len() == most {
                    return Ok(cut(records, &filter, query));
                }
                rows += 1;
                pass(&mut filter, unread.place);
                if !sought.may_be(&unread) {
                    continue;
                }
                let mut stored = unread.read().map_err(store_down)?;
                without_content(&snapshot, caller, &mut stored);
                if sought.is(&stored) {
                    records.push(stored);
                }
            }
            looked_at += rows;
            if rows < filter.limit {
                return Ok(RecordPage {
                    records,
                    next: None,
                    reached: filter.after.filter(|_| filter.oldest_first),
                });
            }
            if looked_at >= MOST_LOOKED_AT {
                return Ok(cut(records, &filter, query));
            }
            // What is found soon costs little, and what is rare few questions.
            filter.limit = (filter.limit * 2).min(MOST_LOOKED_AT - looked_at);
        }
    }

    pub(super) async fn records_found(&self, caller: &Caller, query: &RecordQuery) -> Prepared {
        let page = self.visible_records(caller, query).await?;
        let count = page.records.len() as u64;
        let next = page
            .next
            .map(|next| json!({"before": next.before, "after": next.after}));
        let data = json!({"records": page.records, "next": next});
        Ok((Found::new(data, String::new(), count), Effect::Nothing))
    }

    /// The next records of an export, the oldest first, and how far it came; none at its end. `from`
    /// is the first place, `size` that of the log when the export began.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn export_page(
        &self,
        caller: &Caller,
        query: &RecordQuery,
        (from, size): (u64, u64),
    ) -> Result<(Vec<StoredRecord>, Option<u64>), Failure> {
        let snapshot = self.snapshot();
        let sought = Sought::of(query);
        let mut filter = filter(&snapshot, caller, query);
        filter.oldest_first = true;
        filter.after = filter.after.max(from.checked_sub(1));
        filter.before = Some(filter.before.unwrap_or(size).min(size));
        let mut records = self.store.records(&filter).await.map_err(store_down)?;
        let next = records.last().map(|last| last.place + 1);
        records
            .iter_mut()
            .for_each(|stored| without_content(&snapshot, caller, stored));
        records.retain(|stored| sought.is(stored));
        Ok((records, next))
    }

    /// That somebody exports is on the log before the first line leaves; the lines follow.
    pub(super) async fn export_found(&self) -> Prepared {
        let mut reading = self.store.reading().await.map_err(store_down)?;
        let newest = reading.newest_checkpoint().await.map_err(store_down)?;
        let (size, note) = newest.map_or((0, None), |(size, note)| (size, Some(note)));
        let data = json!({"size": size, "checkpoint": note});
        Ok((Found::new(data, String::new(), size), Effect::Nothing))
    }

    pub(super) async fn record_found(&self, caller: &Caller, id: &str) -> Prepared {
        let record = self.visible_record(caller, id).await?;
        Ok((Found::new(json!(record), String::new(), 1), Effect::Nothing))
    }

    /// The proof that a record is on the log.
    pub(super) async fn proof_found(&self, caller: &Caller, id: &str) -> Prepared {
        let stored = self.visible_record(caller, id).await?;
        // A proof holds the bytes that were hashed, and content is among them where it was kept.
        if !stored.hashed {
            return Err(Failure::new(
                Status::Denied,
                "this record keeps content, so only an owner may have its proof, at the command line",
            ));
        }
        let proof = audit::prove(&self.store, &stored).await.map_err(|error| {
            let told = "the record cannot be proved; verify the log";
            Failure::new(Status::Failed, told).with_source(error)
        })?;
        Ok((Found::new(json!(proof), String::new(), 1), Effect::Nothing))
    }

    pub(super) async fn checkpoint_found(&self) -> Prepared {
        let mut reading = self.store.reading().await.map_err(store_down)?;
        let newest = reading.newest_checkpoint().await.map_err(store_down)?;
        let note = newest.map(|(_, note)| note);
        let data = json!({"checkpoint": note, "public_key": self.public_key.to_string()});
        Ok((Found::new(data, String::new(), 1), Effect::Nothing))
    }

    /// Somebody else's record and none are answered alike.
    async fn visible_record(&self, caller: &Caller, id: &str) -> Result<StoredRecord, Failure> {
        let snapshot = self.snapshot();
        let mut record = self
            .store
            .record(id)
            .await
            .map_err(store_down)?
            .filter(|stored| sees_all(&snapshot, caller) || is_own(caller, &stored.record))
            .ok_or_else(|| Failure::not_found("there is no such record that you may see"))?;
        without_content(&snapshot, caller, &mut record);
        Ok(record)
    }
}

fn filter(snapshot: &Snapshot, caller: &Caller, query: &RecordQuery) -> RecordFilter {
    let (mut person, mut client) = (query.person.clone(), query.client.clone());
    if !sees_all(snapshot, caller) {
        person = Some(caller.person.id.clone());
        if !in_person(caller) {
            client = Some(caller.client.to_string());
        }
    }
    RecordFilter {
        person,
        client,
        connector: query.connector.clone(),
        action: query.action.clone(),
        power: query.power.map(|power| power.word().to_owned()),
        status: query.status.map(|status| status.word().to_owned()),
        calls: query.calls,
        since: query.since,
        until: query.until,
        after: query.after,
        before: query.before,
        oldest_first: query.after.is_some(),
        limit: PAGE,
    }
}

/// Goes on behind a record, in the order that the filter has.
fn pass(filter: &mut RecordFilter, place: u64) {
    if filter.oldest_first {
        filter.after = Some(place);
    } else {
        filter.before = Some(place);
    }
}

/// A page that is not the last one.
fn cut(records: Vec<StoredRecord>, filter: &RecordFilter, query: &RecordQuery) -> RecordPage {
    let next = RecordQuery {
        after: filter.after,
        before: filter.before,
        ..query.clone()
    };
    RecordPage {
        records,
        reached: next.after,
        next: Some(next),
    }
}

/// What no index finds: records are looked through for it.
struct Sought {
    /// In lower case, anywhere.
    text: Option<String>,
    /// With what a target begins, as it is and in lower case.
    target: Option<(String, String)>,
}

impl Sought {
    fn of(query: &RecordQuery) -> Self {
        let target = query.target.as_ref();
        Self {
            text: query.text.as_deref().map(str::to_lowercase),
            target: target.map(|target| (target.clone(), target.to_lowercase())),
        }
    }

    fn is_anything(&self) -> bool {
        self.text.is_none() && self.target.is_none()
    }

    /// `false` is certain.
    fn may_be(&self, unread: &Unread) -> bool {
        let target = self.target.as_ref().map(|(_, target)| target);
        let mut needles = self.text.iter().chain(target);
        needles.all(|needle| unread.may_say(needle))
    }

    /// Whether a record, as the caller sees it, is one of them.
    fn is(&self, stored: &StoredRecord) -> bool {
        let record = &stored.record;
        let planned = record.plan.iter().flat_map(|plan| &plan.targets);
        let mut targets = record.returned.targets.iter().chain(planned);
        let of = self.target.as_ref();
        of.is_none_or(|(of, _)| targets.any(|target| target.starts_with(of)))
            && self.text.as_deref().is_none_or(|text| says(stored, text))
    }
}

/// Whether the record, as the caller sees it, holds a text in lower case.
fn says(stored: &StoredRecord, needle: &str) -> bool {
    fn within(value: &Value, needle: &str) -> bool {
        match value {
            Value::String(text) => text.to_lowercase().contains(needle),
            Value::Array(values) => values.iter().any(|value| within(value, needle)),
            Value::Object(map) => map.values().any(|value| within(value, needle)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    within(&json!(stored.record), needle)
}

/// Owners and auditors at the command line; through other clients, such as one that gathers the
/// records of many systems, auditors that the file names. An owner's AI client is no auditor.
fn sees_all(snapshot: &Snapshot, caller: &Caller) -> bool {
    let auditors = &snapshot.gateway.roles.auditor;
    if in_person(caller) {
        return oversees(snapshot, caller);
    }
    auditors.iter().any(|who| who.is(caller))
}

/// A person's own records; to an AI client only those of its own calls: rules may let one client of
/// a person see what another may not.
fn is_own(caller: &Caller, record: &Record) -> bool {
    record.person == caller.person.id && (in_person(caller) || record.client == *caller.client)
}

/// An auditor sees what happened, not what was in it.
fn without_content(snapshot: &Snapshot, caller: &Caller, stored: &mut StoredRecord) {
    let content = is_owner(snapshot, caller) && in_person(caller);
    if stored.record.kept.is_some() && !content {
        stored.record.kept = None;
        stored.body = plain::json(&stored.record).unwrap_or_default();
        stored.hashed = false;
    }
}
