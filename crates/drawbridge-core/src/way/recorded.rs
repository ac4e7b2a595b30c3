//! What records say of plans: intents, outcomes, and the mark of the plan itself.

use serde_json::json;

use super::{Bridge, Way};
use crate::{
    answer::Status,
    file::Content,
    log::{Planned, Record},
    plan::{KeptPlan, Stage},
};

impl Way {
    /// The record that an effect is about to be: durable before anything happens.
    pub(super) fn intent(&self, begun: &KeptPlan, bridge: &Bridge, reasons: &[String]) -> Record {
        let mut record = self.outcome_record(bridge, begun, reasons);
        record.status = Status::Unknown;
        record.message = Some("about to be done".to_owned());
        record
    }

    pub(super) fn outcome_record(
        &self,
        bridge: &Bridge,
        plan: &KeptPlan,
        reasons: &[String],
    ) -> Record {
        let id = (self.ids)();
        let target = (plan.connector.as_str(), plan.action.as_str());
        let mut record = Record::begin(&id, self.clock.now(), &plan.caller, target);
        record.revision = Some(bridge.revision.to_string());
        record.identity = Some(bridge.file.identity.account.clone());
        record.power = Some(plan.plan.power);
        record.decided.allowed = plan.status() != Status::Denied;
        record.decided.reasons = reasons.to_vec();
        record.status = plan.status();
        // What was done is told in a sentence, with values in it, where the file keeps that much.
        let content = bridge.file.logging.content;
        let tells = plan.stage != Stage::Applied || content != Content::Digest;
        let ended = plan.ended.as_ref().filter(|_| tells);
        record.message = ended.map(|ended| ended.reason.clone());
        record.plan = Some(self.planned(plan, bridge.file.logging.content));
        record
    }

    /// What a record says of a plan.
    pub(super) fn planned(&self, plan: &KeptPlan, content: Content) -> Planned {
        let targets = plan.plan.targets.iter();
        Planned {
            id: plan.id.clone(),
            digest: plan.bound.digest.clone(),
            stage: plan.stage,
            approved_by: plan
                .voices
                .iter()
                .map(|voice| voice.person.clone())
                .collect(),
            targets: targets
                .map(|target| match content {
                    Content::Digest => self.digest(&json!(target.resource)),
                    _ => target.resource.clone(),
                })
                .collect(),
            next: plan.next.clone(),
        }
    }
}
