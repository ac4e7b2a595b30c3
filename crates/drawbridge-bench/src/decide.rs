//! What a decision costs by itself, in CPU, with all policies of the measured organisation.

use std::{fs, path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use drawbridge_core::{
    call::{Action, Call, Caller, Door},
    decide::{Decision, PolicyFile, Resource, RuleBook, Ruled},
    exchange::Exchange,
    file::{read_connector, read_gateway},
};
use drawbridge_kinds::kinds::KINDS;
use serde_json::json;

use crate::company::PERSON;

/// CPU of one decision.
pub(crate) struct Decisions {
    /// Of a caller who asks again, where no rule looks at the arguments.
    pub(crate) known: Duration,
    /// Where rules look at arguments that were never seen before.
    pub(crate) fresh: Duration,
    /// Of whether one more set of facets may be seen.
    pub(crate) view: Duration,
}

/// Decides many times on the rules of a workspace.
pub(crate) fn measure(workspace: &Path, times: u32) -> anyhow::Result<Decisions> {
    let read = |name: &str| fs::read_to_string(workspace.join(name));
    let gateway = read_gateway("drawbridge.yaml", &read("drawbridge.yaml")?)?;
    let text = read("connectors/handbook.yaml")?;
    let name = "connectors/handbook.yaml";
    let (file, kind) = read_connector(name, "handbook", &text, &gateway, KINDS)?;
    let file = Arc::new(file);
    let actions: Arc<[Arc<Action>]> = kind
        .actions(&file.part())
        .into_iter()
        .map(Arc::new)
        .collect();
    let ruled = Ruled {
        file: &file,
        kind,
        actions: &actions,
    };
    let policies = PolicyFile {
        name: "policies/house.cedar".to_owned(),
        text: read("policies/house.cedar")?,
    };
    let rules = RuleBook::build(&gateway, &[ruled], &[policies])?;
    let call = |name: &str| -> anyhow::Result<Call> {
        let action = actions.iter().find(|action| action.name == name);
        let caller = Caller {
            person: Arc::new(gateway.person(PERSON).context("no person")?),
            client: Arc::from("bench"),
            task: None,
            token: None,
            door: Door::Mcp,
            trace: None,
        };
        Ok(Call {
            id: Arc::from("none"),
            caller,
            connector: Arc::from("handbook"),
            revision: Arc::from("none"),
            action: action.context("no action")?.clone(),
            arguments: json!({"path": "notes/small-1.md"}),
            exchange: Exchange::default(),
        })
    };
    let (again, mut search) = (call("read")?, call("search")?);
    let known = cpu(times * 20, |_| rules.decide(&again).allows())?;
    let fresh = cpu(times, |number| {
        search.arguments = json!({"query": format!("word {number}"), "limit": 10});
        rules.decide(&search).allows()
    })?;
    let Decision::Allow { view, .. } = rules.decide(&again) else {
        anyhow::bail!("the person may not read");
    };
    let view = cpu(times, |number| {
        let facets = [
            ("label", "internal".to_owned()),
            ("department", "sales".to_owned()),
            ("folder", format!("sales/{number}")),
        ];
        view.admits(&Resource(facets.into()))
    })?;
    Ok(Decisions { known, fresh, view })
}

/// CPU of this thread for one of many times of something that must hold.
fn cpu(times: u32, mut work: impl FnMut(u32) -> bool) -> anyhow::Result<Duration> {
    let spent = || -> anyhow::Result<Duration> {
        let text = fs::read_to_string("/proc/thread-self/schedstat")?;
        let nanos = text.split_whitespace().next().context("short")?.parse()?;
        Ok(Duration::from_nanos(nanos))
    };
    let began = spent()?;
    for number in 0..times {
        anyhow::ensure!(work(number), "a decision came out wrong");
    }
    Ok(spent()?.saturating_sub(began) / times)
}
