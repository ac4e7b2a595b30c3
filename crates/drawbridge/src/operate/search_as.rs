//! What somebody else would find: for those who must see to it that nobody finds too much or too little.

use std::sync::Arc;

use drawbridge_core::{
    answer::{Failure, Found, Source, Status},
    call::{Action, Call, Caller, Power},
    exchange::Exchange,
    file::ActsFor,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    Effect, Prepared,
    roles::{oversees, own_client},
};
use crate::{
    app::App,
    connectors::{Mounted, Snapshot},
    identify::CONSOLE,
};

/// A search as somebody else.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchedAs {
    /// As whom.
    pub person: String,
    /// Where.
    pub connector: String,
    /// For what.
    pub query: String,
}

/// The most sources that are told.
const MOST_SOURCES: usize = 200;

impl App {
    /// Searches as a person would, and tells which sources they would find, never what these say.
    pub(super) async fn searched_as(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        (act, asked): (&str, &SearchedAs),
    ) -> Prepared {
        let SearchedAs {
            person,
            connector,
            query,
        } = asked;
        own_client(caller)?;
        if !oversees(snapshot, caller) {
            let told = "only an owner or auditor may look at what somebody else would find";
            return Err(Failure::new(Status::Denied, told));
        }
        let none = || Failure::not_found(format!("there is no connector `{connector}`"));
        let mounted = snapshot.connectors.get(connector).ok_or_else(none)?;
        if mounted.bridge.file.identity.acts_for == ActsFor::Person {
            let told =
                "this connector acts as the person in its system, so nobody else may ask as them";
            return Err(Failure::new(Status::Denied, told));
        }
        let arguments = json!({"query": query});
        let action = by_words(mounted, &arguments).ok_or_else(|| {
            let told = format!("`{connector}` has no search by words that takes this query");
            Failure::invalid(told)
        })?;
        let (found, as_of) = if *person == caller.person.id {
            ((*caller.person).clone(), None)
        } else {
            self.somebody(snapshot, person).await?
        };
        let call = Call {
            id: act.into(),
            caller: Caller {
                person: Arc::new(found),
                client: CONSOLE.into(),
                task: None,
                token: None,
                ..caller.clone()
            },
            connector: connector.as_str().into(),
            revision: mounted.bridge.revision.clone(),
            action: action.clone(),
            arguments,
            exchange: Exchange::default(),
        };
        let watch = self.watch((snapshot, mounted), caller, Some(&call));
        let asked = (&call, caller);
        let outcome = self.way.search_as(&mounted.bridge, asked, &watch).await;
        let mut data = told(outcome);
        if let Some(data) = data.as_object_mut() {
            data.insert("person".to_owned(), person.as_str().into());
            data.insert("person_as_of".to_owned(), json!(as_of));
            data.insert("connector".to_owned(), connector.as_str().into());
            data.insert("action".to_owned(), (*action.name).into());
        }
        Ok((Found::new(data, String::new(), 1), Effect::Nothing))
    }
}

/// The first search that takes these arguments.
fn by_words<'a>(mounted: &'a Mounted, arguments: &Value) -> Option<&'a Arc<Action>> {
    let actions = mounted.bridge.actions.iter();
    actions
        .filter(|action| action.power == Power::Search)
        .filter_map(|action| mounted.action(&action.name))
        .find(|(_, validator)| validator.is_valid(arguments))
        .map(|(action, _)| action)
}

/// How it ended, and on what it rests: no word of what was found.
fn told(outcome: Result<Found, Failure>) -> Value {
    match outcome {
        Ok(found) => {
            let status = if found.missing.is_empty() {
                Status::Ok
            } else {
                Status::Partial
            };
            let sources: Vec<Value> = found
                .sources
                .iter()
                .take(MOST_SOURCES)
                .map(source)
                .collect();
            json!({"status": status, "message": null, "count": found.count, "sources": sources})
        }
        Err(failure) => json!({
            "status": failure.status, "message": failure.message, "count": 0, "sources": [],
        }),
    }
}

fn source(source: &Source) -> Value {
    json!({
        "title": source.title,
        "path": source.path,
        "place": source.place,
        "label": source.label,
        "modified": source.modified,
        "stale": source.stale,
    })
}
