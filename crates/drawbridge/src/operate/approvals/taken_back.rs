//! Taking an applied effect back, and sending a draft on.

use std::sync::Arc;

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::Caller,
    exchange::Exchange,
    log::{LogDown, Recorded},
    plan::{KeptPlan, Stage, Step},
    way::Act,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    super::{Effect, Prepared, roles::is_owner, store_down},
    said,
    shown::{sees, whole},
    themselves,
};
use crate::{
    app::{App, ToolRequest, new_id},
    connectors::Snapshot,
};

impl App {
    /// Makes the plan that takes an applied effect back.
    pub(in crate::operate) async fn undo(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        (act, call, reason): (&str, &str, &str),
    ) -> Prepared {
        themselves(snapshot, caller)?;
        said(reason)?;
        let plan = self.undone_plan(snapshot, caller, call).await?;
        let mounted = snapshot.connectors.get(&plan.connector);
        let gone = || Failure::new(Status::Unavailable, "its connector is gone");
        let mounted = mounted.ok_or_else(gone)?;
        let own = plan.caller.person.id == caller.person.id;
        if !own
            && !is_owner(snapshot, caller)
            && mounted.bridge.file.purpose.owner != caller.person.id
        {
            let told = "only who asked for it, the connector's owner and owners of the gateway may take it back";
            return Err(Failure::new(Status::Denied, told));
        }
        if let Some(before) = &plan.undone_by {
            let before = self.newest(before).await.map_err(store_down)?;
            let over = |stage: Stage| !stage.is_open() && stage != Stage::Applied;
            if before.as_ref().is_some_and(|before| !over(before.stage)) {
                let how = before.map_or("", |before| before.stage.word());
                let told = format!("it is taken back already, by a plan that is {how}");
                return Err(Failure::new(Status::Conflict, told));
            }
        }
        let watch = self.watch((snapshot, mounted), caller, None);
        let inverse = self
            .way
            .inverse(&mounted.bridge, (act, caller), &plan, &watch)
            .await?;
        let mut taken = plan.turned(plan.stage);
        taken.undone_by = Some(inverse.id.clone());
        let data = whole(caller, &inverse);
        let steps = vec![
            Step::Keep(Box::new(inverse), Vec::new()),
            Step::Turn(Box::new(taken)),
        ];
        Ok((Found::new(data, String::new(), 1), Effect::Turn(steps)))
    }

    /// The plan of a call, by the call's record or by its own id.
    async fn undone_plan(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        call: &str,
    ) -> Result<KeptPlan, Failure> {
        let of_record = self.store.plan_of_record(call).await.map_err(store_down)?;
        match of_record.filter(|plan| sees(snapshot, caller, plan)) {
            Some(plan) => Ok(plan),
            None => self.visible_plan(snapshot, caller, call).await,
        }
    }

    /// Sends a draft on: from here it is a call like any other, by the person it was kept for.
    ///
    /// # Errors
    /// [`LogDown`] when it cannot be recorded: then it does not happen.
    pub async fn send(self: &Arc<Self>, caller: &Caller, id: &str) -> Result<Recorded, LogDown> {
        let snapshot = self.snapshot();
        let draft = match self.draft(&snapshot, caller, id).await {
            Ok(draft) => draft,
            Err(failure) => return self.not_sent(caller, id, failure).await,
        };
        let request = ToolRequest {
            caller: caller.clone(),
            connector: Some(draft.connector.clone()),
            tool: draft.plan.action.clone(),
            arguments: draft.arguments.clone(),
            cancel: CancellationToken::new(),
            exchange: Exchange::default(),
        };
        self.send_on(request, Some(Box::new(draft))).await
    }

    async fn draft(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        id: &str,
    ) -> Result<KeptPlan, Failure> {
        themselves(snapshot, caller)?;
        let plan = self.visible_plan(snapshot, caller, id).await?;
        if plan.stage != Stage::Draft {
            let told = format!("it is {}, and no draft", plan.stage.word());
            return Err(Failure::new(Status::Conflict, told));
        }
        if plan.caller.person.id != caller.person.id {
            return Err(Failure::new(Status::Denied, "the draft is not yours"));
        }
        Ok(plan)
    }

    async fn not_sent(
        &self,
        caller: &Caller,
        id: &str,
        failure: Failure,
    ) -> Result<Recorded, LogDown> {
        let arguments = json!({"plan": id});
        let act = Act {
            id: &new_id(),
            caller,
            connector: drawbridge_core::log::Record::GATEWAY,
            action: "send_on",
            power: None,
            arguments: &arguments,
            reason: failure.message.clone(),
            in_full: false,
        };
        self.way.note(act, Err(failure), self.way.begin()).await
    }
}
