//! What connectors there are, how they are, and which revision of each is in force.

use std::{collections::BTreeMap, time::Duration};

use drawbridge_core::{
    answer::{Failure, Found},
    call::Caller,
    lifecycle::State,
    plan::Stage,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::{
    Effect, Prepared,
    approvals::sees,
    roles::{in_person, is_owner, looked_at, looks_after, looks_at, oversees, sees_to},
    store_down,
};
use crate::{
    app::App,
    check::Colour,
    connectors::{Mounted, Snapshot},
    store::PlanFilter,
};

/// The most connectors of a page.
const MOST_CONNECTORS: u32 = 500;
/// Waiting plans that are looked at one by one, for somebody who may see only some of them.
const MOST_WAITING: usize = 1_000;
/// Plans that are read at once.
const PLANS: u32 = 100;
/// The most that is told of what is to be done.
const MOST_NEEDS: usize = 100;
/// The most reviews that are told of.
const MOST_REVIEWS: usize = 50;
/// How long before it is due a review is to be done.
const SOON: Duration = Duration::from_secs(14 * 24 * 3_600);

/// Which connectors.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConnectorQuery {
    /// With this text in name, purpose or owner, in any case.
    pub text: Option<String>,
    /// In this state.
    #[param(value_type = Option<String>)]
    pub state: Option<State>,
    /// At most so many. Default all.
    pub limit: Option<u32>,
    /// Only those behind this name: the `next` of an earlier answer.
    pub after: Option<String>,
}

impl ConnectorQuery {
    fn admits(&self, name: &str, mounted: &Mounted) -> bool {
        let purpose = &mounted.bridge.file.purpose;
        let standing = &mounted.bridge.standing;
        let says = |needle: &str| {
            let needle = needle.to_lowercase();
            let mut texts = [name, &purpose.task, &purpose.owner].into_iter();
            texts.any(|text| text.to_lowercase().contains(&needle))
        };
        self.text.as_deref().is_none_or(says)
            && self.state.is_none_or(|state| state == standing.state)
    }
}

/// A connector that the caller may use, or looks after or at.
struct Line<'a> {
    name: &'a str,
    mounted: &'a Mounted,
    /// Whether they see how it is.
    looked_after: bool,
    /// Whether they may stop it.
    yours: bool,
}

impl App {
    pub(super) async fn connectors_found(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        query: &ConnectorQuery,
    ) -> Prepared {
        let all = lines(snapshot, caller, query);
        let total = all.len();
        let needs = self.needs(snapshot, caller);
        let most = query
            .limit
            .map_or(usize::MAX, |limit| limit.clamp(1, MOST_CONNECTORS) as usize);
        let behind = |line: &Line<'_>| query.after.as_deref().is_none_or(|after| line.name > after);
        let mut page: Vec<Line<'_>> = all.into_iter().filter(behind).collect();
        let more = page.len() > most;
        page.truncate(most);
        let next = page.last().filter(|_| more).map(|last| last.name);
        let all_calls = oversees(snapshot, caller);
        let called = page.iter().filter(|line| line.looked_after || all_calls);
        let called: Vec<&str> = called.map(|line| line.name).collect();
        let last = self.store.last_calls(&called).await.map_err(store_down)?;
        let waiting = self.waiting_for(snapshot, caller).await?;
        let mut list = Vec::with_capacity(page.len());
        for line in &page {
            let mut shown = self.line(line).await;
            if let Some(shown) = shown.as_object_mut() {
                let waits = waiting.get(line.name).copied().unwrap_or_default();
                shown.insert("waiting_approvals".to_owned(), waits.into());
                shown.insert("last_used".to_owned(), json!(last.get(line.name)));
            }
            list.push(shown);
        }
        let problems = is_owner(snapshot, caller).then_some(&snapshot.problems);
        let first = query.after.is_none();
        let needs = first.then_some(needs);
        let reviews = first.then(|| self.reviews(snapshot, caller));
        let data = json!({
            "connectors": list, "total": total, "next": next, "problems": problems, "needs": needs,
            "reviews": reviews,
        });
        let found = Found::new(data, String::new(), page.len() as u64);
        Ok((found, Effect::Nothing))
    }

    /// What is to be done about the connectors that somebody looks after, on whichever page they are.
    fn needs(&self, snapshot: &Snapshot, caller: &Caller) -> Vec<Value> {
        let now = self.clock.now();
        let soon = now.checked_add(SOON).unwrap_or(now);
        let mut needs = Vec::new();
        for (name, mounted) in &snapshot.connectors {
            if !sees_to(snapshot, caller, mounted) {
                continue;
            }
            let state = mounted.bridge.standing.state;
            let due = mounted
                .due
                .filter(|due| due.at <= soon && state == State::Active);
            let red = self.grades.of(name, mounted) == Some(Colour::Red);
            let what = [
                ("broken", mounted.broken.is_some()),
                (
                    "review",
                    mounted.waiting.is_some() && state != State::Retired,
                ),
                ("red", red && state == State::Active),
                ("due", due.is_some()),
            ];
            let what = what.into_iter().filter(|(_, is)| *is);
            needs.extend(what.map(
                |(what, _)| json!({"connector": name, "what": what, "due": due.map(|due| due.at)}),
            ));
        }
        needs.truncate(MOST_NEEDS);
        needs
    }

