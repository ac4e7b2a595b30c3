//! What a changed part widens, apart from what it narrows. What cannot be told widens.

use std::fmt::Display;

use drawbridge_core::{
    connector::Part,
    file::{Change, Direction, Labels},
};

use super::{HardLinks, Rule, Scope, Shown, System};
use crate::part;
use Direction::{Narrows, Neutral, Widens};

/// How `new` differs from `old`.
pub(in super::super) fn compare(old: &Part, new: &Part, labels: &Labels) -> Vec<Change> {
    part::compare((old, new), system, |old, new, changes| {
        scope(old, new, labels, changes);
    })
}

fn system(old: &System, new: &System, changes: &mut Vec<Change>) {
    if old.folder != new.folder {
        let sentence = format!(
            "it reaches the folder `{}` instead of `{}`",
            new.folder, old.folder
        );
        changes.push(Change::new("/system/folder", Widens, sentence));
    }
    if old.rescan_every != new.rescan_every {
        let sentence = "the whole folder is listed at another interval";
        changes.push(Change::new("/system/rescan_every", Neutral, sentence));
    }
    match (old.hard_links, new.hard_links) {
        (HardLinks::Refuse, HardLinks::Allow) => changes.push(Change::new(
            "/system/hard_links",
            Widens,
            "files with a second name are read",
        )),
        (HardLinks::Allow, HardLinks::Refuse) => changes.push(Change::new(
            "/system/hard_links",
            Narrows,
            "files with a second name are no longer read",
        )),
        (HardLinks::Refuse, HardLinks::Refuse) | (HardLinks::Allow, HardLinks::Allow) => {}
    }
}

fn scope(old: &Scope, new: &Scope, labels: &Labels, changes: &mut Vec<Change>) {
    globs(
        "/scope/include",
        (&old.include, &new.include),
        (Widens, "lets in", Narrows, "no longer lets in"),
        changes,
    );
    globs(
        "/scope/exclude",
        (&old.exclude, &new.exclude),
        (Narrows, "leaves out", Widens, "no longer leaves out"),
        changes,
    );
    globs(
        "/scope/writable",
        (&old.writable, &new.writable),
        (
            Widens,
            "lets be written",
            Narrows,
            "no longer lets be written",
        ),
        changes,
    );
    if old.language != new.language {
        changes.push(Change::new(
            "/scope/language",
            Neutral,
            "its language changed",
        ));
    }
    if old.label != new.label {
        changes.push(default_label(
            old.label.as_deref(),
            new.label.as_deref(),
            labels,
        ));
    }
    shown(
        "/scope/superseded",
        "superseded documents",
        (old.superseded, new.superseded),
        changes,
    );
    shown("/scope/drafts", "drafts", (old.drafts, new.drafts), changes);
    if old.folders != new.folders {
        rules(old, new, labels, changes);
    }
}

type Words = (Direction, &'static str, Direction, &'static str);

/// Globs add up, so one that is there only now goes one way, and one that is gone the other.
fn globs(
    at: &str,
    (old, new): (&[String], &[String]),
    (added, adds, removed, removes): Words,
    changes: &mut Vec<Change>,
) {
    for (index, glob) in new
        .iter()
        .enumerate()
        .filter(|(_, glob)| !old.contains(glob))
    {
        let place = format!("{at}/{index}");
        changes.push(Change::new(place, added, format!("it {adds} `{glob}`")));
    }
    for glob in old.iter().filter(|glob| !new.contains(glob)) {
        changes.push(Change::new(at, removed, format!("it {removes} `{glob}`")));
    }
}

fn shown(at: &str, what: impl Display, pair: (Shown, Shown), changes: &mut Vec<Change>) {
    let change = match pair {
        (Shown::Hide, Shown::Show) => Change::new(at, Widens, format!("it shows {what}")),
        (Shown::Show, Shown::Hide) => Change::new(at, Narrows, format!("it hides {what}")),
        (Shown::Hide, Shown::Hide) | (Shown::Show, Shown::Show) => return,
    };
    changes.push(change);
}

