//! Making, listing and ending tokens.

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::Caller,
    file::Span,
};
use serde_json::json;

use super::{
    Effect, Prepared,
    roles::{is_owner, own_client, own_machine, signed_in},
    store_down,
};
use crate::{
    app::App,
    connectors::Snapshot,
    identify::{COMMAND_LINE, CONSOLE, LINK, mint},
};

impl App {
    pub(super) async fn tokens_found(&self, snapshot: &Snapshot, caller: &Caller) -> Prepared {
        let own = (!is_owner(snapshot, caller)).then_some(caller.person.id.as_str());
        let mut tokens = self.store.tokens(own).await.map_err(store_down)?;
        tokens.retain(|token| token.client != LINK);
        let count = tokens.len() as u64;
        let found = Found::new(json!({"tokens": tokens}), String::new(), count);
        Ok((found, Effect::Nothing))
    }

    pub(super) async fn revoke(&self, snapshot: &Snapshot, caller: &Caller, id: &str) -> Prepared {
        own_client(caller)?;
        let token = self.store.token(id).await.map_err(store_down)?;
        let mine = token
            .is_some_and(|token| is_owner(snapshot, caller) || token.person == caller.person.id);
        if !mine {
            return Err(Failure::not_found("there is no such token of yours"));
        }
        let found = Found::new(json!({"id": id, "revoked": true}), String::new(), 1);
        Ok((found, Effect::Revoke(id.to_owned())))
    }

    pub(super) fn new_token(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        ((person, client, name), personal): ((Option<&str>, &str, &str), bool),
        expires_in: Option<Span>,
    ) -> Prepared {
        let person = person.unwrap_or(&caller.person.id);
        signed_in(caller)?;
        if personal || person != caller.person.id {
            // Whoever makes what another decides with could decide in their place.
            own_machine(caller)?;
        }
        if person != caller.person.id && !is_owner(snapshot, caller) {
            return Err(Failure::new(
                Status::Denied,
                "only an owner may make tokens for others",
            ));
        }
        if snapshot.gateway.person(person).is_none() {
            return Err(Failure::invalid(format!(
                "`person`: `{person}` is nobody this gateway knows"
            )));
        }
        let reserved = [CONSOLE, LINK].contains(&client);
        if (client == COMMAND_LINE) != personal || client.is_empty() || reserved {
            return Err(Failure::invalid(
                "`client`: name the AI application the token is for; or write `personal: true`, and no \
                 client, for a person's own",
            ));
        }
        let now = self.clock.now();
        let expires = expires_in
            .map(|span| now.checked_add(span.duration()))
            .transpose();
        let expires = expires.map_err(|_| Failure::invalid("`expires_in`: that is too long"))?;
        let (token, shown) = mint((person, client, name), now, expires).map_err(|error| {
            Failure::new(Status::Failed, "no token can be made at the moment").with_source(error)
        })?;
        let data = json!({"id": token.id, "person": person, "client": client, "expires": expires, "token": shown.expose()});
        Ok((
            Found::new(data, String::new(), 1),
            Effect::Keep(Box::new(token)),
        ))
    }
}
