//! What a caller may see: asked by a connector before it touches anything.

use std::{collections::BTreeMap, sync::Arc};

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
        }
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
