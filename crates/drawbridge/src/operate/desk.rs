//! What somebody sees first: who they are here, what waits for them, and whether effects go on.

use std::sync::{Arc, Mutex, PoisonError};

use drawbridge_core::{
    answer::Found,
    call::Caller,
    plan::{KeptPlan, Stage},
};
use serde_json::{Value, json};

use super::{Effect, Prepared, approvals::settles, people::roles, roles::own_client, store_down};
use crate::{
    app::App,
    connectors::Snapshot,
    store::{PlanFilter, Store, StoreError},
};

/// The most plans that are looked through for those that wait for somebody.
const PLANS: u32 = 500;

/// The plans that wait for anybody, without what is in them: every page asks how many wait for its
/// reader, and what they hold can be large.
#[derive(Default)]
pub struct Waiting {
    known: Mutex<Arc<Known>>,
}

#[derive(Default)]
struct Known {
    /// Which plans at which turn.
    turns: Vec<(String, i64)>,
    plans: Vec<KeptPlan>,
}

impl Waiting {
    fn known(&self) -> Arc<Known> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    /// The plans by now: read again only where one of them changed.
    async fn by_now(&self, store: &Store) -> Result<Arc<Known>, StoreError> {
        let filter = PlanFilter {
            stages: vec![Stage::Waiting, Stage::Unknown],
            limit: PLANS,
            ..PlanFilter::default()
        };
        let turns = store.plan_turns(&filter).await?;
        let known = self.known();
        if known.turns == turns {
            return Ok(known);
        }
        // What changes between the two is read again at the next look.
        let mut plans = store.kept_plans(&filter).await?;
        for plan in &mut plans {
            plan.arguments = Value::Null;
            plan.plan.targets = Vec::new();
        }
        let read = Arc::new(Known { turns, plans });
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = read.clone();
        Ok(read)
    }
}

impl App {
    pub(super) async fn desk_found(&self, snapshot: &Snapshot, caller: &Caller) -> Prepared {
        own_client(caller)?;
        let known = self.waiting.by_now(&self.store).await;
        let known = known.map_err(store_down)?;
        let waiting = known.plans.iter();
        let waiting = waiting
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
