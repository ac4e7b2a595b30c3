//! Reading the audit log: what each person may see of it, proofs, and following it as it grows.

use drawbridge_core::{
    answer::{Failure, Found},
    call::Caller,
    log::merkle,
};
use serde_json::json;

use super::{Effect, RecordQuery, has_role, is_owner, store_down};
use crate::{
    app::App,
    connectors::Snapshot,
    store::{RecordFilter, StoredRecord},
};

/// The most records of one answer.
const MOST_RECORDS: u32 = 500;
/// Rows read at once for a proof.
const PAGE: u32 = 1_000;

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

    pub(super) async fn records_found(
        &self,
        caller: &Caller,
        query: &RecordQuery,
    ) -> Result<(Found, Effect), Failure> {
        let records = self.visible_records(caller, query).await?;
        let count = records.len() as u64;
        let found = Found::new(json!({"records": records}), String::new(), count);
        Ok((found, Effect::Nothing))
    }

    pub(super) async fn record_found(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<(Found, Effect), Failure> {
        let record = self.visible_record(caller, id).await?;
        Ok((Found::new(json!(record), String::new(), 1), Effect::Nothing))
    }

    /// That a record is on the log: the path from its leaf to the root of the newest checkpoint.
    pub(super) async fn proof_found(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<(Found, Effect), Failure> {
        let record = self.visible_record(caller, id).await?;
        let newest = self.store.newest_checkpoint().await.map_err(store_down)?;
        let (size, note) = newest
            .filter(|(size, _)| *size > record.place)
            .ok_or_else(|| Failure::not_found("no checkpoint covers this record yet"))?;
        let mut leaves = Vec::new();
        while (leaves.len() as u64) < size {
            let rows = self
                .store
                .rows(leaves.len() as u64, PAGE)
                .await
                .map_err(store_down)?;
            if rows.is_empty() {
                break;
            }
            leaves.extend(rows.iter().map(|row| merkle::leaf(&row.body)));
        }
        leaves.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        let index = usize::try_from(record.place).unwrap_or(usize::MAX);
        let path = merkle::inclusion(&leaves, index)
            .ok_or_else(|| Failure::not_found("the log does not hold this record"))?;
        let path: Vec<String> = path.iter().map(hex::encode).collect();
        let data = json!({
            "index": record.place,
            "size": size,
            "leaf": hex::encode(merkle::leaf(&record.body)),
            "path": path,
            "checkpoint": note,
            "public_key": self.public_key.to_string(),
        });
        Ok((Found::new(data, String::new(), 1), Effect::Nothing))
    }

    pub(super) async fn checkpoint_found(&self) -> Result<(Found, Effect), Failure> {
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
