//! What a caller may see: asked by a connector before it touches anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cedar_policy::Context;

use super::slice::Standing;

/// What the rules can know of a resource: its facets.
///
/// Many resources share one set of facets; a kind asks the view once for each distinct set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Resource(pub BTreeMap<&'static str, String>);

/// Identifies everything a view's answers depend on: person, groups, attributes, client, action,
/// the rules in force and, where a rule of resources reads them, the arguments. Equal fingerprints admit the
/// same resources, so it is safe to cache by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// What the caller may see. Only a decision makes one, and no connector is asked without one.
///
/// ```compile_fail
/// let view = drawbridge_core::decide::View { inner: todo!() };
/// ```
#[derive(Clone)]
pub struct View {
    inner: Arc<Inner>,
    /// The other actions of which a plan may show the answer; none where there are none.
    shows: Option<Arc<BTreeSet<String>>>,
}

/// A request that is whole but for the resource.
pub(super) struct Inner {
    pub(super) standing: Arc<Standing>,
    pub(super) context: Context,
    pub(super) fingerprint: Fingerprint,
}

impl View {
    pub(super) fn new(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
            shows: None,
        }
    }

    /// The same view, with what a plan may show beside.
    pub(super) fn showing(self, actions: BTreeSet<String>) -> Self {
        Self {
            shows: Some(Arc::new(actions)),
            ..self
        }
    }

    /// Whether a plan may show its caller what this other action answers, of those that its kind names in
    /// [`Kind::shows`](crate::connector::Kind::shows): whether they may ask for it themselves, whatever
    /// the arguments are.
    #[must_use]
    pub fn shows(&self, action: &str) -> bool {
        let shows = self.shows.as_ref();
        shows.is_some_and(|actions| actions.contains(action))
    }

    /// Whether the caller may see a resource with these facets. A resource without a known label,
    /// and any error in a rule, deny.
    #[must_use]
    pub fn admits(&self, resource: &Resource) -> bool {
        self.inner.admits(resource).unwrap_or(false)
    }

    /// What the answers of [`View::admits`] depend on.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.inner.fingerprint
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "View({})", self.inner.standing.principal)
    }
}

impl Inner {
    fn admits(&self, resource: &Resource) -> Option<bool> {
        self.standing.admits(resource, &self.context)
    }
}
