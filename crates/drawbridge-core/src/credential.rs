//! What proves a connector's identity to its target, and how one proof takes another's place.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{answer::Failure, secret::Secret};

/// What proves a connector's identity to its target.
///
/// Asked each time a connection is made, and never kept: a connection made after a rotation is made
/// with what is in force then. Where it comes from is the gateway's business.
///
/// A rotation costs no call when a kind works like this: it tries the versions in their order until
/// the target lets one in, tells of each how the target took it, and fails only when the target let
/// none in. Connections that were let in stay open; the next one is made with the newest version.
#[async_trait]
pub trait Credential: Send + Sync {
    /// Every version in force at this moment, the newest first. Never empty.
    ///
    /// # Errors
    /// [`crate::answer::Status::Unavailable`] when there is none, or the place it is kept at does
    /// not give it out in time. The message holds nothing of what that place says.
    async fn versions(&self) -> Result<Vec<Version>, Failure>;

    /// The target let this version in: its last use, and what lets an older one be retired.
    /// It neither waits nor fails.
    fn accepted(&self, version: &str);

    /// The target refused this version. Only for a refusal of the secret itself: a target that
    /// cannot be reached refused nothing. It neither waits nor fails.
    fn refused(&self, version: &str);
}

/// One secret of a credential. During a rotation two are in force.
#[derive(Debug, Clone)]
pub struct Version {
    /// What to call it: never made from the secret, so that it may stand in records.
    pub id: Arc<str>,
    /// The secret, exactly as it was given, of at most [`Version::MOST_BYTES`] bytes. It may hold
    /// line breaks and NUL.
    pub secret: Secret<String>,
}

impl Version {
    /// The longest secret, in bytes.
    pub const MOST_BYTES: usize = 64 << 10;
}
