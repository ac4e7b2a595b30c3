//! Which part answers which operation.

use std::sync::Arc;

use drawbridge_core::{call::Caller, lifecycle::State};

use super::{Operation, Prepared, connectors, sessions};
use crate::{app::App, connectors::Snapshot, identify::COMMAND_LINE};

impl App {
    /// What the caller is told, and what is to happen once that is on the log.
    #[expect(clippy::too_many_lines, reason = "one arm for each operation")]
    pub(super) async fn prepare(
        self: &Arc<Self>,
        (snapshot, act): (&Snapshot, &str),
        caller: &Caller,
        operation: &Operation,
    ) -> Prepared {
        match operation {
            Operation::Connectors(query) => self.connectors_found(snapshot, caller, query).await,
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
            Operation::Approvals(query) => self.plans_found(snapshot, caller, query).await,
            Operation::Approval { id } => self.plan_found(snapshot, caller, id).await,
            Operation::Decide { id, decision } => {
                self.decide_on(snapshot, caller, (id, decision)).await
            }
            Operation::Undo { call, reason } => {
                self.undo(snapshot, caller, (act, call, reason)).await
            }
            Operation::Stop { reason } => {
                self.halt(snapshot, caller, (State::Paused, reason)).await
            }
            Operation::Start { reason } => {
                self.halt(snapshot, caller, (State::Active, reason)).await
            }
            Operation::Revisions { name } => {
                // What was saved a moment ago is what people mean.
                if let Err(cause) = self.connectors.reload().await {
                    tracing::warn!("files cannot be taken up: {cause:#}");
                }
                connectors::revisions_found(&self.snapshot(), caller, name)
            }
            Operation::ApproveRevision { name, hash, reason } => {
                self.approve(snapshot, caller, (name, hash, reason)).await
            }
            Operation::Explain {
                person,
                client,
                tool,
                arguments,
            } => {
                let asked = (person.as_deref(), client.as_deref());
                self.explained(snapshot, caller, asked, (tool, arguments))
                    .await
            }
            Operation::Records(query) => self.records_found(caller, query).await,
            Operation::People(query) => self.people_found(snapshot, caller, query).await,
            Operation::Access { name } => self.access_found(snapshot, caller, name).await,
            Operation::History { name } => self.history_found(snapshot, caller, name).await,
            Operation::NewRequest(new) => self.new_request(snapshot, caller, (act, new)).await,
            Operation::Requests(query) => self.requests_found(snapshot, caller, query).await,
            Operation::AnswerRequest {
                id,
                outcome,
                reason,
            } => {
                let answer = (id.as_str(), *outcome, reason.as_str());
                self.answer_request(snapshot, caller, answer).await
            }
            Operation::SearchAs(asked) => self.searched_as(snapshot, caller, (act, asked)).await,
            Operation::Sources(query) => self.sources_found(snapshot, caller, query).await,
            Operation::Usage(query) => self.usage_found(snapshot, caller, query).await,
            Operation::Export { .. } => self.export_found().await,
            Operation::Record { id } => self.record_found(caller, id).await,
            Operation::Proof { id } => self.proof_found(caller, id).await,
            Operation::Checkpoint => self.checkpoint_found().await,
            Operation::Connector { name } => {
                connectors::connector_found(snapshot, caller, name).await
            }
            Operation::Check { name } => self.check_found(snapshot, caller, name.as_deref()).await,
            Operation::Tokens(query) => self.tokens_found(snapshot, caller, query).await,
            Operation::NewToken {
                person,
                client,
                name,
                expires_in,
                personal,
            } => {
                // One's own token is for the door at which people decide.
                let own = personal.then_some(COMMAND_LINE);
                let client = match (client.as_deref(), own) {
                    (Some(_), Some(_)) => None,
                    (client, own) => own.or(client),
                };
                let whose = (person.as_deref(), client.unwrap_or_default(), name.as_str());
                self.new_token(snapshot, caller, (whose, *personal), *expires_in)
            }
            Operation::RevokeToken { id } => self.revoke(snapshot, caller, id).await,
            Operation::Desk => self.desk_found(snapshot, caller).await,
            Operation::SignInLink { person, base } => {
                self.sign_in_link(snapshot, caller, (person.as_deref(), base))
            }
            Operation::SignIn(wanted) => self.sign_in(caller, wanted).await,
            Operation::SignOut => sessions::sign_out(caller),
            Operation::Secrets => self.secrets_found(snapshot, caller).await,
            Operation::Secret { name } => self.secret_found(snapshot, caller, name).await,
            Operation::SetSecret(new) => self.set_secret(snapshot, caller, new).await,
            Operation::RetireSecret(wanted) => self.retire_secret(snapshot, caller, wanted).await,
            Operation::RemoveSecret { name, reason } => {
                self.remove_secret(snapshot, caller, (name, reason)).await
            }
            Operation::Connect { account, port } => {
                self.connect(snapshot, caller, (account, *port)).await
            }
            Operation::Connected(came_back) => self.connected(snapshot, caller, came_back).await,
            Operation::Disconnect { account, reason } => {
                self.disconnect(snapshot, caller, (account, reason)).await
            }
        }
    }
}
