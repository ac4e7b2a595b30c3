//! A browser signs in to the console by the organisation's issuer: where it is sent, what it keeps
//! meanwhile, and who it is when it comes back.
//!
//! INVARIANT: who comes back is signed in only in the browser that was sent, once, and within ten
//! minutes: what proves that is sealed, and kept by that browser.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use drawbridge_core::{
    call::{Caller, Person},
    file::{ConsoleFile, GatewayFile, OidcFile},
    secret::Secret,
};
use jiff::Timestamp;
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::{Identify, Unidentified, bind, oidc::Flow, session::arriving};
use crate::{
    credentials::{Credentials, word},
    keys::{self, cipher::Cipher},
    store::Claims,
};

/// How long somebody may take to sign in.
const WITHIN: Duration = Duration::from_secs(600);
/// The longest path to go on to, in bytes: it travels in a cookie.
const LONGEST_PATH: usize = 1_024;
/// The longest of what an issuer sends back, in bytes.
const LONGEST_QUERY: usize = 16 << 10;
/// What is sealed is bound to this.
const BOUND: &[u8] = b"sign-in";

/// Why nobody is signed in. It says nothing that an issuer said but words of the standard.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// `drawbridge.yaml` has no `oidc.console`.
    #[error("nobody signs in to this gateway by the organisation's sign-in")]
    Off,
    /// The page to go on to, or to come back to, is not one of this gateway.
    #[error("the page to go on to is not one of this gateway")]
    Elsewhere,
    /// Another browser, another sign-in, used already, or too late.
    #[error(
        "this sign-in was not begun in this browser, was used already, or took longer than ten minutes"
    )]
    NotBegun,
    /// What came back is of another issuer.
    #[error("the answer does not come from the organisation's sign-in")]
    OtherIssuer,
    /// The issuer refuses, with a word of the standard where it says one.
    #[error("the organisation's sign-in refuses it (`{}`)", .0.unwrap_or("no reason"))]
    Refused(Option<&'static str>),
    /// The issuer does not know the gateway as its client, or not by its secret.
    #[error(
        "the organisation's sign-in does not take this gateway for the client that it says it is"
    )]
    Client,
    /// The client's secret cannot be had.
    #[error("the secret of the client cannot be had: {0}")]
    ClientSecret(String),
    /// The issuer does not answer.
    #[error("the organisation's sign-in does not answer")]
    Unreachable,
    /// The issuer does not do what the standard asks of it.
    #[error("the organisation's sign-in does not answer as OpenID Connect with PKCE says")]
    Form,
    /// An ID token that is not for this sign-in, too old, or not the issuer's.
    #[error("the ID token of the organisation's sign-in is not valid")]
    Token,
    /// A good ID token without the claim that `drawbridge.yaml` asks for.
    #[error("the organisation's sign-in does not say who you are by the claim `{0}`")]
    Unnamed(String),
    /// A good ID token of somebody who is nobody here.
    #[error("{0}")]
    Unidentified(#[from] Unidentified),
    /// The system has no randomness.
    #[error("the sign-in cannot be sealed: the system has no randomness")]
    NotSealed,
}

impl SignInError {
    /// What to do about it.
    #[must_use]
    pub fn mend(&self) -> &'static str {
        match self {
            Self::Off => "ask the gateway's owner for `oidc: {console: …}` in drawbridge.yaml",
            Self::Elsewhere => "open the console from its start, and sign in there",
            Self::NotBegun => "sign in again, in one browser",
            Self::OtherIssuer => {
                "do not go on if nobody changed the sign-in; tell the gateway's owner"
            }
            Self::Refused(_) => "sign in again, or ask who runs the organisation's sign-in",
            Self::Client => {
                "the gateway's owner checks `oidc.console.client_id`, and sets the secret of the client anew"
            }
            Self::ClientSecret(_) => "the gateway's owner mends it; then sign in again",
            Self::Unreachable | Self::NotSealed => "try again in a minute",
            Self::Form => {
                "the gateway's owner looks into the gateway's own messages, and asks who runs the sign-in"
            }
            Self::Token => {
                "sign in again; if it stays so, the gateway's owner checks the clocks and `oidc`"
            }
            Self::Unnamed(claim) if claim == "email" => {
                "have your address confirmed there: it counts only beside `email_verified: true`"
            }
            Self::Unnamed(_) => {
                "whoever runs the sign-in puts the claim into ID tokens, or `oidc.claims.person` names another"
            }
            Self::Unidentified(why) => why.mend(),
        }
    }
}

/// Seals what browsers keep on their way.
pub(super) struct Flows {
    cipher: Cipher,
}

/// A sign-in that a browser is to begin.
#[derive(Debug)]
pub struct SignInBegun {
    /// Where the browser is sent.
    pub address: String,
    /// What only this browser keeps until it comes back.
    pub kept: Secret<String>,
    /// How long it keeps it.
    pub within: Duration,
}

