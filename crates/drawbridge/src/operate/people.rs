//! Who there is: people, their groups and roles, and when they were last here.

use std::collections::BTreeMap;

use drawbridge_core::{
    answer::{Failure, Found},
    call::{Caller, Person},
    file::{GatewayFile, Who},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::{
    Effect, Prepared,
    roles::{in_person, is_owner, oversees, own_client},
    store_down,
};
use crate::{
    app::App,
    connectors::Snapshot,
    identify::spoken_for,
    store::{Token, TokensOf},
};

/// People of a page, unless the question says how many.
const PEOPLE: u32 = 200;
/// The most people of a page.
const MOST_PEOPLE: u32 = 500;

/// Which people.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PeopleQuery {
    /// With this text in id, name or a group, in any case.
    pub text: Option<String>,
    /// At most so many. Default 200.
    pub limit: Option<u32>,
    /// Only those behind this id: the `next` of an earlier answer.
    pub after: Option<String>,
}

/// Somebody, as far as the gateway knows them.
struct Known<'a> {
    person: Person,
    name: Option<&'a str>,
    listed: bool,
    /// When the organisation's sign-in said so, where it did.
    as_of: Option<Timestamp>,
    tokens: TokensOf,
}

impl App {
    pub(super) async fn people_found(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        query: &PeopleQuery,
    ) -> Prepared {
        own_client(caller)?;
        let all = oversees(snapshot, caller);
        let own = (!all).then_some(caller.person.id.as_str());
        let tokens = self.store.tokens_by_person(own, self.clock.now()).await;
        let signed_in = self.store.signed_in(own).await;
        let mut people = known(
            &snapshot.gateway,
            tokens.map_err(store_down)?,
            &signed_in.map_err(store_down)?,
        );
        if !all {
            people.retain(|id, _| *id == caller.person.id);
            let me = people
                .entry(caller.person.id.clone())
                .or_insert_with(|| nobody(&caller.person.id));
            // Who they are is known from how they came.
            me.person = (*caller.person).clone();
            me.as_of = None;
        }
        let needle = query.text.as_deref().map(str::to_lowercase);
        people.retain(|_, one| needle.as_deref().is_none_or(|needle| one.says(needle)));
        let total = people.len();
        let most = query.limit.unwrap_or(PEOPLE).clamp(1, MOST_PEOPLE) as usize;
        let behind = |id: &&String| query.after.as_ref().is_none_or(|after| *id > after);
        let mut ids: Vec<&String> = people.keys().filter(behind).collect();
        let more = ids.len() > most;
        ids.truncate(most);
        let next = ids.last().filter(|_| more);
        let attributes = is_owner(snapshot, caller);
        let shown = ids.iter().filter_map(|id| people.get(*id)).map(|one| {
            let own = one.person.id == caller.person.id;
            one.shown(snapshot, attributes || own)
        });
        let shown: Vec<Value> = shown.collect();
        let count = shown.len() as u64;
        let data = json!({"people": shown, "total": total, "next": next});
        Ok((Found::new(data, String::new(), count), Effect::Nothing))
    }
}

impl Known<'_> {
    fn says(&self, needle: &str) -> bool {
        let groups = self.person.groups.iter().map(String::as_str);
        let mut texts = groups.chain([self.person.id.as_str()]).chain(self.name);
        texts.any(|text| text.to_lowercase().contains(needle))
    }

    /// Somebody in a list. Attributes are for owners and for who has them.
    fn shown(&self, snapshot: &Snapshot, attributes: bool) -> Value {
        json!({
            "id": self.person.id,
            "name": self.name,
            "groups": self.person.groups,
            "attributes": attributes.then_some(&self.person.attributes),
            "listed": self.listed,
            "as_of": self.as_of,
            "roles": roles(snapshot, &self.person),
            "tokens": self.tokens.in_force,
            "last_used": self.tokens.last_used,
        })
    }
}

fn nobody<'a>(id: &str) -> Known<'a> {
    Known {
        person: Person {
            id: id.to_owned(),
            ..Person::anonymous()
        },
        name: None,
        listed: false,
        as_of: None,
        tokens: TokensOf::default(),
    }
}

/// Everyone under `people`, and everybody else whom tokens name; with what the organisation's sign-in
/// said of them last.
fn known<'a>(
    gateway: &'a GatewayFile,
    tokens: BTreeMap<String, TokensOf>,
    signed_in: &[Token],
) -> BTreeMap<String, Known<'a>> {
    let mut people = BTreeMap::new();
    for (id, file) in &gateway.people {
        let one = Known {
            person: gateway.person(id).unwrap_or_else(Person::anonymous),
            name: file.name.as_deref(),
            listed: true,
            ..nobody(id)
        };
        people.insert(id.clone(), one);
    }
    for (id, of) in tokens {
        let one = people.entry(id.clone()).or_insert_with(|| nobody(&id));
        one.tokens = of;
    }
    for session in signed_in {
        let one = people.get_mut(&session.person);
        if let (Some(one), Some(person)) = (one, spoken_for(session, gateway)) {
            one.person = person;
            one.as_of = Some(session.created);
        }
    }
    people
}

impl App {
    /// Somebody whom the gateway knows, by its file or by the organisation's sign-in; and when that
    /// said who they are.
    pub(super) async fn somebody(
        &self,
        snapshot: &Snapshot,
        id: &str,
    ) -> Result<(Person, Option<Timestamp>), Failure> {
        let signed_in = self.store.signed_in(Some(id)).await.map_err(store_down)?;
        let session = signed_in.first();
        let claimed = session.and_then(|session| {
            let person = spoken_for(session, &snapshot.gateway)?;
            Some((person, Some(session.created)))
        });
        let listed = || Some((snapshot.gateway.person(id)?, None));
        let nobody = || Failure::not_found(format!("`{id}` is nobody this gateway knows"));
        claimed.or_else(listed).ok_or_else(nobody)
    }
}

/// What somebody may do with the gateway itself. Who may do none of it is a member.
pub(super) fn roles(snapshot: &Snapshot, person: &Person) -> Vec<&'static str> {
    let own = &snapshot.gateway.roles;
    let operates = person.id == snapshot.gateway.operator;
    let has = |members: &[Who]| members.iter().any(|who| who.is_person(person));
    let asked = snapshot
        .connectors
        .values()
        .filter(|mounted| mounted.is_offered())
        .flat_map(|mounted| &mounted.bridge.file.approval)
        .any(|gate| has(&gate.ask) || gate.escalate.as_ref().is_some_and(|more| has(&more.to)));
    let all = [
        ("owner", operates || has(&own.owner)),
        ("reviewer", operates || has(&own.reviewer)),
        ("auditor", operates || has(&own.auditor)),
        ("approver", asked),
    ];
    let mut roles: Vec<&str> = all
        .into_iter()
        .filter_map(|(role, has)| has.then_some(role))
        .collect();
    if roles.is_empty() {
        roles.push("member");
    }
    roles
}

/// Who a caller is to the gateway. An AI client has no role of its person's.
#[must_use]
pub fn me(snapshot: &Snapshot, caller: &Caller) -> Value {
    let person = &caller.person;
    let listed = snapshot.gateway.people.get(&person.id);
    let roles = if in_person(caller) {
        roles(snapshot, person)
    } else {
        Vec::new()
    };
    json!({
        "person": person.id,
        "name": listed.and_then(|file| file.name.as_deref()),
        "groups": person.groups,
        "attributes": person.attributes,
        "client": &*caller.client,
        "roles": roles,
    })
}
