//! What servers ask of a client by requests of their own. A form or a page reaches whoever made the call, where
//! the file lets the server ask; else the server is told so: nobody was asked, and so nobody declined. There
//! are no roots.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use drawbridge_core::{connector::Changed, exchange::Asking};
use rmcp::{
    ClientHandler, ErrorData, RoleClient,
    model::{
        ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction, ErrorCode,
        ProtocolVersion,
    },
    service::{NotificationContext, RequestContext},
};
use serde_json::json;
use tokio::sync::{broadcast, oneshot};

use super::{
    asked::Asked,
    attending::{Attending, Elicited},
    question::{capabilities, client},
    veil::Veil,
};

/// The question for a form or a page.
pub(super) const ELICIT: &str = "elicitation/create";

/// Answers a server's own questions, and hears that its tools changed.
#[derive(Clone)]
pub(super) struct Handler {
    changed: Arc<AtomicBool>,
    changes: broadcast::Sender<Changed>,
    asked: Asked,
    /// What it may ask by requests of its own.
    may_ask: BTreeSet<Asking>,
    attending: Attending,
    veil: Veil,
}

impl Handler {
    pub(super) fn new(
        changes: broadcast::Sender<Changed>,
        asked: Asked,
        (granted, attending): (&BTreeSet<Asking>, Attending),
        veil: Veil,
    ) -> Self {
        let may_ask = [Asking::Form, Asking::Page];
        let may_ask = may_ask.into_iter().filter(|one| granted.contains(one));
        Self {
            changed: Arc::default(),
            changes,
            asked,
            may_ask: may_ask.collect(),
            attending,
            veil,
        }
    }

    /// The calls that go on.
    pub(super) fn attending(&self) -> &Attending {
        &self.attending
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
        info.capabilities = capabilities(&self.may_ask);
        info
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let asking = match request {
            ElicitRequestParams::UrlElicitationParams { .. } => Asking::Page,
            _ => Asking::Form,
        };
        let asks = match self.may_ask.contains(&asking) {
            true => self.attending.whom(&context.id).await,
            false => None,
        };
        let mut request = json!({"method": ELICIT, "params": request});
        self.veil.value(&mut request);
        let (answer, answered) = oneshot::channel();
        let sent = match asks {
            Some(asks) => asks.send(Elicited { request, answer }).await.is_ok(),
            None => false,
        };
        if !sent {
            self.asked.note(asking);
            let (code, told) = (
                ErrorCode::METHOD_NOT_FOUND,
                "nobody can be asked in this call",
            );
            return Err(ErrorData::new(code, told, None));
        }
        let nobody = || ElicitResult::new(ElicitationAction::Cancel);
        tokio::select! {
            answered = answered => Ok(answered.unwrap_or_else(|_| nobody())),
            () = context.ct.cancelled() => Ok(nobody()),
        }
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed(Changed::Actions);
    }

    async fn on_prompt_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed(Changed::Prompts);
    }
}
