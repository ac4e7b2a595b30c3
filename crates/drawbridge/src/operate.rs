//! What people do with the gateway itself: look, stop, start, review, make and end tokens.
//!
//! Every operation is put on the log before it happens; when the log cannot be written, it does not.

mod access;
mod accounts;
mod approvals;
mod checklist;
mod connectors;
mod desk;
mod explain;
mod history;
mod operation;
mod people;
mod prepare;
mod records;
mod requests;
mod roles;
mod search_as;
mod secrets;
mod sessions;
mod sources;
mod stand;
mod tokens;
mod usage;

use std::sync::Arc;

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::Caller,
    lifecycle::State,
    log::{LogDown, Recorded, Unwritten},
    plan::{Stage, Step},
    way::Act,
};
use serde_json::Value;

use crate::{
    app::{App, new_id},
    store::{Review, Standing},
};

pub use accounts::{Account, CameBack};
pub(crate) use approvals::asked_for;
pub use approvals::{Decision, PlanQuery};
pub use connectors::ConnectorQuery;
pub use desk::Waiting;
pub use operation::{Operation, RecordQuery};
pub use people::{PeopleQuery, me};
pub use records::{ExportFormat, RecordPage};
pub use requests::{NewRequest, RequestQuery};
use roles::is_owner;
pub use search_as::SearchedAs;
pub use secrets::{NewSecret, Retiring};
pub use sessions::{How, SignIn};
pub use sources::SourceQuery;
pub use tokens::TokenQuery;
pub use usage::UsageQuery;

/// How often an operation is tried again because another was first.
const TRIES: usize = 10;

/// What the caller is told, and what is to happen once that is on the log.
type Prepared = Result<(Found, Effect), Failure>;

