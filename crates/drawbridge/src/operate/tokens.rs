//! Making, listing and ending tokens.

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::Caller,
    file::Span,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::IntoParams;

use super::{
    Effect, Prepared,
    roles::{is_owner, own_client, own_machine, signed_in},
    store_down,
};
use crate::{
    app::App,
    connectors::Snapshot,
    identify::{COMMAND_LINE, CONSOLE, LINK, mint},
    store::TokenFilter,
};

/// Tokens of an answer, unless the question says how many.
const TOKENS: u32 = 200;
/// The most tokens of an answer.
const MOST_TOKENS: u32 = 1_000;

/// Which tokens. Those of AI clients and people's own come before sessions at the console.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TokenQuery {
    /// Of this person.
    pub person: Option<String>,
    /// Only those that are neither ended nor expired.
    pub in_force: bool,
    /// At most so many, up to 1,000. Default 200.
    pub limit: Option<u32>,
    /// Only those behind this id: the `next` of an earlier answer.
    pub after: Option<String>,
}

impl App {
    pub(super) async fn tokens_found(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        query: &TokenQuery,
    ) -> Prepared {
        let all = is_owner(snapshot, caller);
        let own = (!all).then(|| caller.person.id.clone());
        let most = query.limit.unwrap_or(TOKENS).clamp(1, MOST_TOKENS);
        let after = match &query.after {
            None => None,
            Some(id) => {
                let told = "`after`: there is no such token any more; begin again without it";
                let known = self.store.token(id).await.map_err(store_down)?;
                Some(known.ok_or_else(|| Failure::invalid(told))?)
            }
        };
        let filter = TokenFilter {
            person: own.or_else(|| query.person.clone()),
            in_force: query.in_force.then(|| self.clock.now()),
            after,
            limit: most + 1,
        };
        let mut tokens = self.store.tokens(&filter).await.map_err(store_down)?;
        let more = tokens.len() > most as usize;
        tokens.truncate(most as usize);
        let next = tokens.last().filter(|_| more).map(|last| &last.id);
        let data = json!({"tokens": tokens, "next": next});
        let found = Found::new(data, String::new(), tokens.len() as u64);
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
