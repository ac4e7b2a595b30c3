//! What people do with the gateway itself: look, stop, start, review, make and end tokens.
//!
//! Every operation is put on the log before it happens; when the log cannot be written, it does not.

mod records;

use std::sync::Arc;

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::{Call, Caller, Door},
    file::{Span, Who},
    lifecycle::State,
    log::{LogDown, Record, Recorded},
    way::Act,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::{
    app::{App, new_id},
    check,
    connectors::{Mounted, Snapshot, short},
    identify::{COMMAND_LINE, mint},
    store::{Review, Standing},
};

/// What can be asked of the gateway.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// The connectors the caller may use or look after, with state and freshness.
    Connectors,
    /// One of them, whole: file, standing, inspection, problems.
    Connector { name: String },
    /// Grades the eight areas of one connector, or of all that the caller looks after.
    Check { name: Option<String> },
    /// Stops a connector.
    Pause { name: String, reason: String },
    /// Starts it again.
    Resume { name: String, reason: String },
    /// Stops it for good.
    Retire { name: String, reason: String },
    /// The revision that waits for review, with what it widens and narrows.
    Revisions { name: String },
    /// Puts a revision into force.
    ApproveRevision {
        name: String,
        hash: String,
        reason: String,
    },
    /// Why a call would be allowed or denied.
    Explain {
        person: Option<String>,
        client: Option<String>,
        tool: String,
        arguments: Value,
    },
    /// Records, the newest first.
    Records(RecordQuery),
    /// One record.
    Record { id: String },
    /// The proof that one record is on the log.
    Proof { id: String },
    /// The newest signed checkpoint and the public key.
    Checkpoint,
    /// Tokens: everyone's for an owner, else the caller's own.
    Tokens,
    /// Makes a token, shown this once.
    NewToken {
        person: Option<String>,
        client: String,
        name: String,
        expires_in: Option<Span>,
    },
    /// Ends a token.
    RevokeToken { id: String },
}

/// Which records.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RecordQuery {
    /// For whom.
    pub person: Option<String>,
    /// Through which client.
    pub client: Option<String>,
    /// Of which connector.
    pub connector: Option<String>,
    /// Which action.
    pub action: Option<String>,
    /// With which power.
    pub power: Option<String>,
    /// How it ended.
    pub status: Option<String>,
    /// Not before this time.
    #[param(value_type = Option<String>)]
    pub since: Option<Timestamp>,
    /// Not after this time.
    #[param(value_type = Option<String>)]
    pub until: Option<Timestamp>,
    /// Only after this place, the oldest first.
    pub after: Option<u64>,
    /// Only before this place, the newest first.
    pub before: Option<u64>,
    /// At most so many. Default 50.
    pub limit: Option<u32>,
}

impl Operation {
    fn name(&self) -> &'static str {
        match self {
            Self::Connectors => "connectors",
            Self::Connector { .. } => "connector",
            Self::Check { .. } => "check",
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::Retire { .. } => "retire",
            Self::Revisions { .. } => "revisions",
            Self::ApproveRevision { .. } => "approve_revision",
            Self::Explain { .. } => "explain",
            Self::Records(_) => "records",
            Self::Record { .. } => "record",
            Self::Proof { .. } => "proof",
            Self::Checkpoint => "checkpoint",
            Self::Tokens => "tokens",
            Self::NewToken { .. } => "new_token",
            Self::RevokeToken { .. } => "revoke_token",
        }
    }

    /// The connector it is about.
    fn connector(&self) -> &str {
        match self {
            Self::Connector { name }
            | Self::Check { name: Some(name) }
            | Self::Pause { name, .. }
            | Self::Resume { name, .. }
            | Self::Retire { name, .. }
            | Self::Revisions { name }
            | Self::ApproveRevision { name, .. } => name,
            Self::Connectors
            | Self::Check { name: None }
            | Self::Explain { .. }
            | Self::Records(_)
            | Self::Record { .. }
            | Self::Proof { .. }
            | Self::Checkpoint
            | Self::Tokens
            | Self::NewToken { .. }
            | Self::RevokeToken { .. } => Record::GATEWAY,
        }
    }
}

/// What is to happen once it is on the log.
enum Effect {
    Nothing,
    Stand(Standing),
    Approve(Standing, Review),
    Revoke(String),
    Keep(Box<crate::store::NewToken>),
}

