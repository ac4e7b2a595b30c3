//! What goes along with a question to a server, beside its own words.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use drawbridge_core::exchange::{Asking, Hears};
use rmcp::{
    model::{
        ClientCapabilities, ElicitationCapability, FormElicitationCapability, Implementation,
        RequestMetaObject, RootsCapabilities, SamplingCapability, UrlElicitationCapability,
    },
    service::PeerRequestOptions,
};

use super::{Asks, CALL_WITHIN};

/// Who asks.
pub(super) fn client() -> Implementation {
    Implementation::new("drawbridge", env!("CARGO_PKG_VERSION"))
}

/// What goes along with a question.
#[derive(Clone)]
pub(in super::super) struct Beside {
    /// What the server may ask of whoever asks it.
    pub(in super::super) takes: BTreeSet<Asking>,
    /// Where questions go that the server asks by requests of its own meanwhile.
    pub(in super::super) asks: Option<Asks>,
    /// Who hears how far it has come.
    pub(in super::super) hears: Option<Arc<dyn Hears>>,
    /// How long it may take, unless the file's `limits.timeout` ends it sooner.
    pub(in super::super) within: Duration,
}

impl Default for Beside {
    fn default() -> Self {
        Self {
            takes: BTreeSet::new(),
            asks: None,
            hears: None,
            within: CALL_WITHIN,
        }
    }
}

impl Beside {
    /// As the SDK takes it. Servers with a handshake were told then what they may ask of some callers; of
    /// this one, the call tells.
    pub(super) fn options(&self) -> PeerRequestOptions {
        let mut meta = RequestMetaObject::new();
        meta.set_client_capabilities(self.capabilities());
        PeerRequestOptions::with_timeout(self.within).with_meta(meta)
    }

    /// What the server may ask, as it is told.
    pub(super) fn capabilities(&self) -> ClientCapabilities {
        capabilities(&self.takes)
    }
}

/// What may be asked, as servers are told.
pub(super) fn capabilities(asked: &BTreeSet<Asking>) -> ClientCapabilities {
    let takes = |asking| asked.contains(&asking);
    let mut capabilities = ClientCapabilities::default();
    if takes(Asking::Form) || takes(Asking::Page) {
        let mut elicitation = ElicitationCapability::new();
        if takes(Asking::Form) {
            elicitation = elicitation.with_form(FormElicitationCapability::new());
        }
        if takes(Asking::Page) {
            elicitation = elicitation.with_url(UrlElicitationCapability::default());
        }
        capabilities.elicitation = Some(elicitation);
    }
    capabilities.sampling = takes(Asking::Sampling).then(SamplingCapability::default);
    capabilities.roots = takes(Asking::Roots).then(RootsCapabilities::default);
    capabilities
}
