//! What can be asked of the gateway itself.

use drawbridge_core::{answer::Status, call::Power, file::Span, log::Record};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::IntoParams;

use super::{
    Account, CameBack, ConnectorQuery, Decision, ExportFormat, NewRequest, NewSecret, PeopleQuery,
    PlanQuery, RequestQuery, Retiring, SearchedAs, SignIn, SourceQuery, TokenQuery, UsageQuery,
};
use crate::store::RequestState;

/// What can be asked of the gateway.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// The connectors the caller may use or look after, with state and freshness.
    Connectors(ConnectorQuery),
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
    /// Kept plans: those that wait for the caller or that they asked for.
    Approvals(PlanQuery),
    /// One of them, whole.
    Approval { id: String },
    /// Decides on one.
    Decide { id: String, decision: Decision },
    /// Makes the plan that takes an applied effect back: by the call's record, or the plan.
    Undo { call: String, reason: String },
    /// Stops every effect of every connector.
    Stop { reason: String },
    /// Lets effects go on.
    Start { reason: String },
    /// Why a call would be allowed or denied.
    Explain {
        person: Option<String>,
        client: Option<String>,
        tool: String,
        arguments: Value,
    },
    /// Records, the newest first.
    Records(RecordQuery),
    /// Everyone the gateway knows.
    People(PeopleQuery),
    /// Who may do what with a connector, and who did.
    Access { name: String },
    /// How a connector came to be as it is.
    History { name: String },
    /// A wish for a connector.
    NewRequest(NewRequest),
    /// Wishes for connectors.
    Requests(RequestQuery),
    /// Answers one.
    AnswerRequest {
        id: String,
        outcome: RequestState,
        reason: String,
    },
    /// Which sources somebody else would find.
    SearchAs(SearchedAs),
    /// How the documents are that connectors offer.
    Sources(SourceQuery),
    /// Calls, counted.
    Usage(UsageQuery),
    /// Every record, as a file.
    Export {
        format: ExportFormat,
        filter: RecordQuery,
    },
    /// One record.
    Record { id: String },
    /// The proof that one record is on the log.
    Proof { id: String },
    /// The newest signed checkpoint and the public key.
    Checkpoint,
    /// Tokens: everyone's for an owner, else the caller's own.
    Tokens(TokenQuery),
    /// Makes a token, shown this once.
    NewToken {
        person: Option<String>,
        client: Option<String>,
        name: String,
        expires_in: Option<Span>,
        personal: bool,
    },
    /// Ends a token.
    RevokeToken { id: String },
    /// What stands around each page of the console: who one is, and what waits.
    Desk,
    /// Makes a link that signs its person in at the console, once.
    SignInLink {
        person: Option<String>,
        /// The address that it begins with.
        base: String,
    },
    /// Begins a session at the console.
    SignIn(SignIn),
    /// Ends the caller's session.
    SignOut,
    /// What is known of the credentials that the caller looks after.
    Secrets,
    /// What is known of one of them, with its versions.
    Secret { name: String },
    /// Keeps a secret, beside the one there is.
    SetSecret(NewSecret),
    /// Ends a version of a credential.
    RetireSecret(Retiring),
    /// Ends a credential.
    RemoveSecret { name: String, reason: String },
    /// Begins to connect an account elsewhere, by a browser that comes back to this port of its machine.
    Connect { account: Account, port: u16 },
    /// Brings that to its end.
    Connected(CameBack),
    /// Forgets the tokens of an account.
    Disconnect { account: Account, reason: String },
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
    #[param(value_type = Option<String>)]
    pub power: Option<Power>,
    /// How it ended.
    #[param(value_type = Option<String>)]
    pub status: Option<Status>,
    /// Only calls: no looks at the gateway itself, and no changes of it.
    pub calls: bool,
    /// Not before this time.
    #[param(value_type = Option<String>)]
    pub since: Option<Timestamp>,
    /// Not after this time.
    #[param(value_type = Option<String>)]
    pub until: Option<Timestamp>,
    /// Of what was read or changed: with a target that is, or begins with, this text.
    pub target: Option<String>,
    /// With this text anywhere, in any case.
    pub text: Option<String>,
    /// Only after this place, the oldest first.
    pub after: Option<u64>,
    /// Only before this place, the newest first.
    pub before: Option<u64>,
    /// At most so many. Default 50.
    pub limit: Option<u32>,
}