impl App {
    /// Does something with the gateway itself.
    ///
    /// # Errors
    /// [`LogDown`] when it cannot be recorded: then it does not happen.
    pub async fn operate(
        self: &Arc<Self>,
        caller: &Caller,
        operation: Operation,
    ) -> Result<Recorded, LogDown> {
        let began = self.way.begin();
        let snapshot = self.snapshot();
        let (outcome, effect) = match self.prepare(&snapshot, caller, &operation).await {
            Ok((found, effect)) => (Ok(found), effect),
            Err(failure) => (Err(failure), Effect::Nothing),
        };
        let arguments = serde_json::to_value(&operation).unwrap_or_default();
        let id = new_id();
        let act = Act {
            id: &id,
            caller,
            connector: operation.connector(),
            action: operation.name(),
            power: None,
            arguments: &arguments,
            reason: outcome.as_ref().err().map_or_else(
                || "by the caller's role".to_owned(),
                |failure| failure.message.clone(),
            ),
            // What changes the gateway must be readable later. A new token is shown, never kept.
            in_full: matches!(
                effect,
                Effect::Stand(_) | Effect::Approve(..) | Effect::Revoke(_)
            ),
        };
        let recorded = self.way.note(act, outcome, began).await?;
        if let Err(failure) = self.perform(effect, caller).await {
            tracing::error!(
                "`{}` is on the log and could not be done: {failure}",
                operation.name()
            );
            return Err(LogDown::because(failure));
        }
        Ok(recorded)
    }

    async fn prepare(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        operation: &Operation,
    ) -> Result<(Found, Effect), Failure> {
        match operation {
            Operation::Connectors => Ok((
                self.connectors_found(snapshot, caller).await,
                Effect::Nothing,
            )),
            Operation::Pause { name, reason } => {
                self.stand(snapshot, caller, (name, State::Paused, reason))
                    .await
            }
            Operation::Resume { name, reason } => {
                self.stand(snapshot, caller, (name, State::Active, reason))
                    .await
            }
            Operation::Retire { name, reason } => {
                self.stand(snapshot, caller, (name, State::Retired, reason))
                    .await
            }
            Operation::Revisions { name } => revisions_found(snapshot, caller, name),
            Operation::ApproveRevision { name, hash, reason } => {
                self.approve(snapshot, caller, (name, hash, reason)).await
            }
            Operation::Explain {
                person,
                client,
                tool,
                arguments,
            } => explain(
                snapshot,
                caller,
                (person.as_deref(), client.as_deref()),
                (tool, arguments),
            ),
            Operation::Records(query) => self.records_found(caller, query).await,
            Operation::Record { id } => self.record_found(caller, id).await,
            Operation::Proof { id } => self.proof_found(caller, id).await,
            Operation::Checkpoint => self.checkpoint_found().await,
            Operation::Connector { name } => connector_found(snapshot, caller, name).await,
            Operation::Check { name } => check_found(snapshot, caller, name.as_deref()),
            Operation::Tokens => self.tokens_found(snapshot, caller).await,
            Operation::NewToken {
                person,
                client,
                name,
                expires_in,
            } => self.new_token(
                snapshot,
                caller,
                (person.as_deref(), client, name),
                *expires_in,
            ),
            Operation::RevokeToken { id } => self.revoke(snapshot, caller, id).await,
        }
    }

    async fn tokens_found(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
    ) -> Result<(Found, Effect), Failure> {
        let own = (!is_owner(snapshot, caller)).then_some(caller.person.id.as_str());
        let tokens = self.store.tokens(own).await.map_err(store_down)?;
        let count = tokens.len() as u64;
        let found = Found::new(json!({"tokens": tokens}), String::new(), count);
        Ok((found, Effect::Nothing))
    }

    async fn revoke(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        id: &str,
    ) -> Result<(Found, Effect), Failure> {
        own_client(caller)?;
        let token = self.store.token(id).await.map_err(store_down)?;
        let mine = token
            .is_some_and(|token| is_owner(snapshot, caller) || token.person == caller.person.id);
        if !mine {
            return Err(Failure::not_found("there is no such token of yours"));
        }
        let found = Found::new(json!({"id": id, "revoked": true}), String::new(), 1);
        Ok((found, Effect::Revoke(id.to_owned())))
    }

    async fn perform(&self, effect: Effect, caller: &Caller) -> anyhow::Result<()> {
        match effect {
            Effect::Nothing => return Ok(()),
            Effect::Stand(standing) => self.store.set_standing(&standing).await?,
            Effect::Approve(standing, review) => {
                self.store.approve_revision(&standing, &review).await?
            }
            Effect::Keep(token) => self.store.add_token(&token).await?,
            Effect::Revoke(id) => {
                self.store
                    .revoke_token(&id, &caller.person.id, self.clock.now())
                    .await?;
            }
        }
        // In force for the next call: nobody waits for a watch.
        self.identify.forget();
        self.connectors.reload().await?;
        Ok(())
    }