/// What is to happen once it is on the log.
enum Effect {
    Nothing,
    Stand(Standing),
    /// Durable together with the record.
    Turn(Vec<Step>),
    Approve(Standing, Review),
    Revoke(String),
    Expire(String),
    Keep(Box<crate::store::NewToken>),
    SetSecret(Box<crate::store::NewVersion>),
    /// Name and version.
    RetireSecret(String, String),
    RemoveSecret(String),
    BeginGrant(Box<crate::store::Begun>),
    KeepGrant(Box<crate::store::NewGrant>),
    EndGrants(crate::store::Ended),
    KeepRequest(Box<crate::store::ConnectorRequest>),
    AnswerRequest(Box<crate::store::RequestAnswer>),
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
        // A task of its own: what is on the log as done is done, also when who asked hangs up.
        let (app, caller) = (self.clone(), caller.clone());
        let task = self.tasks.spawn(async move {
            // Somebody else's change may be first, and then it is looked at again.
            for _ in 0..TRIES {
                match app.operated(&caller, &operation).await {
                    Err(Unwritten::Overtaken(_)) => {}
                    Err(Unwritten::Down(down)) => return Err(down),
                    Ok(recorded) => return Ok(recorded),
                }
            }
            Err(LogDown::because(
                "others change the same thing all the time",
            ))
        });
        task.await.map_err(LogDown::because)?
    }

    /// What an operation finds that changes nothing, for somebody whose look at it is on the log
    /// already: they see how it is by now. Not recorded by itself.
    ///
    /// # Errors
    /// As the operation has them, and for one that would change something.
    pub async fn look_again(
        self: &Arc<Self>,
        caller: &Caller,
        operation: Operation,
    ) -> Result<Found, Failure> {
        if !operation.is_look() {
            return Err(Failure::invalid("this is more than a look"));
        }
        let snapshot = self.snapshot();
        let id = new_id();
        let prepared = self.prepare((&snapshot, &id), caller, &operation);
        match prepared.await? {
            (found, Effect::Nothing) => Ok(found),
            (_, _) => Err(Failure::invalid("this is more than a look")),
        }
    }

    async fn operated(
        self: &Arc<Self>,
        caller: &Caller,
        operation: &Operation,
    ) -> Result<Recorded, Unwritten> {
        let began = self.way.begin();
        let snapshot = self.snapshot();
        let id = new_id();
        let prepared = self.prepare((&snapshot, &id), caller, operation).await;
        let (outcome, effect) = match prepared {
            Ok((found, effect)) => (Ok(found), effect),
            Err(failure) => (Err(failure), Effect::Nothing),
        };
        let arguments = serde_json::to_value(operation).unwrap_or_default();
        let steps = match &effect {
            Effect::Turn(steps) => steps.clone(),
            _ => Vec::new(),
        };
        let connector = steps.first().map(|step| step.plan().connector.clone());
        let act = Act {
            id: &id,
            caller,
            connector: connector.as_deref().unwrap_or(operation.connector()),
            action: operation.name(),
            power: None,
            arguments: &arguments,
            reason: outcome
                .as_ref()
                .err()
                .map_or_else(|| operation.reason(), |failure| failure.message.clone()),
            // What changes the gateway must be readable later. A new token is shown, never kept.
            in_full: matches!(
                effect,
                Effect::Stand(_)
                    | Effect::Approve(..)
                    | Effect::Revoke(_)
                    | Effect::SetSecret(_)
                    | Effect::RetireSecret(..)
                    | Effect::RemoveSecret(_)
                    | Effect::KeepGrant(_)
                    | Effect::EndGrants(_)
                    | Effect::KeepRequest(_)
                    | Effect::AnswerRequest(_)
            ) || matches!(operation, Operation::SearchAs(_)),
        };
        let recorded = self.way.note_turn(act, outcome, (began, steps)).await?;
        match self.perform(effect, caller).await {
            Ok(()) => Ok(recorded),
            Err(cause) => Ok(self.undone(caller, operation, (&recorded, cause)).await?),
        }
    }

    /// What is on the log as done and could not be done gets a record that says so.
    async fn undone(
        &self,
        caller: &Caller,
        operation: &Operation,
        (recorded, cause): (&Recorded, anyhow::Error),
    ) -> Result<Recorded, LogDown> {
        let id = recorded.id();
        // Where somebody else was first, it says so itself.
        let failure = cause.downcast::<Failure>().unwrap_or_else(|cause| {
            tracing::error!("`{}` ({id}) could not be done: {cause:#}", operation.name());
            let told = "it could not be done, though the log says that it was asked for; look at \
                        the store's disk and connection, then try again";
            Failure::new(Status::Failed, told)
        });
        let act = Act {
            id: &new_id(),
            caller,
            connector: operation.connector(),
            action: operation.name(),
            power: None,
            arguments: &Value::Null,
            reason: format!("record {id} was not carried out"),
            in_full: false,
        };
        self.way.note(act, Err(failure), self.way.begin()).await
    }

    async fn perform(self: &Arc<Self>, effect: Effect, caller: &Caller) -> anyhow::Result<()> {
        let stopped = match &effect {
            Effect::Stand(standing) if standing.state != State::Active => {
                Some(standing.connector.clone())
            }
            _ => None,
        };
        match effect {
            Effect::Nothing => return Ok(()),
            Effect::BeginGrant(_) | Effect::KeepGrant(_) | Effect::EndGrants(_) => {
                return self.keep_account(effect, caller).await;
            }
            Effect::Turn(steps) => {
                for step in steps {
                    if step.plan().stage == Stage::Approved {
                        self.work_on(step.plan().clone());
                    }
                }
                return Ok(());
            }
            Effect::KeepRequest(_) | Effect::AnswerRequest(_) => {
                return self.keep_request(effect).await;
            }
            Effect::Stand(standing) => self.store.set_standing(&standing).await?,
            Effect::Approve(standing, review) => {
                self.store.approve_revision(&standing, &review).await?
            }
            Effect::Expire(id) => {
                self.store.expire_token(&id, self.clock.now()).await?;
            }
            Effect::Keep(token) => self.store.add_token(&token).await?,
            Effect::SetSecret(new) => self.store.add_version(&new).await?,
            Effect::RetireSecret(name, version) => {
                let which = (name.as_str(), version.as_str());
                let now = self.clock.now();
                self.store
                    .retire_version(which, &caller.person.id, now)
                    .await?;
            }
            Effect::RemoveSecret(name) => {
                let now = self.clock.now();
                self.store
                    .remove_credential(&name, &caller.person.id, now)
                    .await?;
            }
            Effect::Revoke(id) => {
                self.store
                    .revoke_token(&id, &caller.person.id, self.clock.now())
                    .await?;
            }
        }
        // In force for the next call: nobody waits for a watch.
        self.identify.forget();
        self.connectors.reload().await?;
        if let Some(connector) = stopped {
            self.effects_ended(&connector).await?;
        }
        Ok(())
    }
}

fn store_down(error: crate::store::StoreError) -> Failure {
    Failure::new(
        Status::Unavailable,
        "the store fails at the moment; try again",
    )
    .with_source(error)
}
