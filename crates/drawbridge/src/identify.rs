//! Who is asking: tokens of AI clients, tokens of an outside issuer, browsers that sign in by it, and the
//! command line of the one who keeps the workspace.

mod attempts;
mod bind;
mod jwt;
mod local;
mod oidc;
mod session;
mod sign_in;
mod token;

use std::{
    io,
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use drawbridge_core::{
    call::{Caller, Door, Person},
    connector::Clock,
    file::{GatewayFile, OidcFile},
    secret::Secret,
};
use http::{HeaderMap, header};
use tokio_util::sync::CancellationToken;

use crate::store::{Store, StoreError};

use attempts::Attempts;
pub(crate) use attempts::network;
use oidc::Issuer;
pub use session::{CONSOLE, LINK};
use sign_in::Flows;
pub(crate) use sign_in::is_path_here;
pub use sign_in::{SignInBegun, SignInError, SignedIn};
use token::Tokens;
pub use token::mint;
pub(crate) use token::person as spoken_for;

/// The client name of the command line. Only people's own clients may change the gateway.
pub const COMMAND_LINE: &str = "command-line";
/// With the local token: for whom the command line acts, if not the operator.
pub const PERSON_HEADER: &str = "drawbridge-person";
/// How often last uses are kept and the issuer's keys looked after.
const KEEP_EVERY: Duration = Duration::from_secs(5);
/// The longest token that is looked at, in bytes.
const MOST_TOKEN: usize = 16 << 10;

/// Tells callers apart.
pub struct Identify {
    store: Store,
    tokens: Tokens,
    local: Secret<String>,
    clock: Arc<dyn Clock>,
    /// The issuer of the `drawbridge.yaml` that was last in force.
    issuer: Mutex<Option<Arc<Issuer>>>,
    attempts: Attempts,
    flows: Flows,
}

/// Why nobody can tell who is asking.
#[derive(Debug, thiserror::Error)]
pub enum Unidentified {
    /// No token, and callers without one are not let in.
    #[error("a token is needed, sent as `Authorization: Bearer …`")]
    Missing,
    /// A token that is none, has ended or was ended.
    #[error("this token is not valid, has expired or was revoked")]
    Invalid,
    /// The command line, for somebody who is not under `people`.
    #[error("`{0}` is nobody under `people`")]
    Nobody(String),
    /// A token of an AI client, where a person's own is needed.
    #[error("this is the token of an AI client, not a person's own")]
    NotPersonal,
    /// A good token whose claims name somebody that `drawbridge.yaml` knows by itself.
    #[error("this sign-in claims a name that drawbridge.yaml gives to somebody itself")]
    Unbound,
    /// A good token that does not reach far enough.
    #[error("this token lacks a scope that drawbridge.yaml asks for")]
    Scope,
    /// The issuer's keys cannot be had.
    #[error("tokens of the organisation's sign-in cannot be checked at the moment")]
    Issuer,
    /// The store fails.
    #[error("tokens cannot be checked at the moment")]
    Store(#[from] StoreError),
}

impl Unidentified {
    /// What to do about it.
    #[must_use]
    pub fn mend(&self) -> &'static str {
        match self {
            Self::Missing => "sign in, or make a token with `drawbridge token new`",
            Self::Invalid => "sign in again, or make another with `drawbridge token new`",
            Self::Nobody(_) => "name somebody whom drawbridge.yaml lists under `people`",
            Self::Unbound => {
                "the gateway's owner writes your `sub` as `subject` beside that name under `people`"
            }
            Self::NotPersonal => "an owner makes one with `drawbridge token new --personal`",
            Self::Scope => "sign in again and grant the scopes that the challenge names",
            Self::Issuer | Self::Store(_) => "try again in a minute",
        }
    }
}

impl Identify {
    /// Keeps the local token in `state`, and makes it when there is none; `secret` is the gateway's own.
    ///
    /// # Errors
    /// When it can be neither read nor made.
    pub fn new(
        (state, secret): (&Path, &[u8]),
        store: Store,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let no_key = || io::Error::other("no key can be made");
        Ok(Self {
            tokens: Tokens::new(store.clone(), clock.clone()),
            store,
            local: local::open(state)?,
            issuer: Mutex::default(),
            attempts: Attempts::new(clock.clone()),
            flows: Flows::new(secret).ok_or_else(no_key)?,
            clock,
        })
    }

    /// The local token: whoever can read it holds the workspace itself.
    #[must_use]
    pub fn local(&self) -> &Secret<String> {
        &self.local
    }

    /// Who sends these headers.
    ///
    /// # Errors
    /// When nobody can tell. A wrong token is refused also where callers without one are let in.
    pub async fn caller(
        &self,
        headers: &HeaderMap,
        door: Door,
        gateway: &GatewayFile,
    ) -> Result<Caller, Unidentified> {
        self.caller_at((headers, ""), door, gateway).await
    }

    /// Who sends these headers to this path: a token may be made for the door of one connector.
    ///
    /// # Errors
    /// As [`Self::caller`].
    pub async fn caller_at(
        &self,
        (headers, path): (&HeaderMap, &str),
        door: Door,
        gateway: &GatewayFile,
    ) -> Result<Caller, Unidentified> {
        let Some(bearer) = bearer(headers)? else {
            if gateway.anonymous {
                let named = Named {
                    person: Person::anonymous(),
                    client: Person::ANONYMOUS.to_owned(),
                    token: None,
                };
                return Ok(named.through(door, headers));
            }
            return Err(Unidentified::Missing);
        };
        if bearer.starts_with(local::PREFIX) {
            let person = local::person(&self.local, bearer, headers, gateway)?;
            let client = COMMAND_LINE.to_owned();
            let named = Named {
                person,
                client,
                token: None,
            };
            return Ok(named.through(Door::Cli, headers));
        }
        let named = match bearer.starts_with(token::PREFIX) {
            true => self.tokens.named(bearer, gateway).await?,
            false => {
                let oidc = gateway.oidc.as_ref().ok_or(Unidentified::Invalid)?;
                let issuer = self.issuer(oidc)?;
                let audiences = audiences(gateway, (headers, path));
                let signed = issuer.signed(bearer, &audiences).await?;
                bind::bind(signed, gateway).inspect_err(|_| {
                    tracing::warn!("a token claims the name of somebody under `people`, whose `subject` is another");
                })?
            }
        };
        // Only a token of ours that was made for it is a person's own, and MCP is for AI clients.
        let own = named.token.is_some() && door == Door::Api;
        let reserved = named.client == COMMAND_LINE && !own || session::is_own(&named.client);
        if reserved || named.person.is_anonymous() {
            return Err(Unidentified::Invalid);
        }
        Ok(named.through(door, headers))
    }

    /// Whether the token a caller came with is still good.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn stands(&self, caller: &Caller) -> Result<bool, StoreError> {
        match &caller.token {
            Some(id) => self.tokens.is_good(id).await,
            None => Ok(true),
        }
    }

    /// Whether what a caller asked for still stands: not once their token was ended. Somebody who asked at
    /// the console asked in person, also where they have signed out since.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn asks_still(&self, caller: &Caller) -> Result<bool, StoreError> {
        match &caller.token {
            Some(id) if *caller.client == *CONSOLE => self.tokens.is_not_revoked(id).await,
            _ => self.stands(caller).await,
        }
    }

    /// Forgets remembered tokens: one of them may have been ended.
    pub fn forget(&self) {
        self.tokens.forget();
    }

    /// Keeps last uses every few seconds, and the issuer's keys fresh, until `stop`.
    pub async fn keep(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(KEEP_EVERY) => {}
            }
            self.tokens.keep_last_uses().await;
            self.tokens.forget_ended().await;
            let issuer = self
                .issuer
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            if let Some(issuer) = issuer {
                issuer.keep_fresh().await;
            }
        }
    }

    /// Keeps when tokens were last used.
    pub async fn close(&self) {
        self.tokens.keep_last_uses().await;
    }

    /// Why sign-in by the outside issuer does not work at the moment.
    ///
    /// # Errors
    /// The reason, for the operator.
    pub async fn ready(&self, gateway: &GatewayFile) -> Result<(), String> {
        let Some(oidc) = &gateway.oidc else {
            return Ok(());
        };
        let issuer = self.issuer(oidc).map_err(|error| error.to_string())?;
        issuer.ready().await
    }

    /// Makes a source that keeps sending wrong tokens wait, and nobody else.
    pub async fn slow_down(&self, source: IpAddr) {
        self.attempts.wait(source).await;
    }

    fn issuer(&self, oidc: &OidcFile) -> Result<Arc<Issuer>, Unidentified> {
        let mut issuer = self.issuer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(issuer) = issuer.as_ref().filter(|issuer| issuer.is_of(oidc)) {
            return Ok(issuer.clone());
        }
        let opened = Issuer::new(oidc.clone(), self.clock.clone()).map_err(|error| {
            tracing::error!("cannot make a client for the issuer: {error}");
            Unidentified::Issuer
        })?;
        let opened = Arc::new(opened);
        *issuer = Some(opened.clone());
        Ok(opened)
    }
}