/// Who signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// The person, with what `drawbridge.yaml` says of them and what the sign-in says.
    pub person: Person,
    /// The same with no more than the sign-in says.
    pub claims: Claims,
    /// The page to go on to: a path on this gateway.
    pub to: String,
    /// How long they stay signed in.
    pub session: Duration,
}

/// What a browser keeps.
#[derive(Serialize, Deserialize)]
struct Kept {
    until: Timestamp,
    issuer: String,
    client: String,
    to: String,
    flow: Flow,
}

/// What an issuer sends back.
#[derive(Default)]
struct CameBack {
    code: Option<String>,
    state: Option<String>,
    issuer: Option<String>,
    error: Option<String>,
}

impl Flows {
    /// With a key from the gateway's secret; none when no key can be made.
    pub(super) fn new(secret: &[u8]) -> Option<Self> {
        Some(Self {
            cipher: Cipher::derived(secret, "sign-in")?,
        })
    }

    fn seal(&self, kept: &Kept) -> Option<String> {
        let content = serde_json::to_vec(kept).ok()?;
        let sealed = self.cipher.seal(BOUND, content)?;
        Some(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What this browser kept, for the sign-in of this state and in time; and the mark by which it is
    /// known that it came back.
    fn opened(&self, text: &str, state: &str, now: Timestamp) -> Option<(Kept, String)> {
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let content = self.cipher.open(BOUND, &sealed)?;
        let kept: Kept = serde_json::from_slice(&content).ok()?;
        verify_slices_are_equal(kept.flow.state.as_bytes(), state.as_bytes()).ok()?;
        let mark = hex::encode(Cipher::mark(&sealed)?);
        (now < kept.until).then_some((kept, mark))
    }
}

impl Identify {
    /// Sends a browser to the organisation's sign-in, to come back to the address `back` and go on to
    /// the path `to`.
    ///
    /// # Errors
    /// When the file has no such sign-in, `to` is no path of this gateway, or the issuer is down.
    pub async fn begin_sign_in(
        &self,
        gateway: &GatewayFile,
        (to, back): (&str, &str),
    ) -> Result<SignInBegun, SignInError> {
        let (oidc, console) = console(gateway)?;
        if !is_path_here(to) {
            return Err(SignInError::Elsewhere);
        }
        let flow = Flow {
            state: random()?,
            nonce: random()?,
            verifier: random()?,
            back: back.to_owned(),
        };
        let address = self.issuer(oidc)?.address(console, &flow).await?;
        let now = self.clock.now();
        let kept = self.flows.seal(&Kept {
            until: now.checked_add(WITHIN).unwrap_or(now),
            issuer: oidc.issuer.clone(),
            client: console.client_id.clone(),
            to: to.to_owned(),
            flow,
        });
        Ok(SignInBegun {
            address,
            kept: Secret::new(kept.ok_or(SignInError::NotSealed)?),
            within: WITHIN,
        })
    }

    /// Who came back with this query, in a browser that kept this.
    ///
    /// # Errors
    /// When it is not a browser that was sent, the issuer refuses, or what it says cannot be believed.
    pub async fn end_sign_in(
        &self,
        gateway: &GatewayFile,
        (query, kept): (&str, &Secret<String>),
        credentials: &Arc<Credentials>,
    ) -> Result<SignedIn, SignInError> {
        let (oidc, console) = console(gateway)?;
        let came_back = CameBack::read(query).ok_or(SignInError::NotBegun)?;
        let state = came_back.state.as_deref().ok_or(SignInError::NotBegun)?;
        let opened = self.flows.opened(kept.expose(), state, self.clock.now());
        let (kept, mark) = opened.ok_or(SignInError::NotBegun)?;
        // Once, and before anything is asked of the issuer. Where the store cannot say, nobody is let in.
        let first = self.store.end_sign_in(&mark, kept.until).await;
        if !first.map_err(Unidentified::Store)? {
            return Err(SignInError::NotBegun);
        }
        // The file may have become another meanwhile.
        if (&kept.issuer, &kept.client) != (&oidc.issuer, &console.client_id) {
            return Err(SignInError::NotBegun);
        }
        let issuer = self.issuer(oidc)?;
        issuer.sent(came_back.issuer.as_deref()).await?;
        if let Some(error) = &came_back.error {
            return Err(SignInError::Refused(word(error)));
        }
        let code = came_back.code.as_deref().ok_or(SignInError::NotBegun)?;
        let secret = console.client_secret.as_ref();
        let secret = secret.map(|name| credentials.lend(name));
        let signed = issuer
            .signed_in(console, (&kept.flow, code), secret.as_deref())
            .await?;
        let mut claimed = signed.named.person.clone();
        let person = bind::bind(signed, gateway)?.person;
        if person.is_anonymous() {
            return Err(Unidentified::Invalid.into());
        }
        claimed.id.clone_from(&person.id);
        let claims = Claims {
            listed: gateway.people.contains_key(&person.id),
            person: claimed,
        };
        Ok(SignedIn {
            person,
            claims,
            to: kept.to,
            session: console.session.duration(),
        })
    }
}

impl SignedIn {
    /// This person, about to begin a session.
    #[must_use]
    pub fn caller(&self) -> Caller {
        arriving(self.person.clone(), None)
    }
}

impl CameBack {
    /// What stands twice could be read in two ways, and is not read.
    fn read(query: &str) -> Option<Self> {
        if query.len() > LONGEST_QUERY {
            return None;
        }
        let url = Url::parse(&format!("back:?{query}")).ok()?;
        let mut read = Self::default();
        for (name, value) in url.query_pairs() {
            let place = match &*name {
                "code" => &mut read.code,
                "state" => &mut read.state,
                "iss" => &mut read.issuer,
                "error" => &mut read.error,
                _ => continue,
            };
            if place.replace(value.into_owned()).is_some() {
                return None;
            }
        }
        Some(read)
    }
}

fn console(gateway: &GatewayFile) -> Result<(&OidcFile, &ConsoleFile), SignInError> {
    let oidc = gateway.oidc.as_ref().ok_or(SignInError::Off)?;
    let console = oidc.console.as_ref().ok_or(SignInError::Off)?;
    Ok((oidc, console))
}

/// Whether a browser that is sent to this from the gateway stays at the gateway. Browsers take `\` for
/// `/`, and leave some control characters out.
pub(crate) fn is_path_here(to: &str) -> bool {
    to.len() <= LONGEST_PATH
        && to.starts_with('/')
        && !to.starts_with("//")
        && to
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

fn random() -> Result<String, SignInError> {
    let random = keys::random().map_err(|_| SignInError::NotSealed)?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_to_go_on_to_is_a_path_here() {
        for good in ["/", "/approvals/7?of=all#top", "/a//b", "/%2f/x"] {
            assert!(is_path_here(good), "{good}");
        }
        let long = format!("/{}", "x".repeat(LONGEST_PATH));
        for bad in [
            "",
            "x",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "/\t/evil.example",
            "/a\r\nSet-Cookie: x=y",
            "/ü",
            "/a b",
            "javascript:alert(1)",
            &long,
        ] {
            assert!(!is_path_here(bad), "{bad:?}");
        }
    }

    #[test]
    fn what_a_browser_keeps_is_good_for_its_state_and_in_time() {
        let flows = Flows::new(b"secret").unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let seal = || {
            let flow = |text: &str| text.to_owned();
            let sealed = flows.seal(&Kept {
                until: now.checked_add(WITHIN).unwrap(),
                issuer: String::new(),
                client: String::new(),
                to: "/".to_owned(),
                flow: Flow {
                    state: flow("state"),
                    nonce: flow("nonce"),
                    verifier: flow("canary"),
                    back: String::new(),
                },
            });
            sealed.unwrap()
        };
        let ends = |text: &str, state: &str, now| flows.opened(text, state, now).is_some();
        let kept = seal();
        let bytes = URL_SAFE_NO_PAD.decode(&kept).unwrap();
        assert!(!bytes.windows(6).any(|part| part == b"canary"));
        assert!(!ends(&kept, "another", now) && !ends(&kept, "", now));
        assert!(!ends(&kept[1..], "state", now) && !ends("", "state", now));
        let other = Flows::new(b"another").unwrap();
        assert!(other.opened(&kept, "state", now).is_none());
        let marked = |text: &str| flows.opened(text, "state", now).map(|(_, mark)| mark);
        assert!(marked(&kept).is_some() && marked(&kept) == marked(&kept));
        assert_ne!(marked(&kept), marked(&seal()), "each has its own mark");
        let late = now.checked_add(WITHIN).unwrap();
        assert!(!ends(&seal(), "state", late), "too late");
    }

    #[test]
    fn what_stands_twice_in_an_answer_is_not_read() {
        let read =
            CameBack::read("code=a%26b&state=s&iss=https%3A%2F%2Fid.example&x=1&x=2").unwrap();
        assert_eq!(read.code.as_deref(), Some("a&b"));
        assert_eq!(read.issuer.as_deref(), Some("https://id.example"));
        for name in ["code", "state", "iss", "error"] {
            assert!(
                CameBack::read(&format!("{name}=a&{name}=b")).is_none(),
                "{name}"
            );
        }
        assert!(CameBack::read(&format!("code={}", "x".repeat(LONGEST_QUERY))).is_none());
    }
}
