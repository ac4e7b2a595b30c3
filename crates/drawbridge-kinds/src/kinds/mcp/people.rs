//! A connector that acts for each person: one connection for each, made with their own credential, and
//! shared by nobody.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use drawbridge_core::{
    answer::{Failure, Status},
    credential::Credential,
    plan::Plan,
};
use serde_json::Value;

use super::{
    Server,
    asks::Held,
    upstream::{Seen, Upstream},
};

/// How many people are connected at once. A connection that nobody needs for a while ends by itself.
const MOST_PEOPLE: usize = 500;
/// Where a plan says for whom it is done.
const PERSON: &str = "person";

/// The servers of people, as each of them sees them.
#[derive(Default)]
pub(super) struct People(Mutex<BTreeMap<String, Arc<Server>>>);

impl People {
    /// A person's server, by their own credential. Whoever has none is told what to do.
    pub(super) async fn of(
        &self,
        shared: &Server,
        (person, credential): (&str, Arc<dyn Credential>),
    ) -> Result<Arc<Server>, Failure> {
        let server = self.known(shared, (person, credential))?;
        server.renewed().await?;
        Ok(server)
    }

    fn known(
        &self,
        shared: &Server,
        (person, credential): (&str, Arc<dyn Credential>),
    ) -> Result<Arc<Server>, Failure> {
        let mut people = self.locked();
        if let Some(server) = people.get(person) {
            return Ok(server.clone());
        }
        if people.len() >= MOST_PEOPLE {
            people.retain(|_, own| is_needed(own));
        }
        if people.len() >= MOST_PEOPLE {
            let told = "too many people use this connector at the moment; try again later";
            return Err(Failure::new(Status::Limited, told));
        }
        let mut context = shared.context.clone();
        context.credential = Some(credential);
        let server = Arc::new(Server {
            own: shared.own.clone(),
            upstream: Upstream::new(shared.own.clone(), context.clone()),
            context,
            done: shared.done.clone(),
            held: Held::default(),
            version: Mutex::default(),
        });
        people.insert(person.to_owned(), server.clone());
        Ok(server)
    }

    pub(super) fn rest(&self) {
        for own in self.locked().values() {
            own.upstream.rest();
        }
    }

    pub(super) async fn close(&self) {
        let people = std::mem::take(&mut *self.locked());
        for own in people.values() {
            own.upstream.stop();
        }
        for own in people.values() {
            own.upstream.close().await;
        }
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Server>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_needed(own: &Arc<Server>) -> bool {
    let idle = matches!(own.upstream.seen(), Seen::Idle | Seen::Resting(_));
    !idle || Arc::strong_count(own) > 1
}

/// Writes into a plan for whom it is done: whoever applies it or takes it back, that person's account is
/// used.
pub(super) fn bind(plan: &mut Plan, person: &str) {
    if let Value::Object(work) = &mut plan.work {
        work.insert(PERSON.to_owned(), Value::from(person));
    }
}

/// For whom a plan is done; none where one account is for everyone.
pub(super) fn bound(plan: &Plan) -> Option<&str> {
    plan.work.get(PERSON)?.as_str()
}
