//! An outside issuer: where its keys are, and keys that stay fresh while it rotates them or is down.

use std::{net::IpAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use drawbridge_core::{connector::Clock, file::OidcFile};
use reqwest::{Client, Url, redirect::Policy};
use serde_json::Value;
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::{
    Unidentified,
    bind::Signed,
    jwt::{self, Expected, Head, Key},
};

/// How long one question to the issuer may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The largest answer, in bytes.
const MOST_BYTES: usize = 512 << 10;
/// Between two looks at the issuer, whoever asks for them.
const LOOK_GAP: Duration = Duration::from_secs(10);
/// How old keys may be before they are fetched again.
const REFRESH: Duration = Duration::from_secs(15 * 60);
/// How old keys may be while the issuer is down. After that nobody is let in by them.
const FRESH_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// One issuer.
pub(super) struct Issuer {
    oidc: OidcFile,
    client: Client,
    clock: Arc<dyn Clock>,
    keys: ArcSwapOption<Fetched>,
    looking: Mutex<Looked>,
}

/// The issuer's keys, as they were once.
struct Fetched {
    keys: Vec<Key>,
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
        // A second call finds the provider installed, and that is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(TIMEOUT)
            .timeout(TIMEOUT)
            .user_agent(concat!("drawbridge/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self {
            oidc,
            client,
            clock,
            keys: ArcSwapOption::empty(),
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
        let mut fetched = self.current();
        if !fetched
            .as_ref()
            .is_some_and(|fetched| head.fits_one(&fetched.keys))
        {
            self.look(fetched.as_ref()).await;
            fetched = self.current();
        }
        let fetched = fetched.ok_or(Unidentified::Issuer)?;
        let claims = head
            .claims(token, &fetched.keys)
            .ok_or(Unidentified::Invalid)?;
        let expected = Expected {
            oidc: &self.oidc,
            audiences,
            now: self.clock.now(),
        };
        jwt::signed(&claims, &expected)
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
        let fetched = self.keys.load_full()?;
        (self.age(&fetched) < FRESH_FOR).then_some(fetched)
    }

    fn age(&self, fetched: &Fetched) -> Duration {
        self.clock.monotonic().saturating_sub(fetched.at)
    }

    /// Fetches the keys, unless somebody did so a moment ago. `seen` is what the caller has.
    async fn look(&self, seen: Option<&Arc<Fetched>>) {
        let mut looked = self.looking.lock().await;
        let now = self.clock.monotonic();
        let fetched = self.keys.load_full();
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
            Ok(keys) => {
                info!(issuer = %self.oidc.issuer, "fetched {} keys of the issuer", keys.len());
                looked.fault = None;
                self.keys.store(Some(Arc::new(Fetched { keys, at: now })));
            }
            Err(fault) => {
                warn!(issuer = %self.oidc.issuer, "cannot fetch the issuer's keys: {fault}");
                looked.fault = Some(fault);
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<Key>, String> {
        let metadata = self.discover().await?;
        let place = metadata
            .get("jwks_uri")
            .and_then(Value::as_str)
            .ok_or("its metadata has no `jwks_uri`")?;
        let keys = jwt::keys(&self.get(checked(place)?).await?);
        if keys.is_empty() {
            return Err(format!("{place} holds no key that can be used"));
        }
        Ok(keys)
    }

    async fn discover(&self) -> Result<Value, String> {
        let mut fault = String::new();
        for place in places(&self.oidc.issuer)? {
            match self.get(place).await {
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

    async fn get(&self, url: Url) -> Result<Value, String> {
        let shown = url.to_string();
        let wrong =
            |error: reqwest::Error| format!("{shown} does not answer: {}", error.without_url());
        let mut response = self.client.get(url).send().await.map_err(wrong)?;
        if !response.status().is_success() {
            return Err(format!("{shown} answers {}", response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(wrong)? {
            if body.len() + chunk.len() > MOST_BYTES {
                return Err(format!("{shown} answers with more than {MOST_BYTES} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|_| format!("{shown} does not answer with JSON"))
    }
}

/// Where an issuer's metadata may be: OpenID Connect Discovery, then RFC 8414.
fn places(issuer: &str) -> Result<Vec<Url>, String> {
    let base = checked(issuer)?;
    let path = base.path().trim_end_matches('/').to_owned();
    let at = |path: String| {
        let mut url = base.clone();
        url.set_path(&path);
        url
    };
    Ok(vec![
        at(format!("{path}/.well-known/openid-configuration")),
        at(format!("/.well-known/oauth-authorization-server{path}")),
    ])
}

/// A URL that may be asked: `https`, or a server on this machine.
fn checked(url: &str) -> Result<Url, String> {
    let parsed = Url::parse(url).map_err(|_| format!("`{url}` is no URL"))?;
    let host = parsed.host_str().unwrap_or_default();
    let here = host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    let good = parsed.scheme() == "https" || (parsed.scheme() == "http" && here);
    let bare = parsed.username().is_empty() && parsed.password().is_none();
    if good && bare {
        Ok(parsed)
    } else {
        Err(format!("`{url}` must be `https`, and hold no password"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_looked_for_in_both_places() {
        let found: Vec<String> = places("https://id.example/realms/acme")
            .unwrap()
            .into_iter()
            .map(Into::into)
            .collect();
        assert_eq!(
            found,
            [
                "https://id.example/realms/acme/.well-known/openid-configuration",
                "https://id.example/.well-known/oauth-authorization-server/realms/acme",
            ]
        );
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        for good in [
            "https://id.example",
            "http://127.0.0.1:9",
            "http://[::1]:9",
            "http://localhost",
        ] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for bad in [
            "http://id.example",
            "http://10.0.0.1",
            "ftp://localhost",
            "file:///etc/passwd",
            "https://me:secret@id.example",
            "localhost",
            "http://127.0.0.1.evil.example",
        ] {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }
}