/// The label of documents that name none: without it they are invisible.
fn default_label(old: Option<&str>, new: Option<&str>, labels: &Labels) -> Change {
    let at = "/scope/label";
    match (old, new) {
        (_, None) => Change::new(at, Narrows, "documents without a label become invisible"),
        (None, Some(new)) => {
            let sentence = format!("documents without a label are offered as `{new}`");
            Change::new(at, Widens, sentence)
        }
        (Some(old), Some(new)) => {
            let sentence = format!("documents without a label become `{new}` instead of `{old}`");
            let raised = labels.rank(new) > labels.rank(old) && labels.rank(old).is_some();
            Change::new(at, if raised { Narrows } else { Widens }, sentence)
        }
    }
}

/// Rules come one after the other and the last that matches counts, so only two differences can be
/// told from the rules alone: a label that is raised where it stands, and a rule that is added and
/// gives nothing but a label no lower than any other.
fn rules(old: &Scope, new: &Scope, labels: &Labels, changes: &mut Vec<Change>) {
    let mut before = old.folders.iter().peekable();
    for (index, rule) in new.folders.iter().enumerate() {
        let at = format!("/scope/folders/{index}");
        let same = before.next_if(|before| before.path == rule.path);
        match same {
            Some(same) if same == rule => {}
            Some(same) => {
                let direction = changed(same, rule, new, labels);
                let sentence = format!("the rule for `{}` changed", rule.path);
                changes.push(Change::new(at, direction, sentence));
            }
            None => {
                let only_label = Rule {
                    label: None,
                    language: None,
                    ..rule.clone()
                }
                .gives_nothing();
                let narrows =
                    only_label && highest(rule, old, labels) && highest(rule, new, labels);
                let direction = if narrows { Narrows } else { Widens };
                let sentence = format!("there is a rule for `{}`", rule.path);
                changes.push(Change::new(at, direction, sentence));
            }
        }
    }
    for rule in before {
        let sentence = format!("the rule for `{}` is gone, or stands elsewhere", rule.path);
        changes.push(Change::new("/scope/folders", Widens, sentence));
    }
}

/// Which way a rule goes that stays where it stands.
fn changed(old: &Rule, new: &Rule, scope: &Scope, labels: &Labels) -> Direction {
    let same_but_label = Rule {
        label: None,
        language: None,
        ..old.clone()
    } == Rule {
        label: None,
        language: None,
        ..new.clone()
    };
    match (&old.label, &new.label) {
        _ if !same_but_label => Widens,
        (old, new) if old == new => Neutral,
        (Some(was), Some(is))
            if labels.rank(was).is_some() && labels.rank(is) > labels.rank(was) =>
        {
            Narrows
        }
        (None, Some(_)) if highest(new, scope, labels) => Narrows,
        _ => Widens,
    }
}