/// A person and a client, before it is known by which door they came.
struct Named {
    person: Person,
    client: String,
    /// The id of the token, where this gateway made it.
    token: Option<Arc<str>>,
}

impl Named {
    fn through(self, door: Door, headers: &HeaderMap) -> Caller {
        Caller {
            person: Arc::new(self.person),
            client: Arc::from(self.client),
            task: None,
            token: self.token,
            door,
            trace: trace(headers).map(Arc::from),
        }
    }
}

/// The scheme, host and port under which this request's sender knows the gateway. The guard has
/// checked the `Host` header before.
#[must_use]
pub fn base(gateway: &GatewayFile, headers: &HeaderMap) -> String {
    if let Some(url) = &gateway.public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    format!("http://{}", host.unwrap_or(&gateway.address))
}

/// Whom a token must have been made for: the gateway, or the door it is sent to.
fn audiences(gateway: &GatewayFile, (headers, path): (&HeaderMap, &str)) -> Vec<String> {
    if let Some(audience) = gateway.oidc.as_ref().and_then(|oidc| oidc.audience.clone()) {
        return vec![audience];
    }
    let mut bases = vec![base(gateway, headers)];
    if gateway.public_url.is_none() {
        bases.push(format!("http://{}", gateway.address));
    }
    let of_one = path.starts_with("/mcp/").then_some(path);
    let paths = ["/mcp"].into_iter().chain(of_one);
    paths
        .flat_map(|path| bases.iter().map(move |base| format!("{base}{path}")))
        .collect()
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Unidentified> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Unidentified::Invalid);
    }
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .ok_or(Unidentified::Invalid)?;
    let token = token.trim();
    let good = scheme.eq_ignore_ascii_case("bearer")
        && !token.is_empty()
        && token.len() <= MOST_TOKEN
        && !token.contains([' ', ',']);
    good.then_some(Some(token)).ok_or(Unidentified::Invalid)
}

