//! How a connector came to be as it is: its revisions with what each changed, and who stopped it.

use std::collections::BTreeMap;

use drawbridge_core::{
    answer::Found,
    call::Caller,
    connector::Kind,
    file::{ConnectorFile, FileErrors, GatewayFile, Reader, changes},
};
use drawbridge_kinds::kinds::KINDS;
use serde_json::{Value, json};

use super::{
    Effect, Prepared,
    roles::{looked_at, own_client},
    store_down,
};
use crate::{
    app::App,
    connectors::Snapshot,
    store::{Revision, StoredRecord},
};

/// Revisions that are shown, the newest.
const REVISIONS: usize = 20;
/// Acts that are shown, the newest.
const ACTS: u32 = 50;
/// What people and the gateway do with a connector.
const STANDINGS: [&str; 5] = ["pause", "resume", "retire", "approve_revision", "narrow"];

/// A revision as it reads with `drawbridge.yaml` as it is.
type Read = Result<(ConnectorFile, &'static dyn Kind), FileErrors>;

impl App {
    pub(super) async fn history_found(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        name: &str,
    ) -> Prepared {
        own_client(caller)?;
        let mounted = looked_at(snapshot, caller, name)?;
        let revisions = self.store.revisions(name).await.map_err(store_down)?;
        let acts = self.store.acts_on(name, &STANDINGS, ACTS).await;
        let acts = acts.map_err(store_down)?;
        let mut readings = Readings::new(&snapshot.gateway);
        let shown: Vec<Value> = revisions
            .iter()
            .take(REVISIONS)
            .map(|one| {
                let before = before(&revisions, one);
                let mut shown = readings.revision(one, before);
                if let Some(shown) = shown.as_object_mut() {
                    let in_force = *one.hash == *mounted.bridge.revision;
                    shown.insert("in_force".to_owned(), in_force.into());
                }
                shown
            })
            .collect();
        let count = shown.len() as u64;
        let data = json!({
            "connector": name,
            "in_force": mounted.bridge.revision,
            "revisions": shown,
            "standings": acts.iter().map(act).collect::<Vec<_>>(),
        });
        Ok((Found::new(data, String::new(), count), Effect::Nothing))
    }
}

/// The revision that was approved last before this one was; before this one was seen, where nobody
/// approved it.
fn before<'a>(all: &'a [Revision], one: &Revision) -> Option<&'a Revision> {
    let approved = |revision: &Revision| revision.review.as_ref().map(|review| review.at);
    let until = approved(one).unwrap_or(one.first_seen);
    all.iter()
        .filter(|other| other.hash != one.hash)
        .filter(|other| approved(other).is_some_and(|at| at < until))
        .max_by_key(|other| approved(other))
}

/// Kept files, each read once.
struct Readings<'a> {
    gateway: &'a GatewayFile,
    reader: Reader,
    read: BTreeMap<String, Read>,
}

impl<'a> Readings<'a> {
    fn new(gateway: &'a GatewayFile) -> Self {
        Self {
            gateway,
            reader: Reader::new(KINDS),
            read: BTreeMap::new(),
        }
    }

    fn read(&mut self, revision: &Revision) -> &Read {
        let (reader, gateway) = (&self.reader, self.gateway);
        self.read.entry(revision.hash.clone()).or_insert_with(|| {
            let name = format!("connectors/{}.yaml", revision.connector);
            reader.read((&name, &revision.connector), &revision.text, gateway)
        })
    }

    /// One revision, and how it differs from the one approved before it.
    fn revision(&mut self, one: &Revision, before: Option<&Revision>) -> Value {
        if let Some(before) = before {
            self.read(before);
        }
        self.read(one);
        let old = before.and_then(|before| self.read.get(&before.hash));
        let new = self.read.get(&one.hash);
        let unreadable = [new, old].into_iter().flatten().find_map(|read| {
            let first = read.as_ref().err()?.0.first()?;
            Some(format!("it cannot be read any more: {first}"))
        });
        let differences = match (old, new) {
            (Some(Ok((old, _))), Some(Ok((new, kind)))) => {
                changes(old, new, *kind, &self.gateway.labels())
            }
            _ => Vec::new(),
        };
        let compared = before.filter(|_| unreadable.is_none());
        let review = one.review.as_ref();
        json!({
            "hash": one.hash,
            "first_seen": one.first_seen,
            "approved_by": review.map(|review| &review.by),
            "approved_at": review.map(|review| review.at),
            "reason": review.map(|review| &review.reason),
            "against": compared.map(|before| &before.hash),
            "changes": differences,
            "unreadable": unreadable,
        })
    }
}

/// One act on a connector, with the reason that its record keeps.
fn act(stored: &StoredRecord) -> Value {
    let record = &stored.record;
    let kept = record.kept.as_ref().map(|kept| &kept.arguments);
    // What people do is kept under the operation's name, what the gateway does by itself plainly.
    let asked = kept.map(|kept| kept.get(&record.action).unwrap_or(kept));
    let said = |field: &str| asked.and_then(|asked| asked.get(field)?.as_str());
    let reason = said("reason").or(record.decided.reasons.first().map(String::as_str));
    json!({
        "at": record.time,
        "action": record.action,
        "person": record.person,
        "reason": reason,
        "hash": said("hash"),
        "status": record.status,
        "record": record.id,
    })
}
