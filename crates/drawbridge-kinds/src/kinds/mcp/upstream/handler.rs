//! What servers ask of a client by requests of their own. Nothing of it reaches an AI client, and a server
//! is told so: nobody was asked, and so nobody declined. There are no roots.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use drawbridge_core::{connector::Changed, exchange::Asking};
use rmcp::{
    ClientHandler, ErrorData, RoleClient,
    model::{
        ClientConfig, ElicitRequestParams, ElicitResult, ElicitationCreateRequestMethod,
        ProtocolVersion,
    },
    service::{NotificationContext, RequestContext},
};
use tokio::sync::broadcast;

use super::{asked::Asked, question::client};

/// Answers a server's own questions, and hears that its tools changed.
#[derive(Clone)]
pub(super) struct Handler {
    changed: Arc<AtomicBool>,
    changes: broadcast::Sender<Changed>,
    asked: Asked,
}

impl Handler {
    pub(super) fn new(changes: broadcast::Sender<Changed>, asked: Asked) -> Self {
        let changed = Arc::default();
        Self {
            changed,
            changes,
            asked,
        }
    }

    /// The server said that its tools or prompts changed.
    pub(super) fn changed(&self, what: Changed) {
        self.changed.store(true, Ordering::Release);
        // Often nobody wants to hear it.
        let _ = self.changes.send(what);
    }

    /// Whether the server said, since this was asked last, that its tools or prompts changed.
    pub(super) fn take_changed(&self) -> bool {
        self.changed.swap(false, Ordering::AcqRel)
    }
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        // The newest that begins with a handshake: servers that echo what they are offered would name one
        // that has none.
        info.protocol_version = ProtocolVersion::V_2025_11_25;
        info.client_info = client();
        info
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        self.asked.note(match request {
            ElicitRequestParams::UrlElicitationParams { .. } => Asking::Page,
            _ => Asking::Form,
        });
        Err(ErrorData::method_not_found::<ElicitationCreateRequestMethod>())
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed(Changed::Actions);
    }

    async fn on_prompt_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed(Changed::Prompts);
    }
}
