//! What is true of a server at this moment, and what a reviewer should look at.

use std::{collections::BTreeMap, time::Duration};

use drawbridge_core::{
    connector::{Health, Inspection, Problem},
    exchange::Asking,
    file::Fault,
};

use super::{
    Server,
    definition::Definition,
    doubts,
    part::{Scope, Tool},
    results::parts,
    upstream::{Listing, Seen},
};

/// How long a server is waited for that runs, and is asked what it offers.
const LOOK_WITHIN: Duration = Duration::from_secs(1);

/// How it stands. A server that nobody needs is not started for it.
pub(super) async fn inspect(server: &Server) -> Inspection {
    let (health, summary) = match server.upstream.seen() {
        Seen::Idle => (
            Health::Ready,
            "its server does not run; it is started with the first call".to_owned(),
        ),
        Seen::Closed => (Health::Down, "the connector is closed".to_owned()),
        Seen::Starting => (Health::Syncing, "its server is being started".to_owned()),
        Seen::Resting(told) => (Health::Down, told.message),
        // Whoever looks at all connectors does not wait for one that hangs.
        Seen::Up(link) => match tokio::time::timeout(LOOK_WITHIN, link.listing()).await {
            Ok(Ok(listing)) => return of_listing(server, &link.server(), &listing),
            Ok(Err(trouble)) => (Health::Down, trouble.failure().message),
            Err(_) => (
                Health::Down,
                "its server runs, and does not say what it offers".to_owned(),
            ),
        },
    };
    let tools = server.own.scope.tools.len();
    inspection((health, summary), tools, asks(server).into_iter().collect())
}

fn inspection(
    (health, summary): (Health, String),
    tools: usize,
    problems: Vec<Problem>,
) -> Inspection {
    Inspection {
        health,
        summary,
        synced: None,
        progress: None,
        resources: u64::try_from(tools).unwrap_or(u64::MAX),
        problem_count: u64::try_from(problems.len()).unwrap_or(u64::MAX),
        problems: problems
            .into_iter()
            .take(Inspection::MAX_PROBLEMS)
            .collect(),
        labels: BTreeMap::new(),
        excess: Vec::new(),
    }
}

fn of_listing(server: &Server, name: &str, listing: &Listing) -> Inspection {
    let scope = &server.own.scope;
    let mut problems: Vec<Problem> = asks(server).into_iter().collect();
    let mut withheld = 0;
    for tool in scope.tools.keys() {
        let problem = changed(tool, scope.pinned.tools.get(tool), listing.tools.get(tool));
        let twice = listing
            .twice
            .contains(tool)
            .then(|| problem_of(tool, "its server offers it more than once"));
        withheld += usize::from(problem.is_some() || twice.is_some());
        problems.extend(twice.or(problem));
    }
    for prompt in &scope.prompts {
        problems.extend(changed(
            prompt,
            scope.pinned.prompts.get(prompt),
            listing.prompts.get(prompt),
        ));
    }
    let unclassified = listing
        .tools
        .keys()
        .filter(|tool| !scope.tools.contains_key(*tool));
    let unclassified: Vec<String> = unclassified.map(|tool| doubts::visible(tool)).collect();
    if !unclassified.is_empty() {
        problems.push(Problem {
            path: unclassified.join(", "),
            reason: "its server offers this, and the file gives it no power: it is not offered"
                .to_owned(),
            mend: "give it a power under `scope.tools`, or leave it".to_owned(),
        });
    }
    let health = if withheld > 0 {
        Health::Degraded
    } else {
        Health::Ready
    };
    let summary = match withheld {
        0 => format!("{} tools of {name}", scope.tools.len()),
        withheld => format!(
            "{withheld} of {} tools of {name} are withheld: they changed since they were reviewed",
            scope.tools.len()
        ),
    };
    inspection((health, summary), scope.tools.len(), problems)
}

