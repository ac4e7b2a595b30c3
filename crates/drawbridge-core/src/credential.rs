//! What proves a connector's identity to its target, and how one proof takes another's place.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    answer::{Failure, Status},
    secret::Secret,
};

/// What proves a connector's identity to its target.
///
/// Asked each time a connection is made, and never kept: a connection made after a rotation is made
/// with what is in force then. Where it comes from is the gateway's business.
///
/// A rotation costs no call when a kind connects by [`admitted`]. Connections that were let in stay
/// open; the next one is made with the newest version that the target lets in.
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

    /// The target let a version in, and wants more access for what was asked: what it says of that, as
    /// the value of `WWW-Authenticate`. It does not fail; the next [`Credential::versions`] knows of it.
    async fn lacking(&self, challenge: &str) {
        let _ = challenge;
    }

    /// Whether it may be taken back, or become another account's, at any moment: then it is asked for
    /// before each use of a connection, and not only when one is made.
    fn may_end(&self) -> bool {
        false
    }

    /// The same for one person's own account in the target. None where one account is for everyone.
    ///
    /// What is got by it is that person's alone: a connection that is made with it serves nobody else.
    fn of_person(&self, person: &str) -> Option<Arc<dyn Credential>> {
        let _ = person;
        None
    }
}

/// One secret of a credential. During a rotation two are in force.
#[derive(Debug, Clone)]
pub struct Version {
    /// What to call it: nothing of the secret can be learnt from it, so that it may stand in records.
    pub id: Arc<str>,
    /// The secret, exactly as it was given, of at most [`Version::MOST_BYTES`] bytes. It may hold
    /// line breaks and NUL.
    pub secret: Secret<String>,
}

impl Version {
    /// The longest secret, in bytes.
    pub const MOST_BYTES: usize = 64 << 10;
}

/// How a target took a secret.
pub enum Admission<T> {
    /// It let it in.
    LetIn(T),
    /// It refused this secret, as one that is wrong or no longer good.
    Refused(Failure),
    /// It could not be asked, or failed for another reason: no other secret would help.
    Failed(Failure),
}

/// Connects with the newest version that the target lets in, and tells the credential how the target
/// took each.
///
/// A target that switches from one version to another between two tries refuses both. Where that may
/// have been so, the versions are asked for and tried once more: a secret that is the only one, and
/// wrong, is tried once, so that no account is locked by it.
///
/// # Errors
/// Why the target let none in, or why there is none to try.
pub async fn admitted<T, Connecting: Future<Output = Admission<T>>>(
    credential: &dyn Credential,
    mut connect: impl FnMut(Secret<String>) -> Connecting,
) -> Result<T, Failure> {
    let mut versions = credential.versions().await?;
    let mut again = true;
    loop {
        let mut why = None;
        for version in &versions {
            match connect(version.secret.clone()).await {
                Admission::LetIn(connection) => {
                    credential.accepted(&version.id);
                    return Ok(connection);
                }
                Admission::Refused(failure) => {
                    credential.refused(&version.id);
                    why = Some(failure);
                }
                Admission::Failed(failure) => return Err(failure),
            }
        }
        let tried = std::mem::replace(&mut versions, credential.versions().await?);
        let same = versions
            .iter()
            .map(|one| &one.id)
            .eq(tried.iter().map(|one| &one.id));
        if !again || (same && versions.len() == 1) {
            return Err(why.unwrap_or_else(none));
        }
        again = false;
    }
}

fn none() -> Failure {
    Failure::new(Status::Unavailable, "there is no secret to connect with")
}
