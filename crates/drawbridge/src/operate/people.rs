//! Who there is: people, their groups and roles, and when they were last here.

use std::collections::BTreeMap;

use drawbridge_core::{
    answer::Found,
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
use crate::{app::App, connectors::Snapshot, store::Token};

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
    tokens: u64,
    last_used: Option<Timestamp>,
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
        let tokens = self.store.tokens(own).await.map_err(store_down)?;
        let mut people = known(&snapshot.gateway, &tokens, self.clock.now());
        if !all {
            people.retain(|id, _| *id == caller.person.id);
            let me = people
                .entry(caller.person.id.clone())
                .or_insert_with(|| nobody(&caller.person.id));
            // Who signed in by the organisation's provider brings their groups along.
            me.person = (*caller.person).clone();
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
            "roles": roles(snapshot, &self.person),
            "tokens": self.tokens,
            "last_used": self.last_used,
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
        tokens: 0,
        last_used: None,
    }
}

/// Everyone under `people`, and everybody else whom tokens name.
fn known<'a>(
    gateway: &'a GatewayFile,
    tokens: &[Token],
    now: Timestamp,
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
    for token in tokens {
        let one = people
            .entry(token.person.clone())
            .or_insert_with(|| nobody(&token.person));
        one.tokens += u64::from(token.is_good(now));
        one.last_used = one.last_used.max(token.last_used);
    }
    people
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
