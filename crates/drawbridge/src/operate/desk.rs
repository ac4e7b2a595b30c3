//! What somebody sees first: who they are here, what waits for them, and whether effects go on.

use drawbridge_core::{answer::Found, call::Caller, plan::Stage};
use serde_json::json;

use super::{Effect, Prepared, approvals::settles, people::roles, roles::own_client, store_down};
use crate::{app::App, connectors::Snapshot, store::PlanFilter};

/// The most plans that are looked through for those that wait for somebody.
const PLANS: u32 = 500;

impl App {
    pub(super) async fn desk_found(&self, snapshot: &Snapshot, caller: &Caller) -> Prepared {
        own_client(caller)?;
        let filter = PlanFilter {
            stages: vec![Stage::Waiting, Stage::Unknown],
            limit: PLANS,
            ..PlanFilter::default()
        };
        let plans = self.store.kept_plans(&filter).await.map_err(store_down)?;
        let waiting = plans
            .iter()
            .filter(|plan| match plan.stage {
                Stage::Unknown => settles(snapshot, caller, plan),
                _ => plan.may_decide(&caller.person).is_ok(),
            })
            .count();
        let halted = snapshot.halted.as_ref();
        let halted =
            halted.map(|halted| json!({"by": halted.by, "at": halted.at, "reason": halted.reason}));
        let listed = snapshot.gateway.people.get(&caller.person.id);
        let data = json!({
            "gateway": snapshot.gateway.gateway,
            "person": caller.person.id,
            "name": listed.and_then(|person| person.name.as_ref()),
            "roles": roles(snapshot, &caller.person),
            "waiting": waiting,
            "halted": halted,
        });
        Ok((Found::new(data, String::new(), 1), Effect::Nothing))
    }
}
