//! Signing in at the console, and out.

use std::time::Duration;

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::Caller,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Effect, Prepared,
    roles::{at_console, is_owner, own_machine},
    store_down,
};
use crate::{
    app::App,
    connectors::Snapshot,
    identify::{CONSOLE, LINK, mint},
    store::Claims,
};

/// How long a session lasts, unless what it came of ends before.
const LASTS: Duration = Duration::from_secs(12 * 3_600);
/// How long a link can be followed.
const LINK_LASTS: Duration = Duration::from_secs(10 * 60);

/// A session that is to begin.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignIn {
    /// By what its person is known.
    pub how: How,
    /// Who made the link, where it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
    /// Who the organisation's sign-in says it is.
    #[serde(skip)]
    pub claims: Option<Claims>,
    /// The session that the same browser held until now, by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// How long it lasts at most; a default without.
    #[serde(skip)]
    pub lasts: Option<Duration>,
}

/// By what somebody is let in at the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// A link of the command line.
    Link,
    /// A token of their own.
    Token,
    /// The organisation's sign-in.
    Oidc,
}

impl SignIn {
    /// What people call the session, and what the log says of it.
    pub(super) fn words(&self) -> String {
        match (self.how, &self.made_by) {
            (How::Link, Some(maker)) => format!("by a link that {maker} made"),
            (How::Link, None) => "by a link".to_owned(),
            (How::Token, _) => "by a personal token".to_owned(),
            (How::Oidc, _) => "by the organisation's sign-in".to_owned(),
        }
    }
}

impl App {
    /// A link for oneself; an owner at the command line may make one for others.
    pub(super) fn sign_in_link(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        (person, base): (Option<&str>, &str),
    ) -> Prepared {
        own_machine(caller)?;
        let person = person.unwrap_or(&caller.person.id);
        if person != caller.person.id && !is_owner(snapshot, caller) {
            let told = "only an owner may make links for others";
            return Err(Failure::new(Status::Denied, told));
        }
        if snapshot.gateway.person(person).is_none() {
            return Err(Failure::invalid(format!(
                "`person`: `{person}` is nobody this gateway knows"
            )));
        }
        let now = self.clock.now();
        let maker = &caller.person.id;
        let expires = later(now, LINK_LASTS)?;
        let (token, shown) = mint((person, LINK, maker), now, Some(expires)).map_err(no_token)?;
        let data = json!({
            "person": person,
            "link": format!("{base}/sign-in?code={}", shown.expose()),
            "expires": expires,
        });
        let found = Found::new(data, String::new(), 1);
        Ok((found, Effect::Keep(Box::new(token))))
    }

    /// A session for who has just shown who they are. What they came with is the caller's token.
    pub(super) async fn sign_in(&self, caller: &Caller, wanted: &SignIn) -> Prepared {
        if !at_console(caller) {
            return Err(Failure::new(
                Status::Denied,
                "sessions begin at the console's own sign-in",
            ));
        }
        let now = self.clock.now();
        let mut expires = later(now, wanted.lasts.unwrap_or(LASTS))?;
        if let Some(id) = &caller.token {
            let parent = self.store.token(id).await.map_err(store_down)?;
            expires = parent
                .and_then(|parent| parent.expires)
                .map_or(expires, |end| end.min(expires));
        }
        let words = wanted.words();
        let called = (caller.person.id.as_str(), CONSOLE, words.as_str());
        let (mut token, shown) = mint(called, now, Some(expires)).map_err(no_token)?;
        token.claims = wanted.claims.clone();
        token.replaces = wanted.replaces.clone();
        token.parent = caller.token.as_deref().map(str::to_owned);
        let data = json!({"id": token.id, "session": shown.expose(), "expires": expires});
        let found = Found::new(data, String::new(), 1);
        Ok((found, Effect::Keep(Box::new(token))))
    }
}

/// Ends the session that the caller is in. What was decided in it stands.
pub(super) fn sign_out(caller: &Caller) -> Prepared {
    let session = caller.token.as_deref().filter(|_| at_console(caller));
    let session = session.ok_or_else(|| Failure::invalid("this is no session at the console"))?;
    let found = Found::new(json!({"signed_out": true}), String::new(), 1);
    Ok((found, Effect::Expire(session.to_owned())))
}

fn later(now: Timestamp, by: Duration) -> Result<Timestamp, Failure> {
    now.checked_add(by)
        .map_err(|_| Failure::new(Status::Failed, "the clock of this machine is wrong; set it"))
}

fn no_token(error: std::io::Error) -> Failure {
    Failure::new(Status::Failed, "no session can be made at the moment").with_source(error)
}
