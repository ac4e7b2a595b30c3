//! Every long-lived part of the gateway, and what doors ask of it.

use std::sync::Arc;

use drawbridge_core::{
    call::{Action, Caller},
    connector::Clock,
    file::GatewayFile,
    log::{LogDown, Recorded},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// The gateway.
pub struct App {
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// A tool as a caller is offered it.
#[derive(Debug, Clone)]
pub struct Tool {
    /// `connector_action`; the bare action at the door of one connector.
    pub name: String,
    /// The action, with its power and schemas. Its output schema is that of the whole answer.
    pub action: Arc<Action>,
}

/// A call as it comes in by a door.
#[derive(Debug)]
pub struct ToolRequest {
    /// Who asks.
    pub caller: Caller,
    /// At the door of one connector: its name. Tool names are bare there.
    pub connector: Option<String>,
    /// The tool's name.
    pub tool: String,
    /// Its arguments.
    pub arguments: Value,
    /// Cancelled when the client is gone.
    pub cancel: CancellationToken,
}

/// What can be asked of the gateway itself, by `/api/v1` and the command line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// The connectors the caller may use or look after, with state and freshness.
    Connectors,
    /// One of them, whole: file, standing, inspection, problems.
    Connector { name: String },
    /// The tools the caller may use.
    Tools { connector: Option<String> },
    /// Stops a connector.
    Pause { name: String, reason: String },
    /// Starts it again.
    Resume { name: String, reason: String },
    /// Stops it for good.
    Retire { name: String, reason: String },
    /// Its revisions, the newest first, with what each widens and narrows.
    Revisions { name: String },
    /// Puts a revision into force. `hash` may be a prefix of eight or more digits.
    ApproveRevision { name: String, hash: String, reason: String },
    /// Grades the eight areas of one connector, or of all.
    Check { name: Option<String> },
    /// Why a call would be allowed or denied, and what the view hides.
    Explain { person: Option<String>, client: Option<String>, tool: String, arguments: Value },
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
    NewToken { person: Option<String>, client: String, name: String, expires_in: Option<String> },
    /// Ends a token.
    RevokeToken { id: String },
}

/// Which records.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordQuery {
    pub person: Option<String>,
    pub client: Option<String>,
    pub connector: Option<String>,
    pub action: Option<String>,
    pub power: Option<String>,
    pub status: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Records with an argument that has just this value.
    pub value: Option<String>,
    /// Only records after this place, the oldest first.
    pub after: Option<u64>,
    /// Only records before this place, the newest first: the next page.
    pub before: Option<u64>,
    /// At most so many. Default 50, at most 500.
    pub limit: Option<u32>,
}

impl App {
    /// `drawbridge.yaml` as it is in force.
    #[must_use]
    pub fn gateway(&self) -> Arc<GatewayFile> {
        todo!()
    }

    /// The tools a caller is offered, in a fixed order; at the door of one connector only its own.
    #[must_use]
    pub fn tools(&self, _caller: &Caller, _connector: Option<&str>) -> Vec<Tool> {
        todo!()
    }

    /// Calls a tool.
    ///
    /// # Errors
    /// [`LogDown`] when the call cannot be recorded: then there is no answer.
    pub async fn call(self: &Arc<Self>, _request: ToolRequest) -> Result<Recorded, LogDown> {
        todo!()
    }

    /// Does something with the gateway itself.
    ///
    /// # Errors
    /// [`LogDown`] when it cannot be recorded: then it does not happen.
    pub async fn operate(self: &Arc<Self>, _caller: &Caller, _operation: Operation) -> Result<Recorded, LogDown> {
        todo!()
    }
}
