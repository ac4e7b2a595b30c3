//! An outside issuer: where its keys are, and keys that stay fresh while it rotates them or is down.

mod ask;
mod code;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use drawbridge_core::{connector::Clock, file::OidcFile};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::{
    Unidentified,
    bind::Signed,
    jwt::{self, Expected, Head, Key},
};
use ask::{Ask, checked, places};
use code::Endpoints;
pub(super) use code::Flow;

/// Between two looks at the issuer, whoever asks for them.
const LOOK_GAP: Duration = Duration::from_secs(10);
/// How old keys may be before they are fetched again.
const REFRESH: Duration = Duration::from_secs(15 * 60);
/// How old keys may be while the issuer is down. After that nobody is let in by them.
const FRESH_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// One issuer.
pub(super) struct Issuer {
    oidc: OidcFile,
    ask: Ask,
    clock: Arc<dyn Clock>,
    fetched: ArcSwapOption<Fetched>,
    looking: Mutex<Looked>,
}

/// What the issuer says of itself, as it was once.
struct Fetched {
    keys: Vec<Key>,
    endpoints: Endpoints,
    /// By the clock that never goes back.
    at: Duration,
}

/// The last look at the issuer.
#[derive(Default)]
struct Looked {
    at: Option<Duration>,
    fault: Option<String>,
}

impl Issuer {
    pub(super) fn new(oidc: OidcFile, clock: Arc<dyn Clock>) -> reqwest::Result<Self> {
        Ok(Self {
            oidc,
            ask: Ask::new()?,
            clock,
            fetched: ArcSwapOption::empty(),
            looking: Mutex::default(),
        })
    }

    pub(super) fn is_of(&self, oidc: &OidcFile) -> bool {
        self.oidc == *oidc
    }

    /// What this token says, if the issuer signed it for one of these audiences.
    pub(super) async fn signed(
        &self,
        token: &str,
        audiences: &[String],
    ) -> Result<Signed, Unidentified> {
        let head = Head::read(token).ok_or(Unidentified::Invalid)?;
        let claims = self.claims(&head, token).await?;
        let expected = Expected {
            oidc: &self.oidc,
            audiences,
            now: self.clock.now(),
        };
        jwt::signed(&claims, &expected)
    }

    /// What a token says that one of the issuer's keys signed.
    async fn claims(&self, head: &Head, token: &str) -> Result<Map<String, Value>, Unidentified> {
        let mut fetched = self.current();
        if !fetched
            .as_ref()
            .is_some_and(|fetched| head.fits_one(&fetched.keys))
        {
            self.look(fetched.as_ref()).await;
            fetched = self.current();
        }
        let fetched = fetched.ok_or(Unidentified::Issuer)?;
        head.claims(token, &fetched.keys)
            .ok_or(Unidentified::Invalid)
    }

    /// Fetches keys that have grown old.
    pub(super) async fn keep_fresh(&self) {
        let fetched = self.current();
        let old = |fetched: &Arc<Fetched>| self.age(fetched) >= REFRESH;
        if fetched.as_ref().is_none_or(old) {
            self.look(fetched.as_ref()).await;
        }
    }

    /// Whether tokens can be checked.
    pub(super) async fn ready(&self) -> Result<(), String> {
        if self.current().is_none() {
            self.look(None).await;
        }
        if self.current().is_some() {
            return Ok(());
        }
        let looked = self.looking.lock().await;
        let fault = looked.fault.as_deref().unwrap_or("no answer yet");
        Err(format!("no keys of {}: {fault}", self.oidc.issuer))
    }

    /// The keys that may be used at this moment.
    fn current(&self) -> Option<Arc<Fetched>> {
        let fetched = self.fetched.load_full()?;
        (self.age(&fetched) < FRESH_FOR).then_some(fetched)
    }

    fn age(&self, fetched: &Fetched) -> Duration {
        self.clock.monotonic().saturating_sub(fetched.at)
    }

    /// Fetches the keys, unless somebody did so a moment ago. `seen` is what the caller has.
    async fn look(&self, seen: Option<&Arc<Fetched>>) {
        let mut looked = self.looking.lock().await;
        let now = self.clock.monotonic();
        let fetched = self.fetched.load_full();
        let newer = match (&fetched, seen) {
            (Some(fetched), Some(seen)) => !Arc::ptr_eq(fetched, seen),
            (Some(fetched), None) => self.age(fetched) < FRESH_FOR,
            (None, _) => false,
        };
        let lately = looked
            .at
            .is_some_and(|at| now.saturating_sub(at) < LOOK_GAP);
        if newer || lately {
            return;
        }
        looked.at = Some(now);
        match self.fetch().await {
            Ok((keys, endpoints)) => {
                info!(issuer = %self.oidc.issuer, "fetched {} keys of the issuer", keys.len());
                looked.fault = None;
                let fetched = Fetched {
                    keys,
                    endpoints,
                    at: now,
                };
                self.fetched.store(Some(Arc::new(fetched)));
            }
            Err(fault) => {
                warn!(issuer = %self.oidc.issuer, "cannot fetch the issuer's keys: {fault}");
                looked.fault = Some(fault);
            }
        }
    }

    async fn fetch(&self) -> Result<(Vec<Key>, Endpoints), String> {
        let metadata = self.discover().await?;
        let place = metadata
            .get("jwks_uri")
            .and_then(Value::as_str)
            .ok_or("its metadata has no `jwks_uri`")?;
        let keys = jwt::keys(&self.ask.json(checked(place)?).await?);
        if keys.is_empty() {
            return Err(format!("{place} holds no key that can be used"));
        }
        Ok((keys, Endpoints::read(&metadata)))
    }

    async fn discover(&self) -> Result<Value, String> {
        let mut fault = String::new();
        for place in places(&self.oidc.issuer)? {
            match self.ask.json(place).await {
                Ok(metadata) => {
                    let issuer = metadata.get("issuer").and_then(Value::as_str);
                    if issuer != Some(self.oidc.issuer.as_str()) {
                        return Err(format!(
                            "its metadata names the issuer {issuer:?}; write that in drawbridge.yaml if it is right"
                        ));
                    }
                    return Ok(metadata);
                }
                Err(found) => fault = found,
            }
        }
        Err(fault)
    }
}
