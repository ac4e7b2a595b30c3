//! Off means off on every gateway at once: an answer leaves only if what allowed it was still in
//! force when its record was made durable.
//!
//! A pause, a review or an ended token counts up a version in the store, and the log's writer reads
//! it in the transaction that makes a record durable. So a gateway that has not heard of a change
//! yet still cannot answer by what was in force before: its own record tells it.

use drawbridge_core::{
    answer::{Failure, Status},
    call::{Call, Caller},
    log::{LogDown, Record, Recorded},
    way::Refused,
};
use serde_json::Value;

use super::{App, new_id};
use crate::connectors::{Mounted, Snapshot};

impl App {
    /// The answer, if what allowed it still stands; else a refusal in its place, with a record of
    /// its own. `seen` is what the call was decided by.
    pub(super) async fn still(
        &self,
        recorded: Recorded,
        seen: &Snapshot,
        (caller, call): (&Caller, Option<(&Mounted, &Call)>),
    ) -> Result<Recorded, LogDown> {
        if recorded.version() <= seen.version {
            return Ok(recorded);
        }
        // In a box: it is rare, and needs much room.
        Box::pin(self.looked_at_again(recorded, (caller, call))).await
    }

    async fn looked_at_again(
        &self,
        recorded: Recorded,
        (caller, call): (&Caller, Option<(&Mounted, &Call)>),
    ) -> Result<Recorded, LogDown> {
        let seen = call.map(|(mounted, call)| (mounted, Some(call)));
        let why = match self.overtaken(recorded.version(), (caller, seen)).await {
            Ok(None) => return Ok(recorded),
            Ok(Some(why)) => why,
            Err(cause) => {
                tracing::error!("cannot take up a change, so an answer is withheld: {cause}");
                "what is in force could not be read while the call was running; try again"
            }
        };
        let target = call.map_or((Record::GATEWAY, "withhold"), |(_, call)| {
            (&*call.connector, &*call.action.name)
        });
        let refused = Refused {
            id: &new_id(),
            caller,
            connector: target.0,
            action: target.1,
            power: call.map(|(_, call)| call.action.power),
            arguments: call.map_or(&Value::Null, |(_, call)| &call.arguments),
            reason: format!("the answer of {} was withheld", recorded.id()),
        };
        let failure = Failure::new(Status::Unavailable, why);
        self.way.refuse(refused, failure, self.way.begin()).await
    }

    /// Why a call that was decided before version `version` may not be answered any more.
    pub(super) async fn overtaken(
        &self,
        version: u64,
        (caller, seen): (&Caller, Option<(&Mounted, Option<&Call>)>),
    ) -> anyhow::Result<Option<&'static str>> {
        self.store.notice().await;
        if self.snapshot().version < version {
            self.connectors.reload().await?;
        }
        if !self.identify.asks_still(caller).await? {
            return Ok(Some("the token was ended while the call was running"));
        }
        let Some((before, call)) = seen else {
            return Ok(None);
        };
        let snapshot = self.snapshot();
        let after = snapshot.connectors.get(&before.bridge.file.connector);
        let Some(after) = after.filter(|after| after.runs()) else {
            return Ok(Some(
                "this connector was stopped while the call was running",
            ));
        };
        let effect = call.is_none_or(|call| call.action.power.is_effect());
        if after.bridge.admits(effect).is_err() {
            return Ok(Some("every effect was stopped while the call was running"));
        }
        let allowed = call.is_none_or(|call| snapshot.rules.decide(call).allows());
        let same = after.bridge.revision == before.bridge.revision && allowed;
        Ok((!same).then_some("the rules changed while the call was running; ask again"))
    }
}
