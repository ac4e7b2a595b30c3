//! Reading the audit log: what each person may see of it, proofs, and following it as it grows.

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::Caller,
};
use serde_json::json;

use super::{Effect, Prepared, RecordQuery, has_role, is_owner, store_down};
use crate::{
    app::App,
    audit,
    connectors::Snapshot,
    store::{RecordFilter, StoredRecord},
};

/// The most records of one answer.
const MOST_RECORDS: u32 = 500;

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
    ) -> Result<Vec<StoredRecord>, Failure> {
        let snapshot = self.snapshot();
        let person = if sees_all(&snapshot, caller) {
            query.person.clone()
        } else {
            Some(caller.person.id.clone())
        };
        let filter = RecordFilter {
            person,
            client: query.client.clone(),
            connector: query.connector.clone(),
            action: query.action.clone(),
            power: query.power.clone(),
            status: query.status.clone(),
            since: query.since,
            until: query.until,
            after: query.after,
            before: query.before,
            limit: query.limit.unwrap_or(50).clamp(1, MOST_RECORDS),
        };
        let mut records = self.store.records(&filter).await.map_err(store_down)?;
        records
            .iter_mut()
            .for_each(|stored| without_content(&snapshot, caller, stored));
        Ok(records)
    }

    pub(super) async fn records_found(&self, caller: &Caller, query: &RecordQuery) -> Prepared {
        let records = self.visible_records(caller, query).await?;
        let count = records.len() as u64;
        let found = Found::new(json!({"records": records}), String::new(), count);
        Ok((found, Effect::Nothing))
    }

    pub(super) async fn record_found(&self, caller: &Caller, id: &str) -> Prepared {
        let record = self.visible_record(caller, id).await?;
        Ok((Found::new(json!(record), String::new(), 1), Effect::Nothing))
    }

    /// The proof that a record is on the log.
    pub(super) async fn proof_found(&self, caller: &Caller, id: &str) -> Prepared {
        let stored = self.visible_record(caller, id).await?;
        // A proof holds the bytes that were hashed, and content is among them where it was kept.
        let whole = self.store.record(id).await.map_err(store_down)?;
        let hidden = whole.is_some_and(|whole| whole.record.kept.is_some());
        if hidden && stored.record.kept.is_none() {
            return Err(Failure::new(
                Status::Denied,
                "this record keeps content, so only an owner may have its proof",
            ));
        }
        let proof = audit::prove(&self.store, &stored).await.map_err(|error| {
            let told = "the record cannot be proved; verify the log";
            Failure::new(Status::Failed, told).with_source(error)
        })?;
        Ok((Found::new(json!(proof), String::new(), 1), Effect::Nothing))
    }

    pub(super) async fn checkpoint_found(&self) -> Prepared {
        let newest = self.store.newest_checkpoint().await.map_err(store_down)?;
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
            .filter(|stored| {
                sees_all(&snapshot, caller) || stored.record.person == caller.person.id
            })
            .ok_or_else(|| Failure::not_found("there is no such record that you may see"))?;
        without_content(&snapshot, caller, &mut record);
        Ok(record)
    }
}

fn sees_all(snapshot: &Snapshot, caller: &Caller) -> bool {
    is_owner(snapshot, caller) || has_role(snapshot, caller, &snapshot.gateway.roles.auditor)
}

/// An auditor sees what happened, not what was in it.
fn without_content(snapshot: &Snapshot, caller: &Caller, stored: &mut StoredRecord) {
    if !is_owner(snapshot, caller) {
        stored.record.kept = None;
    }
}