/// Whether a rule's label is at least as sensitive as whatever its documents could have without it.
fn highest(rule: &Rule, scope: &Scope, labels: &Labels) -> bool {
    let rank = |label: &Option<String>| label.as_deref().and_then(|label| labels.rank(label));
    let Some(own) = rank(&rule.label) else {
        return false;
    };
    let others = scope.folders.iter().filter(|other| other.label.is_some());
    rank(&scope.label).is_some_and(|default| default <= own)
        && others
            .into_iter()
            .all(|other| rank(&other.label).is_some_and(|other| other <= own))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn directions(old: Value, new: Value) -> Vec<Direction> {
        let part = |value: Value| Part {
            system: value
                .get("system")
                .cloned()
                .unwrap_or(json!({"folder": "documents"})),
            scope: value
                .get("scope")
                .cloned()
                .unwrap_or(json!({"label": "internal"})),
            stale_after: None,
            when_stale: drawbridge_core::file::WhenStale::Warn,
            powers: std::collections::BTreeSet::new(),
        };
        let changes = compare(&part(old), &part(new), &Labels::default());
        changes.iter().map(|change| change.direction).collect()
    }

    fn scopes(old: &Value, new: &Value) -> Vec<Direction> {
        directions(json!({"scope": old}), json!({"scope": new}))
    }

    #[test]
    fn each_change_of_the_system_goes_its_way() {
        let system = |more: Value| {
            let mut system = json!({"folder": "documents"});
            system
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            json!({"system": system})
        };
        let none = json!({});
        let allow = json!({"hard_links": "allow"});
        for (old, new, direction) in [
            (none.clone(), json!({"folder": "other"}), Widens),
            (none.clone(), json!({"rescan_every": "1h"}), Neutral),
            (none.clone(), allow.clone(), Widens),
            (allow, none.clone(), Narrows),
            (none.clone(), json!({"surprise": 1}), Widens),
        ] {
            assert_eq!(
                directions(system(old), system(new.clone())),
                [direction],
                "{new}"
            );
        }
        assert_eq!(directions(system(none.clone()), system(none)), []);
    }

    #[test]
    fn each_change_of_the_scope_goes_its_way() {
        let rule = |label: &str| json!({"label": "internal", "folders": [{"path": "hr/**", "label": label}]});
        let rules = |folders: Value| json!({"label": "internal", "folders": folders});
        let plain = json!({"label": "internal"});
        let cases = [
            (
                json!({"include": ["a/**"]}),
                json!({"include": ["a/**", "b/**"]}),
                vec![Widens],
            ),
            (
                json!({"include": ["a/**", "b/**"]}),
                json!({"include": ["a/**"]}),
                vec![Narrows],
            ),
            (
                json!({"include": ["a/**"]}),
                json!({}),
                vec![Widens, Narrows],
            ),
            (json!({}), json!({"exclude": ["a/**"]}), vec![Narrows]),
            (json!({"exclude": ["a/**"]}), json!({}), vec![Widens]),
            (
                json!({"language": "en"}),
                json!({"language": "de"}),
                vec![Neutral],
            ),
            (
                plain.clone(),
                json!({"label": "confidential"}),
                vec![Narrows],
            ),
            (plain.clone(), json!({"label": "public"}), vec![Widens]),
            (plain.clone(), json!({"label": "unheard-of"}), vec![Widens]),
            (plain.clone(), json!({}), vec![Narrows]),
            (json!({}), plain.clone(), vec![Widens]),
            (json!({}), json!({"drafts": "show"}), vec![Widens]),
            (json!({"drafts": "show"}), json!({}), vec![Narrows]),
            (json!({}), json!({"superseded": "show"}), vec![Widens]),
            (
                json!({"superseded": "show"}),
                json!({"superseded": "hide"}),
                vec![Narrows],
            ),
            (rule("internal"), rule("restricted"), vec![Narrows]),
            (rule("restricted"), rule("internal"), vec![Widens]),
            (plain.clone(), rule("restricted"), vec![Narrows]),
            (plain.clone(), rule("public"), vec![Widens]),
            (rule("restricted"), plain.clone(), vec![Widens]),
            // A label takes the place of the default, which may have been more sensitive.
            (
                json!({"folders": []}),
                json!({"folders": [{"path": "a/**", "label": "restricted"}]}),
                vec![Widens],
            ),
            // What a rule says of the department decides who may see: nobody can tell which way.
            (
                plain.clone(),
                rules(json!([{"path": "hr/**", "department": "hr"}])),
                vec![Widens],
            ),
            (
                rules(json!([{"path": "hr/**", "department": "hr"}])),
                rules(json!([{"path": "hr/**", "department": "sales"}])),
                vec![Widens],
            ),
            (
                rules(json!([{"path": "hr/**", "department": "hr"}])),
                rules(json!([{"path": "hr/**", "department": "hr", "language": "de"}])),
                vec![Neutral],
            ),
            // The last rule that matches counts: turned round, they mean something else.
            (
                rules(
                    json!([{"path": "a/**", "label": "public"}, {"path": "b/**", "label": "restricted"}]),
                ),
                rules(
                    json!([{"path": "b/**", "label": "restricted"}, {"path": "a/**", "label": "public"}]),
                ),
                vec![Narrows, Neutral, Widens],
            ),
        ];
        for (old, new, expected) in cases {
            let found = scopes(&old, &new);
            let widens = |all: &[Direction]| all.contains(&Widens);
            assert_eq!(
                widens(&found),
                widens(&expected),
                "{old} → {new}: {found:?}"
            );
            if expected.len() == 1 {
                assert_eq!(found, expected, "{old} → {new}");
            }
        }
    }
}
