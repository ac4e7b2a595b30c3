//! People at the console: the link that lets somebody in once, and the session that a cookie carries.

use std::sync::Arc;

use drawbridge_core::{
    call::{Caller, Door, Person},
    file::GatewayFile,
};
use http::HeaderMap;

use super::{COMMAND_LINE, Identify, Named, Unidentified};
pub use crate::store::{CONSOLE, LINK};

/// Whether only the gateway itself gives this name to a client.
pub(super) fn is_own(client: &str) -> bool {
    matches!(client, CONSOLE | LINK)
}

impl Identify {
    /// Whose session this is.
    ///
    /// # Errors
    /// When it has ended, or its person is nobody any more.
    pub async fn visitor(
        &self,
        session: &str,
        headers: &HeaderMap,
        gateway: &GatewayFile,
    ) -> Result<Caller, Unidentified> {
        let named = self.tokens.named(session, gateway).await?;
        if named.client != CONSOLE {
            return Err(Unidentified::Invalid);
        }
        Ok(named.through(Door::Console, headers))
    }

    /// Whom a one-time link lets in, and who made it. It is used up.
    ///
    /// # Errors
    /// When it was used before, or its time has passed.
    pub async fn by_link(
        &self,
        code: &str,
        gateway: &GatewayFile,
    ) -> Result<(Caller, String), Unidentified> {
        let (person, maker) = self.tokens.once(code, (LINK, gateway)).await?;
        Ok((arriving(person, None), maker))
    }

    /// Whom a personal token lets in, and until when.
    ///
    /// # Errors
    /// When it is none, or no person's own.
    pub async fn by_token(
        &self,
        token: &str,
        gateway: &GatewayFile,
    ) -> Result<Caller, Unidentified> {
        let Named {
            person,
            client,
            token,
        } = self.tokens.named(token.trim(), gateway).await?;
        if client != COMMAND_LINE {
            return Err(Unidentified::NotPersonal);
        }
        Ok(arriving(person, token))
    }
}

/// Somebody who is about to sign in; `token` is what they came with.
pub(super) fn arriving(person: Person, token: Option<Arc<str>>) -> Caller {
    Caller {
        person: Arc::new(person),
        client: CONSOLE.into(),
        task: None,
        token,
        door: Door::Console,
        trace: None,
    }
}
