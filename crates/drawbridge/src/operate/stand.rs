//! Stopping and starting connectors, and putting revisions into force.

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::Caller,
    file::ConnectorFile,
    lifecycle::State,
};
use serde_json::json;

use super::{
    Effect, Prepared,
    checklist::areas,
    roles::{has_role, is_owner, looked_after, signed_in, signed_in_unless_pause},
    store_down,
};
use crate::{
    app::App,
    check::{Area, Facts, red},
    connectors::{GATEWAY, Mounted, Snapshot, due, short},
    store::{Review, Standing},
};

impl App {
    pub(super) async fn stand(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        (name, state, reason): (&str, State, &str),
    ) -> Prepared {
        signed_in_unless_pause(caller, state)?;
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
        if state == State::Active {
            let facts = self.facts(snapshot, name, mounted).await?;
            refuse_red(name, &areas(snapshot, &mounted.bridge.file, &facts))?;
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
        signed_in(caller)?;
        let reviewer = has_role(snapshot, caller, &snapshot.gateway.roles.reviewer);
        if !reviewer && !is_owner(snapshot, caller) {
            return Err(Failure::new(
                Status::Denied,
                "only a reviewer or an owner may approve a revision",
            ));
        }
        let none = || Failure::not_found(format!("no revision of `{name}` waits for review"));
        let mounted = snapshot.connectors.get(name).ok_or_else(none)?;
        let (hash, file) = reviewable(mounted, hash)?;
        let review = Review {
            by: caller.person.id.clone(),
            at: self.clock.now(),
            reason: reason.to_owned(),
        };
        // As it will be once it is reviewed: a review is the mend of one that is overdue.
        let facts = Facts {
            due: due(file, &snapshot.gateway, Some(&review)),
            reviewed: Some(review.clone()),
            ..self.facts(snapshot, name, mounted).await?
        };
        refuse_red(name, &areas(snapshot, file, &facts))?;
        let state = match mounted.bridge.standing.state {
            State::Paused => State::Paused,
            _ => State::Active,
        };
        let standing = self
            .standing(name, (state, reason), caller, Some(hash))
            .await?;
        let data = json!({"connector": name, "state": state, "revision": hash});
        Ok((
            Found::new(data, String::new(), 1),
            Effect::Approve(standing, review),
        ))
    }

    /// Stops every effect of every connector, or lets them go on.
    pub(super) async fn halt(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        (state, reason): (State, &str),
    ) -> Prepared {
        signed_in_unless_pause(caller, state)?;
        if !is_owner(snapshot, caller) {
            let told = "only an owner of the gateway may stop every effect, or let them go on";
            return Err(Failure::new(Status::Denied, told));
        }
        if reason.trim().is_empty() {
            return Err(Failure::invalid(
                "`reason`: say why, for those who look at it later",
            ));
        }
        let stopped = snapshot.halted.is_some();
        if stopped == (state == State::Paused) {
            let how = if stopped {
                "stopped already"
            } else {
                "not stopped"
            };
            return Err(Failure::new(Status::Conflict, format!("effects are {how}")));
        }
        let standing = self
            .standing(GATEWAY, (state, reason), caller, None)
            .await?;
        let data = json!({"effects": if stopped { "going on" } else { "stopped" }});
        Ok((Found::new(data, String::new(), 1), Effect::Stand(standing)))
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
        if let Some(paused) = &before
            && (paused.state, state) == (State::Paused, State::Paused)
        {
            // A review does not begin the pause anew: what waits gets all of its time back.
            let mut paused = paused.clone();
            paused.active = active.map(str::to_owned).or(paused.active);
            return Ok(paused);
        }
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

/// The revision with this hash, or its first digits: the one that waits, or the one in force, which
/// is thereby reviewed again.
fn reviewable<'a>(
    mounted: &'a Mounted,
    hash: &str,
) -> Result<(&'a str, &'a ConnectorFile), Failure> {
    let in_force = (&*mounted.bridge.revision, &*mounted.bridge.file);
    let waiting = mounted
        .waiting
        .as_ref()
        .map(|waiting| (waiting.hash.as_str(), &*waiting.file));
    let meant = |(known, _): &(&str, &ConnectorFile)| hash.len() >= 8 && known.starts_with(hash);
    let retired = mounted.bridge.standing.state == State::Retired;
    let found = waiting
        .into_iter()
        .chain(Some(in_force))
        .find(meant)
        .filter(|_| !retired);
    found.ok_or_else(|| {
        let message = match waiting {
            _ if retired => "it was retired, and stays so".to_owned(),
            Some((waits, _)) => format!(
                "the revision that waits is {}, not this one; look at it again",
                short(waits)
            ),
            None => "no such revision waits, and another one is in force".to_owned(),
        };
        Failure::new(Status::Conflict, message)
    })
}

/// A connector with a red area must not be active.
fn refuse_red(name: &str, areas: &[Area]) -> Result<(), Failure> {
    match red(areas) {
        None => Ok(()),
        Some(why) => Err(Failure::new(
            Status::Conflict,
            format!("`{name}` has a red area and cannot be active. {why}"),
        )),
    }
}
