//! What files say, understood once: one that is unchanged is not read again because of another.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use drawbridge_core::{
    connector::Kind,
    file::{ConnectorFile, FileErrors, GatewayFile, Reader},
};

use crate::{
    store::{Review, Store, StoreError},
    workspace::Text,
};

/// A file that is in order, and its kind.
pub(super) type Read = (Arc<ConnectorFile>, &'static dyn Kind);

/// The texts that are understood, from one reload to the next.
pub(super) struct Readings {
    reader: Reader,
    gateway: Arc<GatewayFile>,
    /// By connector and hash.
    known: HashMap<(String, String), Known>,
    /// Which reload this is.
    round: u64,
    /// Who reviewed each connector last, as of this reload.
    reviews: BTreeMap<String, Review>,
}

struct Known {
    read: Result<Read, FileErrors>,
    /// Whether the store has the text.
    kept: bool,
    /// The last reload that needed it.
    round: u64,
}

impl Readings {
    pub(super) fn new(kinds: &[&'static dyn Kind], gateway: Arc<GatewayFile>) -> Self {
        Self {
            reader: Reader::new(kinds),
            gateway,
            known: HashMap::new(),
            round: 0,
            reviews: BTreeMap::new(),
        }
    }

    /// Begins a reload. What a file says hangs on `drawbridge.yaml` too.
    pub(super) fn begin(&mut self, gateway: &Arc<GatewayFile>, reviews: BTreeMap<String, Review>) {
        if !Arc::ptr_eq(&self.gateway, gateway) {
            self.gateway = gateway.clone();
            self.known.clear();
        }
        self.reviews = reviews;
        self.round += 1;
    }

    /// Forgets what the reload did not need.
    pub(super) fn end(&mut self) {
        let round = self.round;
        self.known.retain(|_, known| known.round == round);
    }

    /// What `drawbridge.yaml` says.
    pub(super) fn gateway(&self) -> &GatewayFile {
        &self.gateway
    }

    /// Who reviewed a connector last.
    pub(super) fn review(&self, name: &str) -> Option<Review> {
        self.reviews.get(name).cloned()
    }

    /// What a text says, where it was read already.
    pub(super) fn known(&mut self, name: &str, hash: &str) -> Option<Result<Read, FileErrors>> {
        let known = self.known.get_mut(&(name.to_owned(), hash.to_owned()))?;
        known.round = self.round;
        Some(known.read.clone())
    }

    /// What a text says.
    pub(super) fn read(&mut self, name: &str, text: &Text) -> Result<Read, FileErrors> {
        if let Some(known) = self.known(name, &text.hash) {
            return known;
        }
        let read = self
            .reader
            .read((&text.name, name), &text.text, &self.gateway)
            .map(|(file, kind)| (Arc::new(file), kind));
        let known = Known {
            read: read.clone(),
            kept: false,
            round: self.round,
        };
        self.known
            .insert((name.to_owned(), text.hash.clone()), known);
        read
    }

    /// Keeps a text in the store, once.
    pub(super) async fn keep(
        &mut self,
        (name, text): (&str, &Text),
        (store, now): (&Store, jiff::Timestamp),
    ) -> Result<(), StoreError> {
        let known = self.known.get_mut(&(name.to_owned(), text.hash.clone()));
        let Some(known) = known.filter(|known| !known.kept) else {
            return Ok(());
        };
        store
            .put_revision((name, &text.hash), &text.text, now)
            .await?;
        known.kept = true;
        Ok(())
    }
}
