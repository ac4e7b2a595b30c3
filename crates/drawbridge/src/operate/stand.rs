//! Stopping and starting connectors, and putting revisions into force.

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::Caller,
    lifecycle::State,
};
use serde_json::json;

use super::{
    Effect, Prepared,
    roles::{has_role, is_owner, looked_after, own_client},
    store_down,
};
use crate::{
    app::App,
    connectors::{Snapshot, short},
    store::{Review, Standing},
};

impl App {
    pub(super) async fn stand(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        (name, state, reason): (&str, State, &str),
    ) -> Prepared {
        own_client(caller)?;
        let mounted = looked_after(snapshot, caller, name)?;
        if state == State::Retired && !is_owner(snapshot, caller) {
            return Err(Failure::new(
                Status::Denied,
                "only an owner of the gateway may retire a connector",
            ));
        }
        let before = mounted.bridge.standing.state;
        if !before.leads_to(state) || (before == State::InReview && state == State::Active) {
            let message = format!(
                "`{name}` is {}, and cannot become {} from there",
                before.word(),
                state.word()
            );
            return Err(Failure::new(Status::Conflict, message));
        }
        if reason.trim().is_empty() {
            return Err(Failure::invalid(
                "`reason`: say why, for those who look at it later",
            ));
        }
        let standing = self.standing(name, (state, reason), caller, None).await?;
        let data = json!({"connector": name, "state": state});
        Ok((Found::new(data, String::new(), 1), Effect::Stand(standing)))
    }

    pub(super) async fn approve(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        (name, hash, reason): (&str, &str, &str),
    ) -> Prepared {
        own_client(caller)?;
        let reviewer = has_role(snapshot, caller, &snapshot.gateway.roles.reviewer);
        if !reviewer && !is_owner(snapshot, caller) {
            return Err(Failure::new(
                Status::Denied,
                "only a reviewer or an owner may approve a revision",
            ));
        }
        let none = || Failure::not_found(format!("no revision of `{name}` waits for review"));
        let mounted = snapshot.connectors.get(name).ok_or_else(none)?;
        let waiting = mounted.waiting.as_ref().ok_or_else(none)?;
        if hash.len() < 8 || !waiting.hash.starts_with(hash) {
            let message = format!(
                "the revision that waits is {}, not this one; look at it again",
                short(&waiting.hash)
            );
            return Err(Failure::new(Status::Conflict, message));
        }
        let state = match mounted.bridge.standing.state {
            State::Paused => State::Paused,
            _ => State::Active,
        };
        let standing = self
            .standing(name, (state, reason), caller, Some(&waiting.hash))
            .await?;
        let review = Review {
            by: caller.person.id.clone(),
            at: self.clock.now(),
            reason: reason.to_owned(),
        };
        let data = json!({"connector": name, "state": state, "revision": waiting.hash});
        Ok((
            Found::new(data, String::new(), 1),
            Effect::Approve(standing, review),
        ))
    }

    async fn standing(
        &self,
        name: &str,
        (state, reason): (State, &str),
        caller: &Caller,
        active: Option<&str>,
    ) -> Result<Standing, Failure> {
        let standings = self.store.standings().await.map_err(store_down)?;
        let before = standings
            .into_iter()
            .find(|standing| standing.connector == name);
        Ok(Standing {
            connector: name.to_owned(),
            state,
            by: caller.person.id.clone(),
            at: self.clock.now(),
            reason: reason.to_owned(),
            active: active
                .map(str::to_owned)
                .or(before.and_then(|before| before.active)),
        })
    }
}