/// The trace id of a W3C `traceparent` header.
fn trace(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("traceparent")?.to_str().ok()?;
    let mut parts = value.split('-');
    let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length: usize| {
        text.len() == length
            && text
                .bytes()
                .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    };
    let good = hex(version, 2)
        && version != "ff"
        && hex(trace, 32)
        && trace.bytes().any(|digit| digit != b'0')
        && hex(span, 16);
    good.then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_only_whole_trace_ids() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let cases = [
            (format!("00-{id}-00f067aa0ba902b7-01"), true),
            (format!("ff-{id}-00f067aa0ba902b7-01"), false),
            (
                format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase()),
                false,
            ),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), false),
            (format!("00-{id}"), false),
            (String::new(), false),
        ];
        for (value, good) in cases {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", value.parse().unwrap());
            assert_eq!(trace(&headers).is_some(), good, "{value}");
        }
    }

    #[test]
    fn takes_one_bearer_token() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            bearer(&headers).map(|token| token.map(str::to_owned)).ok()
        };
        assert_eq!(read(&[]), Some(None));
        assert_eq!(read(&["Bearer abc"]), Some(Some("abc".to_owned())));
        assert_eq!(read(&["bearer abc"]), Some(Some("abc".to_owned())));
        for bad in [
            &["Basic abc"][..],
            &["Bearer"],
            &["Bearer "],
            &["abc"],
            &["Bearer a b"],
            &["Bearer a", "Bearer b"],
            &["Bearer a,b"],
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