    /// The reviews that come up next, of the connectors that somebody looks after.
    fn reviews(&self, snapshot: &Snapshot, caller: &Caller) -> Vec<Value> {
        let mut reviews = Vec::new();
        for (name, mounted) in &snapshot.connectors {
            let runs = mounted.bridge.standing.state != State::Retired;
            if let Some(due) = mounted.due.filter(|_| runs)
                && sees_to(snapshot, caller, mounted)
            {
                reviews.push((due.at, name, mounted));
            }
        }
        reviews.sort_by_key(|(at, name, _)| (*at, *name));
        let next = reviews.into_iter().take(MOST_REVIEWS);
        next.map(|(at, name, mounted)| {
            json!({
                "connector": name,
                "owner": mounted.bridge.file.purpose.owner,
                "at": at,
                "grade": self.grades.of(name, mounted),
            })
        })
        .collect()
    }

    /// What is told of one connector in a list.
    async fn line(&self, line: &Line<'_>) -> Value {
        let Line { name, mounted, .. } = *line;
        let inspection = match &mounted.bridge.connector {
            _ if !line.looked_after => None,
            Ok(connector) => Some(json!(connector.inspect().await)),
            Err(why) => Some(down(why)),
        };
        let purpose = &mounted.bridge.file.purpose;
        let own = line.looked_after;
        json!({
            "name": name,
            "yours": line.yours,
            "purpose": purpose.task,
            "owner": purpose.owner,
            "kind": mounted.kind.name(),
            "access": mounted.bridge.file.access,
            "state": mounted.bridge.standing.state,
            "revision": mounted.bridge.revision,
            "waiting": mounted.waiting.as_ref().map(|waiting| &waiting.hash),
            "broken": mounted.broken.as_ref().filter(|_| own),
            "inspection": inspection,
            "due": mounted.due.filter(|_| own),
            "grade": self.grades.of(name, mounted).filter(|_| own),
        })
    }

    /// How many plans wait at each connector that the caller may see.
    async fn waiting_for(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
    ) -> Result<BTreeMap<String, u64>, Failure> {
        if !in_person(caller) {
            return Ok(BTreeMap::new());
        }
        if oversees(snapshot, caller) {
            return self.store.waiting_at().await.map_err(store_down);
        }
        let mut filter = PlanFilter {
            stages: vec![Stage::Waiting],
            limit: PLANS,
            ..PlanFilter::default()
        };
        let (mut counts, mut looked_at) = (BTreeMap::new(), 0);
        loop {
            let page = self.store.kept_plans(&filter).await.map_err(store_down)?;
            looked_at += page.len();
            filter.before = page.last().map(|last| last.created);
            for plan in page.iter().filter(|plan| sees(snapshot, caller, plan)) {
                *counts.entry(plan.connector.clone()).or_insert(0) += 1;
            }
            if page.len() < PLANS as usize || looked_at >= MOST_WAITING {
                return Ok(counts);
            }
        }
    }
}

/// The connectors of a query that the caller may use or looks after.
fn lines<'a>(snapshot: &'a Snapshot, caller: &Caller, query: &ConnectorQuery) -> Vec<Line<'a>> {
    let wanted = snapshot
        .connectors
        .iter()
        .filter(|(name, mounted)| query.admits(name, mounted));
    let lines = wanted.filter_map(|(name, mounted)| {
        let yours = looks_after(snapshot, caller, mounted);
        let looked_after = looks_at(snapshot, caller, mounted);
        let mut actions = mounted.bridge.actions.iter();
        let known =
            looked_after || actions.any(|action| snapshot.rules.offers(caller, name, action));
        known.then_some(Line {
            name,
            mounted,
            looked_after,
            yours,
        })
    });
    lines.collect()
}

/// What is told of a connector that could not be opened, in place of its own word.
fn down(why: &str) -> Value {
    json!({"health": "down", "summary": why})
}

pub(super) async fn connector_found(snapshot: &Snapshot, caller: &Caller, name: &str) -> Prepared {
    let mounted = looked_at(snapshot, caller, name)?;
    let inspection = match &mounted.bridge.connector {
        Ok(connector) => json!(connector.inspect().await),
        Err(why) => down(why),
    };
    let data = json!({
        "name": name,
        "yours": looks_after(snapshot, caller, mounted),
        "file": &*mounted.bridge.file,
        "reaches": mounted.kind.reaches(),
        "revision": mounted.bridge.revision,
        "standing": mounted.bridge.standing,
        "waiting": mounted.waiting.as_ref().map(|waiting| &waiting.hash),
        "broken": mounted.broken,
        "inspection": inspection,
        "due": mounted.due,
        "reviewed": mounted.reviewed,
    });
    Ok((Found::new(data, String::new(), 1), Effect::Nothing))
}

pub(super) fn revisions_found(snapshot: &Snapshot, caller: &Caller, name: &str) -> Prepared {
    let mounted = looked_at(snapshot, caller, name)?;
    let waiting = mounted
        .waiting
        .as_ref()
        .map(|waiting| json!({"hash": waiting.hash, "changes": waiting.changes}));
    let data = json!({
        "in_force": mounted.bridge.revision,
        "waiting": waiting,
        "broken": mounted.broken,
    });
    Ok((Found::new(data, String::new(), 1), Effect::Nothing))
}