/// That it asks in a way in which nobody can be asked.
fn asks(server: &Server) -> Option<Problem> {
    let asked = server.upstream.asked();
    let words: Vec<&str> = asked.iter().map(|asking| asking.word()).collect();
    (!asked.is_empty()).then(|| Problem {
        path: words.join(", "),
        reason: "its server asks for more input by requests of its own, as revisions of MCP before 2026-07-28 \
                 have it, and nobody could be asked: the file does not let it ask this, an effect or an AI \
                 application that takes no questions was under way, or nothing said to which of several calls \
                 the question belongs"
            .to_owned(),
        mend: "let it ask by `scope.asks`; use a version of the server that speaks MCP 2026-07-28; or leave out \
               the tools that ask"
            .to_owned(),
    })
}

fn changed(
    name: &str,
    reviewed: Option<&Definition>,
    listed: Option<&Definition>,
) -> Option<Problem> {
    match (reviewed, listed) {
        (reviewed, listed) if reviewed == listed => None,
        (_, None) => Some(problem_of(name, "its server no longer offers it")),
        (None, Some(_)) => Some(problem_of(name, "it was not reviewed")),
        (Some(reviewed), Some(listed)) => {
            let short = |one: &Definition| one.digest().chars().take(8).collect::<String>();
            let reason = format!(
                "it is withheld: its server says something else of it than was reviewed (pinned {}, now {})\n{}",
                short(reviewed),
                short(listed),
                reviewed.difference(listed)
            );
            Some(problem_of(name, reason))
        }
    }
}

fn problem_of(name: &str, reason: impl Into<String>) -> Problem {
    Problem {
        path: name.to_owned(),
        reason: reason.into(),
        mend: "look at what changed, and run `drawbridge connector pin` if it is in order"
            .to_owned(),
    }
}

/// What a reviewer should look at twice.
pub(super) fn doubts(scope: &Scope) -> Vec<Fault> {
    let mut found = Vec::new();
    for one in scope.reviewed() {
        let others = scope.pinned.tools.keys().map(String::as_str);
        for sentence in doubts::of(one.name, one.definition, others) {
            let at = format!(
                "/scope/pinned/{}/{}",
                one.sort,
                one.name.replace('~', "~0").replace('/', "~1")
            );
            let rule = format!("of `{}`: {sentence}", doubts::visible(one.name));
            found.push(Fault::new(
                at,
                rule,
                "read it; take the tool out unless you are sure of its server",
            ));
        }
    }
    if scope.asks.contains(&Asking::Sampling) {
        found.push(Fault::new(
            "/scope/asks",
            "its server may have the model of whoever calls it answer what it likes",
            "take `sampling` out unless the server cannot do its work without",
        ));
    }
    for tool in scope.offered() {
        let says = |hint: &str, value: bool| tool.definition.hint(hint) == Some(value);
        let milder = !tool.scope.power.is_effect()
            && (says("readOnlyHint", false) || says("destructiveHint", true));
        if milder {
            let at = format!("/scope/tools/{}/power", tool.name);
            let rule = format!(
                "`{}` has the power `{}`, and its server says that it changes something",
                tool.name, tool.scope.power
            );
            found.push(Fault::new(at, rule, "give it the power of what it changes"));
        }
        found.extend(places_in_doubt(&tool));
    }
    found
}

/// What is left out of a tool's answers, where nobody can tell that it stands there.
fn places_in_doubt(tool: &Tool<'_>) -> Vec<Fault> {
    let at = format!("/scope/tools/{}/result", tool.name);
    let fault = |place: &str, why: &str, mend: &str| {
        let rule = format!(
            "`{place}` of `{}` is left out or masked, and {why}",
            tool.name
        );
        Fault::new(at.clone(), rule, mend)
    };
    let mut places = tool.scope.result.places();
    if tool.definition.output().is_none() {
        let first = places.next().map(|place| {
            fault(
                place,
                "no schema says where anything stands in its answers",
                "have an answer of it shown, and compare: where its server writes it elsewhere, nothing is left out",
            )
        });
        return first.into_iter().collect();
    }
    places
        .filter(|place| !tool.definition.answers_with(&parts(place)))
        .map(|place| {
            fault(
                place,
                "the schema of its answers has no such place",
                "write the place as the schema under `pinned` has it; as it is, nothing may be left out",
            )
        })
        .collect()
}