impl Operation {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Connectors(_) => "connectors",
            Self::Connector { .. } => "connector",
            Self::Check { .. } => "check",
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::Retire { .. } => "retire",
            Self::Revisions { .. } => "revisions",
            Self::ApproveRevision { .. } => "approve_revision",
            Self::Approvals(_) => "approvals",
            Self::Approval { .. } => "approval",
            Self::Decide { decision, .. } => decision.word(),
            Self::Undo { .. } => "undo",
            Self::Stop { .. } => "stop",
            Self::Start { .. } => "start",
            Self::Explain { .. } => "explain",
            Self::Records(_) => "records",
            Self::People(_) => "people",
            Self::Access { .. } => "access",
            Self::History { .. } => "history",
            Self::NewRequest(_) => "new_request",
            Self::Requests(_) => "requests",
            Self::AnswerRequest { .. } => "answer_request",
            Self::SearchAs(_) => "search_as",
            Self::Sources(_) => "sources",
            Self::Usage(_) => "usage",
            Self::Export { .. } => "export",
            Self::Record { .. } => "record",
            Self::Proof { .. } => "proof",
            Self::Checkpoint => "checkpoint",
            Self::Tokens(_) => "tokens",
            Self::NewToken { .. } => "new_token",
            Self::RevokeToken { .. } => "revoke_token",
            Self::Desk => "desk",
            Self::SignInLink { .. } => "sign_in_link",
            Self::SignIn(_) => "sign_in",
            Self::SignOut => "sign_out",
            Self::Secrets => "secrets",
            Self::Secret { .. } => "secret",
            Self::SetSecret(_) => "set_secret",
            Self::RetireSecret(_) => "retire_secret",
            Self::RemoveSecret { .. } => "remove_secret",
            Self::Connect { .. } => "connect",
            Self::Connected(_) => "connected",
            Self::Disconnect { .. } => "disconnect",
        }
    }

    /// Whether it only shows what the gateway itself knows: nothing is asked of a target for it, and no one is
    /// acted for.
    pub(super) fn is_look(&self) -> bool {
        matches!(
            self,
            Self::Connectors(_)
                | Self::Connector { .. }
                | Self::Check { .. }
                | Self::Revisions { .. }
                | Self::History { .. }
                | Self::Access { .. }
                | Self::Approvals(_)
                | Self::Approval { .. }
                | Self::Records(_)
                | Self::Record { .. }
                | Self::Proof { .. }
                | Self::Usage(_)
                | Self::People(_)
                | Self::Tokens(_)
                | Self::Requests(_)
                | Self::Sources(_)
                | Self::Desk
        )
    }

    /// Why it is let through.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::SignIn(wanted) => wanted.words(),
            _ => "by the caller's role".to_owned(),
        }
    }

    /// The connector it is about.
    pub(super) fn connector(&self) -> &str {
        match self {
            Self::Connector { name }
            | Self::Access { name }
            | Self::History { name }
            | Self::Check { name: Some(name) }
            | Self::Pause { name, .. }
            | Self::Resume { name, .. }
            | Self::Retire { name, .. }
            | Self::Revisions { name }
            | Self::ApproveRevision { name, .. }
            | Self::Connect {
                account: Account::Connector(name),
                ..
            }
            | Self::Connected(CameBack {
                account: Account::Connector(name),
                ..
            })
            | Self::Disconnect {
                account: Account::Connector(name),
                ..
            } => name,
            Self::SearchAs(asked) => &asked.connector,
            Self::Connectors(_)
            | Self::Check { name: None }
            | Self::Approvals(_)
            | Self::Approval { .. }
            | Self::Decide { .. }
            | Self::Undo { .. }
            | Self::Stop { .. }
            | Self::Start { .. }
            | Self::Explain { .. }
            | Self::Records(_)
            | Self::People(_)
            | Self::NewRequest(_)
            | Self::Requests(_)
            | Self::AnswerRequest { .. }
            | Self::Sources(_)
            | Self::Usage(_)
            | Self::Export { .. }
            | Self::Record { .. }
            | Self::Proof { .. }
            | Self::Checkpoint
            | Self::Tokens(_)
            | Self::NewToken { .. }
            | Self::RevokeToken { .. }
            | Self::Desk
            | Self::SignInLink { .. }
            | Self::SignIn(_)
            | Self::SignOut
            | Self::Secrets
            | Self::Secret { .. }
            | Self::SetSecret(_)
            | Self::RetireSecret(_)
            | Self::RemoveSecret { .. }
            | Self::Connect { .. }
            | Self::Connected(_)
            | Self::Disconnect { .. } => Record::GATEWAY,
        }
    }
}
