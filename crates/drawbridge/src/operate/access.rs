//! Who may do what with one connector, and who did.

use std::collections::{BTreeMap, BTreeSet};

use drawbridge_core::{
    answer::Found,
    call::{Caller, Power},
    file::{ConnectorFile, Permission, Who},
};
use serde_json::{Value, json};

use super::{
    Effect, Prepared,
    explain::admitted,
    roles::{looked_at, own_client},
    store_down,
};
use crate::{
    app::App,
    check::{UNUSED_AFTER, is_meant},
    connectors::Snapshot,
    store::Used,
};

/// People and clients that are named, those who used it most first.
const MOST_PEOPLE: usize = 200;

impl App {
    /// The permissions of a connector beside what was used of them.
    pub(super) async fn access_found(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        name: &str,
    ) -> Prepared {
        own_client(caller)?;
        let mounted = looked_at(snapshot, caller, name)?;
        let now = self.clock.now();
        let since = now
            .checked_sub(UNUSED_AFTER)
            .unwrap_or(jiff::Timestamp::MIN);
        let mut used = self
            .store
            .used(name, None, since)
            .await
            .map_err(store_down)?;
        used.retain(|one| one.status != "denied");
        let file = &mounted.bridge.file;
        let rows: Vec<Value> = file.permissions.iter().map(row).collect();
        let count = rows.len() as u64;
        let data = json!({
            "connector": name,
            "since": since,
            "permissions": rows,
            "grants": grants(snapshot, file, &used),
            "people": people(&used),
        });
        Ok((Found::new(data, String::new(), count), Effect::Nothing))
    }
}

/// One permission, in words.
fn row(permission: &Permission) -> Value {
    let clients = permission.who.iter().filter_map(|who| match who {
        Who::Client(name) => Some(name.as_str()),
        Who::Everyone | Who::Anonymous | Who::Group(_) | Who::Person(_) => None,
    });
    let clients: Vec<&str> = clients.collect();
    json!({
        "who": permission.who,
        "may": permission.may,
        "clients": (!clients.is_empty()).then_some(clients),
        "only": admitted(permission, None),
    })
}

/// What each of those who are granted something used of it, and what they never did.
fn grants(snapshot: &Snapshot, file: &ConnectorFile, used: &[Used]) -> Vec<Value> {
    let mut granted: BTreeMap<&Who, BTreeSet<Power>> = BTreeMap::new();
    for permission in &file.permissions {
        for who in &permission.who {
            granted.entry(who).or_default().extend(&permission.may);
        }
    }
    let grants = granted.into_iter().map(|(who, powers)| {
        let own: Vec<&Used> = used
            .iter()
            .filter(|one| is_meant(&snapshot.gateway, who, one))
            .collect();
        let (mut done, mut never) = (Vec::new(), Vec::new());
        for power in powers {
            let calls = own.iter().filter(|one| one.power == power.word());
            let people: BTreeSet<&str> = calls.clone().map(|one| one.person.as_str()).collect();
            let count: u64 = calls.map(|one| one.count).sum();
            if count == 0 {
                never.push(power);
            } else {
                done.push(json!({"power": power, "count": count, "people": people.len()}));
            }
        }
        json!({"who": who, "used": done, "unused": never})
    });
    grants.collect()
}

/// Who used it, through which client, and with which powers.
fn people(used: &[Used]) -> Vec<Value> {
    let mut by: BTreeMap<(&str, &str), BTreeMap<&str, u64>> = BTreeMap::new();
    for one in used {
        let powers = by.entry((&one.person, &one.client)).or_default();
        *powers.entry(&one.power).or_default() += one.count;
    }
    let mut by: Vec<_> = by.into_iter().collect();
    by.sort_by_key(|(_, powers)| std::cmp::Reverse(powers.values().sum::<u64>()));
    let most = by.into_iter().take(MOST_PEOPLE);
    most.map(|((person, client), powers)| {
        let powers = powers.into_iter();
        let powers = powers.map(|(power, count)| json!({"power": power, "count": count}));
        json!({"person": person, "client": client, "powers": powers.collect::<Vec<_>>()})
    })
    .collect()
}
