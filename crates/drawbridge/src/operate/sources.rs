//! How the documents are that connectors offer: how many, how fresh, and which cannot be offered and why.

use drawbridge_core::{answer::Found, call::Caller, connector::Inspection};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::{
    Effect, Prepared,
    roles::{looks_after, oversees, own_client},
};
use crate::{
    app::App,
    connectors::{Mounted, Snapshot},
};

/// Connectors of a page.
const SOURCES: usize = 200;
/// Problems of a page.
const PROBLEMS: usize = 100;

/// Which connectors, and which of their problems.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SourceQuery {
    /// This connector alone.
    pub connector: Option<String>,
    /// Only those behind this name: the `next` of an earlier answer.
    pub after: Option<String>,
    /// Of one connector: problems from this one on, the `problems_next` of an earlier answer.
    pub problems_from: Option<u32>,
}

impl App {
    pub(super) async fn sources_found(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        query: &SourceQuery,
    ) -> Prepared {
        own_client(caller)?;
        let oversees = oversees(snapshot, caller);
        let behind = |name: &str| query.after.as_deref().is_none_or(|after| name > after);
        let alone = |name: &str| query.connector.as_deref().is_none_or(|one| name == one);
        let mut all: Vec<(&String, &Mounted)> = snapshot
            .connectors
            .iter()
            .map(|(name, mounted)| (name, &**mounted))
            .filter(|(name, mounted)| {
                mounted.kind.holds_documents()
                    && behind(name)
                    && alone(name)
                    && (oversees || looks_after(snapshot, caller, mounted))
            })
            .collect();
        let more = all.len() > SOURCES;
        all.truncate(SOURCES);
        let next = all.last().filter(|_| more).map(|(name, _)| *name);
        let from = query.problems_from.filter(|_| query.connector.is_some());
        let from = usize::try_from(from.unwrap_or_default()).unwrap_or(usize::MAX);
        let mut sources = Vec::with_capacity(all.len());
        for (name, mounted) in &all {
            let seen = match &mounted.bridge.connector {
                Ok(connector) => Ok(connector.inspect().await),
                Err(why) => Err(why.as_str()),
            };
            sources.push(self.source((name, mounted), seen, from));
        }
        let data = json!({"sources": sources, "next": next});
        Ok((
            Found::new(data, String::new(), all.len() as u64),
            Effect::Nothing,
        ))
    }

    fn source(
        &self,
        (name, mounted): (&str, &Mounted),
        seen: Result<Inspection, &str>,
        from: usize,
    ) -> Value {
        let state = mounted.bridge.standing.state;
        let stale_after = mounted.bridge.file.system.stale_after;
        let seen = match seen {
            Ok(seen) => seen,
            Err(why) => {
                return json!({
                    "name": name, "state": state, "health": "down", "summary": why,
                    "resources": null, "labels": [], "synced": null, "stale_after": stale_after, "stale": false,
                    "problems": [], "problems_total": 0, "problems_next": null,
                });
            }
        };
        let age =
            |span: drawbridge_core::file::Span| seen.synced?.checked_add(span.duration()).ok();
        let stale = stale_after
            .and_then(age)
            .is_some_and(|end| end < self.clock.now());
        let labels: Vec<Value> = seen
            .labels
            .iter()
            .map(|(label, count)| json!({"label": label, "count": count}))
            .collect();
        let problems: Vec<_> = seen.problems.iter().skip(from).take(PROBLEMS).collect();
        let reached = from.saturating_add(problems.len());
        json!({
            "name": name,
            "state": state,
            "health": seen.health,
            "summary": seen.summary,
            "resources": seen.resources,
            "labels": labels,
            "synced": seen.synced,
            "stale_after": stale_after,
            "stale": stale,
            "problems": problems,
            "problems_total": seen.problem_count,
            "problems_next": (reached < seen.problems.len()).then_some(reached),
        })
    }
}
