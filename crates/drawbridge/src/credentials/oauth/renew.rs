//! Renewing a token: one at a time, on whichever gateway.

use std::{sync::Arc, time::Duration};

use drawbridge_core::{credential::Version, file::OauthFile};
use tokio::sync::Mutex;

use super::{OauthError, kept::Kept, limit};
use crate::{
    app::new_id,
    credentials::{CredentialError, Credentials},
    store::Holder,
};

/// How often it is looked whether another gateway has renewed it.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often it is tried to keep what was renewed, while the store fails.
const KEEP_TRIES: u32 = 20;
/// How long to wait between two of them.
const KEEP_EVERY: Duration = Duration::from_millis(250);

/// How long a server that gave no token is left alone.
const REST: Duration = Duration::from_secs(1);

/// Whose turn it is on this gateway, and how the last one failed, and when.
#[derive(Default)]
pub(super) struct Turn(Mutex<Option<(Duration, OauthError)>>);

impl Credentials {
    /// The token, once it is renewed by whoever's turn it is.
    pub(super) async fn renewed(
        self: Arc<Self>,
        holder: Holder,
        file: OauthFile,
    ) -> Result<Version, CredentialError> {
        let turn = self.oauth.turn(&holder);
        let asked = self.clock.monotonic();
        let mut failed = turn.0.lock().await;
        // Who waited for a try that failed does not try again at once.
        if let Some((_, why)) = failed.as_ref().filter(|(at, _)| *at + REST > asked) {
            return self.still_good(&holder, &file, why.clone()).await;
        }
        let renewed = self.renewed_in_turn(&holder, &file).await;
        *failed = match &renewed {
            Err(CredentialError::Oauth(why)) => Some((self.clock.monotonic(), why.clone())),
            Err(_) | Ok(_) => None,
        };
        match renewed {
            Err(CredentialError::Oauth(why)) => self.still_good(&holder, &file, why).await,
            other => other,
        }
    }

    /// The token that there is, where it could not be renewed and is good all the same.
    async fn still_good(
        &self,
        holder: &Holder,
        file: &OauthFile,
        why: OauthError,
    ) -> Result<Version, CredentialError> {
        let kept = self.kept(holder, file).await?;
        let refused = self.oauth.was_refused(holder, kept.revision);
        let good = kept.good(file, self.clock.now()).filter(|_| !refused);
        good.ok_or(CredentialError::Oauth(why))
    }

    async fn renewed_in_turn(
        &self,
        holder: &Holder,
        file: &OauthFile,
    ) -> Result<Version, CredentialError> {
        // As long as another gateway may take to find the server and to be given a token, and a moment to
        // keep it.
        let patience = limit(file) * 2 + KEEP_EVERY * KEEP_TRIES;
        let end = self.clock.monotonic() + patience;
        let own = new_id();
        let kept = loop {
            let kept = self.kept(holder, file).await?;
            if let Some(version) = self.usable(holder, file, &kept) {
                return Ok(version);
            }
            let now = self.clock.now();
            let until = now.checked_add(patience).unwrap_or(now);
            let which = (holder, kept.revision);
            if self.store.begin_renewal(which, &own, (now, until)).await? {
                break kept;
            }
            if self.clock.monotonic() > end {
                return Err(OauthError::Slow(patience).into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        let for_refusal = kept.fresh(file, self.clock.now()).is_some();
        let done = match self.obtained(holder, file, &kept).await {
            Ok(held) => self.replaced(holder, (file, &kept), held).await,
            Err(error) => Err(error),
        };
        if done.is_err() {
            // Another may try at once.
            if let Err(error) = self.store.give_up_renewal(holder, &own).await {
                tracing::warn!("cannot give up the turn to renew a token: {error}");
            }
        }
        if for_refusal && done.is_ok() {
            self.oauth
                .renewed_for_refusal(holder, self.clock.monotonic());
        }
        done
    }

    /// Keeps what was got, and only then gives it out. A store that fails is tried for a while: the token
    /// that was replaced is good no longer.
    async fn replaced(
        &self,
        holder: &Holder,
        (file, kept): (&OauthFile, &Kept),
        held: super::kept::Held,
    ) -> Result<Version, CredentialError> {
        let (mut tries, lacking) = (0, kept.dealt_with(file));
        loop {
            let kept_now = async {
                let new = self.sealed_grant(holder, &held).await?;
                Ok::<_, CredentialError>(
                    self.store
                        .end_renewal(&new, (kept.revision, &lacking))
                        .await?,
                )
            };
            match kept_now.await {
                // Where somebody connected anew meanwhile, theirs stands.
                Ok(_) => break,
                Err(error) if tries < KEEP_TRIES => {
                    tracing::warn!(
                        "cannot keep a token that was renewed, and tries again: {error}"
                    );
                    tries += 1;
                    tokio::time::sleep(KEEP_EVERY).await;
                }
                Err(error) => return Err(error),
            }
        }
        let now = self.kept(holder, file).await?;
        let good = now.good(file, self.clock.now());
        good.ok_or_else(|| super::tokens::none(holder, now.held.is_some()).into())
    }
}
