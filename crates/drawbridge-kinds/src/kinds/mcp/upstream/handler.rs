//! What servers ask of a client. Nothing of it reaches an AI client: sampling is refused, nobody is
//! asked for input, and there are no roots.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rmcp::{
    ClientHandler, RoleClient,
    model::{ClientConfig, Implementation, ProtocolVersion},
    service::NotificationContext,
};

/// Answers a server's own questions, and hears that its tools changed.
#[derive(Clone, Default)]
pub(super) struct Handler {
    changed: Arc<AtomicBool>,
}

impl Handler {
    /// The server said that its tools or prompts changed.
    pub(super) fn changed(&self) {
        self.changed.store(true, Ordering::Release);
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
        info.client_info = Implementation::new("drawbridge", env!("CARGO_PKG_VERSION"));
        info
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed();
    }

    async fn on_prompt_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed();
    }
}
