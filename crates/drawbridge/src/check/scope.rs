//! 2 Scope: no more than is needed, fresh, and in working order.

mod names;

use drawbridge_core::connector::{Health, Inspection, Problem};
use drawbridge_kinds::kinds::KINDS;
use serde_json::Value;

use super::{Facts, Noticed, Subject};
use crate::store::Used;

/// From this share of failed calls on, in percent.
const MANY_FAIL: u64 = 5;
/// Fewer failed calls than this say nothing.
const FEW: u64 = 3;

pub(super) fn grade(subject: &Subject<'_>, noticed: &mut Noticed) {
    let file = subject.file;
    if let Some((key, _)) = file.system.own.iter().find(|(_, value)| is_root(value)) {
        noticed.red(
            format!("`system.{key}` is the root of this machine"),
            "name the one folder that is needed",
        );
    }
    if file.scope.is_empty() {
        noticed.amber(
            "all of the system is in reach",
            "name what is needed under `scope`",
        );
    } else if let Some(key) = file.scope.iter().find_map(wildcard) {
        noticed.amber(
            format!("`scope.{key}` takes everything there is"),
            "name the parts that are needed, or leave out those that are not",
        );
    } else {
        noticed.green("limited to what `scope` names");
    }
    let kind = KINDS.iter().find(|kind| kind.name() == file.system.kind);
    for doubt in kind
        .map(|kind| kind.doubts(&file.part()))
        .unwrap_or_default()
    {
        noticed.amber(doubt.rule, doubt.mend);
    }
    names::grade(subject, noticed);
    match subject.facts {
        None => {
            noticed.unseen("whether it answers, how fresh it is, and how many calls fail");
        }
        Some(facts) => {
            failing(&facts.recent, noticed);
            match &facts.inspection {
                Ok(inspection) => inspected(subject, (facts, inspection), noticed),
                Err(why) => noticed.amber(
                    format!("it could not be opened: {why}"),
                    "see that the system is there and the account may reach it",
                ),
            }
        }
    }
}

fn inspected(
    subject: &Subject<'_>,
    (facts, inspection): (&Facts, &Inspection),
    noticed: &mut Noticed,
) {
    match inspection.health {
        Health::Ready => noticed.green(format!("it answers: {}", inspection.summary)),
        Health::Syncing => noticed.unseen(format!("how much it holds: {}", inspection.summary)),
        Health::Degraded => noticed.amber(
            format!("something is wrong: {}", inspection.summary),
            "see the gateway's trace for the cause",
        ),
        Health::Down => noticed.amber(
            format!("it cannot answer: {}", inspection.summary),
            "see that the system is there and the account may reach it",
        ),
    }
    if let (Some(most), Some(synced)) = (subject.file.system.stale_after, inspection.synced)
        && synced
            .checked_add(most.duration())
            .is_ok_and(|end| end < facts.now)
    {
        noticed.amber(
            format!("what it holds is older than `stale_after: {most}`"),
            "see why it no longer syncs; callers are told or refused, as `when_stale` says",
        );
    }
    problems(inspection, noticed);
}

/// What is there and cannot be offered, by how it is mended.
fn problems(inspection: &Inspection, noticed: &mut Noticed) {
    let mut alike: Vec<(&Problem, u64)> = Vec::new();
    for problem in &inspection.problems {
        match alike
            .iter_mut()
            .find(|(first, _)| first.mend == problem.mend)
        {
            Some((_, count)) => *count += 1,
            None => alike.push((problem, 1)),
        }
    }
    for (first, count) in alike {
        let (things, more) = if count == 1 {
            ("resource", "")
        } else {
            ("resources", " …")
        };
        let (path, reason) = (&first.path, &first.reason);
        noticed.amber(
            format!("{count} {things} with a problem: `{path}`: {reason}{more}"),
            &first.mend,
        );
    }
    let listed = inspection.problems.len() as u64;
    if let more @ 1.. = inspection.problem_count.saturating_sub(listed) {
        noticed.amber(
            format!("{more} more with a problem"),
            "mend those that the connector's page lists, and look again",
        );
    }
}

/// Calls that failed for other reasons than what was asked.
fn failing(recent: &[Used], noticed: &mut Noticed) {
    let all: u64 = recent.iter().map(|used| used.count).sum();
    let failed: u64 = recent
        .iter()
        .filter(|used| {
            ["failed", "timeout", "unavailable", "stale"].contains(&used.status.as_str())
        })
        .map(|used| used.count)
        .sum();
    if failed >= FEW && failed * 100 >= all * MANY_FAIL {
        noticed.amber(
            format!("{failed} of {all} calls of the last 7 days failed"),
            "`drawbridge log` shows them with their reasons",
        );
    } else if all > 0 {
        noticed.green(format!("{failed} of {all} calls of the last 7 days failed"));
    }
}

/// A key of `scope` with a pattern that takes everything, and no key that takes anything away.
fn wildcard((key, value): (&String, &Value)) -> Option<String> {
    let everything = |value: &Value| {
        value
            .as_str()
            .is_some_and(|text| ["*", "**", "**/*"].contains(&text))
    };
    let found = match value {
        Value::Array(items) => items.iter().any(everything),
        other => everything(other),
    };
    found.then(|| key.clone())
}

fn is_root(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| !text.is_empty() && text.chars().all(|letter| letter == '/'))
}