    async fn connectors_found(&self, snapshot: &Snapshot, caller: &Caller) -> Found {
        let mut list = Vec::new();
        for (name, mounted) in &snapshot.connectors {
            let used = mounted
                .bridge
                .actions
                .iter()
                .any(|action| snapshot.rules.offers(caller, name, action));
            let looked_after = looks_after(snapshot, caller, mounted);
            if !used && !looked_after {
                continue;
            }
            let inspection = match &mounted.bridge.connector {
                Ok(connector) if looked_after => Some(connector.inspect().await),
                _ => None,
            };
            list.push(json!({
                "name": name,
                "purpose": mounted.bridge.file.purpose.task,
                "owner": mounted.bridge.file.purpose.owner,
                "kind": mounted.kind.name(),
                "access": mounted.bridge.file.access,
                "state": mounted.bridge.standing.state,
                "revision": mounted.bridge.revision,
                "waiting": mounted.waiting.as_ref().map(|waiting| &waiting.hash),
                "broken": mounted.broken,
                "inspection": inspection,
            }));
        }
        let problems = is_owner(snapshot, caller).then_some(&snapshot.problems);
        let count = list.len() as u64;
        Found::new(
            json!({"connectors": list, "problems": problems}),
            String::new(),
            count,
        )
    }

    async fn stand(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        (name, state, reason): (&str, State, &str),
    ) -> Result<(Found, Effect), Failure> {
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

    async fn approve(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        (name, hash, reason): (&str, &str, &str),
    ) -> Result<(Found, Effect), Failure> {
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

    fn new_token(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        (person, client, name): (Option<&str>, &str, &str),
        expires_in: Option<Span>,
    ) -> Result<(Found, Effect), Failure> {
        own_client(caller)?;
        let person = person.unwrap_or(&caller.person.id);
        if person != caller.person.id && !is_owner(snapshot, caller) {
            return Err(Failure::new(
                Status::Denied,
                "only an owner may make tokens for others",
            ));
        }
        if snapshot.gateway.person(person).is_none() {
            return Err(Failure::invalid(format!(
                "`person`: `{person}` is nobody this gateway knows"
            )));
        }
        if client == COMMAND_LINE || client.is_empty() {
            return Err(Failure::invalid(
                "`client`: name the AI application the token is for",
            ));
        }
        let now = self.clock.now();
        let expires = expires_in
            .map(|span| now.checked_add(span.duration()))
            .transpose();
        let expires = expires.map_err(|_| Failure::invalid("`expires_in`: that is too long"))?;
        let (token, shown) = mint((person, client, name), now, expires).map_err(|error| {
            Failure::new(Status::Failed, "no token can be made at the moment").with_source(error)
        })?;
        let data = json!({"id": token.id, "person": person, "client": client, "expires": expires, "token": shown.expose()});
        Ok((
            Found::new(data, String::new(), 1),
            Effect::Keep(Box::new(token)),
        ))
    }
}

async fn connector_found(
    snapshot: &Snapshot,
    caller: &Caller,
    name: &str,
) -> Result<(Found, Effect), Failure> {
    let mounted = looked_after(snapshot, caller, name)?;
    let inspection = match &mounted.bridge.connector {
        Ok(connector) => json!(connector.inspect().await),
        Err(why) => json!({"health": "down", "summary": why}),
    };
    let data = json!({
        "name": name,
        "file": &*mounted.bridge.file,
        "revision": mounted.bridge.revision,
        "standing": mounted.bridge.standing,
        "waiting": mounted.waiting.as_ref().map(|waiting| &waiting.hash),
        "broken": mounted.broken,
        "inspection": inspection,
    });
    Ok((Found::new(data, String::new(), 1), Effect::Nothing))
}

fn revisions_found(
    snapshot: &Snapshot,
    caller: &Caller,
    name: &str,
) -> Result<(Found, Effect), Failure> {
    let mounted = looked_after(snapshot, caller, name)?;
    let waiting = mounted
        .waiting
        .as_ref()
        .map(|waiting| json!({"hash": waiting.hash, "changes": waiting.changes}));
    let data = json!({
        "in_force": mounted.bridge.revision,
        "waiting": waiting,
        "broken": mounted.broken,
    });
    Ok((Found::new(data, String::new(), 1), Effect::Nothing))
}

fn check_found(
    snapshot: &Snapshot,
    caller: &Caller,
    name: Option<&str>,
) -> Result<(Found, Effect), Failure> {
    if let Some(name) = name {
        looked_after(snapshot, caller, name)?;
    }
    let graded: Vec<Value> = snapshot
        .connectors
        .iter()
        .filter(|(found, mounted)| {
            name.is_none_or(|name| name == *found) && looks_after(snapshot, caller, mounted)
        })
        .map(|(name, mounted)| {
            let areas = check::grade(&mounted.bridge.file, &snapshot.gateway);
            json!({"connector": name, "areas": areas})
        })
        .collect();
    let count = graded.len() as u64;
    let data = json!({"connectors": graded});
    Ok((Found::new(data, String::new(), count), Effect::Nothing))
}

fn explain(
    snapshot: &Snapshot,
    caller: &Caller,
    (person, client): (Option<&str>, Option<&str>),
    (tool, arguments): (&str, &Value),
) -> Result<(Found, Effect), Failure> {
    let other = person.is_some_and(|person| person != caller.person.id);
    if other
        && !is_owner(snapshot, caller)
        && !has_role(snapshot, caller, &snapshot.gateway.roles.auditor)
    {
        return Err(Failure::new(
            Status::Denied,
            "only an owner or auditor may ask for others",
        ));
    }
    let mut asked = caller.clone();
    asked.door = Door::Mcp;
    if let Some(id) = person {
        let person = snapshot.gateway.person(id);
        asked.person =
            Arc::new(person.ok_or_else(|| {
                Failure::not_found(format!("`{id}` is nobody this gateway knows"))
            })?);
    }
    if let Some(client) = client {
        asked.client = client.into();
    }
    let found = tool.split_once('_').and_then(|(connector, action)| {
        let mounted = snapshot.connectors.get(connector)?;
        Some((mounted, mounted.action(action)?.0))
    });
    let (mounted, action) =
        found.ok_or_else(|| Failure::not_found(format!("there is no tool `{tool}`")))?;
    let call = Call {
        id: "explain".into(),
        caller: asked,
        connector: mounted.bridge.file.connector.as_str().into(),
        revision: mounted.bridge.revision.clone(),
        action: action.clone(),
        arguments: if arguments.is_null() {
            json!({})
        } else {
            arguments.clone()
        },
    };
    let explanation = snapshot.rules.explain(&call, &mounted.bridge.file);
    let standing = mounted
        .bridge
        .standing
        .admits()
        .err()
        .map(|failure| failure.message);
    let data = json!({"tool": tool, "decision": explanation, "state": mounted.bridge.standing.state, "unavailable": standing});
    Ok((Found::new(data, String::new(), 1), Effect::Nothing))
}

/// What changes the gateway is done by a person at the command line, never through the channel of an AI client.
fn own_client(caller: &Caller) -> Result<(), Failure> {
    if *caller.client == *COMMAND_LINE {
        return Ok(());
    }
    Err(Failure::new(
        Status::Denied,
        "the gateway is changed by people at the command line, not through an AI client",
    ))
}

fn has_role(snapshot: &Snapshot, caller: &Caller, members: &[Who]) -> bool {
    caller.person.id == snapshot.gateway.operator || members.iter().any(|who| who.is(caller))
}

fn is_owner(snapshot: &Snapshot, caller: &Caller) -> bool {
    has_role(snapshot, caller, &snapshot.gateway.roles.owner)
}

fn looks_after(snapshot: &Snapshot, caller: &Caller, mounted: &Mounted) -> bool {
    let file = &mounted.bridge.file;
    is_owner(snapshot, caller)
        || file.purpose.owner == caller.person.id
        || file.recovery.pause.iter().any(|who| who.is(caller))
}

fn looked_after<'a>(
    snapshot: &'a Snapshot,
    caller: &Caller,
    name: &str,
) -> Result<&'a Mounted, Failure> {
    let mounted = snapshot
        .connectors
        .get(name)
        .filter(|mounted| looks_after(snapshot, caller, mounted));
    mounted.map(|mounted| &**mounted).ok_or_else(|| {
        Failure::new(
            Status::Denied,
            format!("there is no connector `{name}` that you look after"),
        )
    })
}

fn store_down(error: crate::store::StoreError) -> Failure {
    Failure::new(
        Status::Unavailable,
        "the store fails at the moment; try again",
    )
    .with_source(error)
}
