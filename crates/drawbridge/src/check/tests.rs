use drawbridge_core::{
    connector::{Health, Problem},
    file::{Span, read_connector, read_gateway},
    lifecycle::State,
};

use super::*;

const GATEWAY: &str = "gateway: acme\noperator: ann@acme.example\npeople:\n  \
    ann@acme.example: {groups: [staff]}\n  bob@acme.example: {groups: [support]}\n";

const GOOD: &str = "connector: handbook\n\
    purpose: {task: Look things up, owner: ann@acme.example, review_every: 90d}\n\
    system: {kind: documents, folder: docs}\n\
    scope: {include: [\"hr/**\"], label: internal}\n\
    access: [read, search]\n\
    identity: {account: gateway, approved_by: ann@acme.example}\n\
    permissions: [{who: [\"group:staff\"], may: [read, search]}]\n\
    logging: {keep: 400d}\n\
    recovery: {pause: [\"group:staff\"]}\n";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn facts() -> Facts {
    let reviewed = at("2026-01-01T00:00:00Z");
    Facts {
        now: at("2026-01-10T00:00:00Z"),
        inspection: Ok(Inspection {
            health: Health::Ready,
            summary: "3 documents".to_owned(),
            synced: Some(at("2026-01-10T00:00:00Z")),
            progress: None,
            resources: 3,
            problems: Vec::new(),
            problem_count: 0,
            labels: BTreeMap::new(),
            excess: Vec::new(),
        }),
        standing: Standing {
            state: State::Active,
            by: "bob@acme.example".to_owned(),
            at: reviewed,
            reason: String::new(),
        },
        reviewed: Some(Review {
            by: "bob@acme.example".to_owned(),
            at: reviewed,
            reason: String::new(),
        }),
        due: due(reviewed),
        used: Vec::new(),
        recent: Vec::new(),
        credentials: BTreeMap::new(),
    }
}

fn due(reviewed: Timestamp) -> Option<Due> {
    let days = |days: u64| Span::new(Duration::from_secs(days * 86_400));
    Due::after(reviewed, days(90), days(30))
}

/// The areas that are not green, with every finding and what could not be seen.
fn told(text: &str, facts: Option<&Facts>) -> String {
    told_in(GATEWAY, text, facts)
}

/// The same in a gateway with this file.
fn told_in(gateway: &str, text: &str, facts: Option<&Facts>) -> String {
    let gateway = read_gateway("drawbridge.yaml", gateway).unwrap();
    let kinds = drawbridge_kinds::kinds::KINDS;
    let (file, kind) = read_connector("handbook.yaml", "handbook", text, &gateway, kinds).unwrap();
    let (actions, twin) = (file.actions(kind), file.clone());
    let beside = |file| Beside {
        file,
        actions: &actions,
    };
    let all = BTreeMap::from([("handbook", beside(&file)), ("twin", beside(&twin))]);
    let areas = grade(&Subject {
        file: &file,
        gateway: &gateway,
        actions: &actions,
        all: &all,
        facts,
    });
    assert_eq!(areas.len(), 8);
    let mut lines = Vec::new();
    for area in &areas {
        for finding in &area.findings {
            if finding.colour != Colour::Green {
                assert!(!finding.mend.is_empty(), "{finding:?} has no mend");
                lines.push(format!(
                    "{} {}: {}",
                    finding.colour.word(),
                    area.name,
                    finding.sentence
                ));
            }
        }
        for fact in &area.unseen {
            lines.push(format!("unseen {}: {fact}", area.name));
        }
    }
    lines.join("\n")
}

#[test]
fn a_good_file_with_good_facts_is_green_and_says_what_is_too_early_to_tell() {
    assert_eq!(
        told(GOOD, Some(&facts())),
        "unseen Permissions: which grants were used in 90 days: it has not been in force for so long"
    );
}

#[test]
fn without_facts_each_area_says_what_it_could_not_see() {
    let told = told(GOOD, None);
    assert!(!told.contains("amber") && !told.contains("red"), "{told}");
    assert_eq!(told.matches("unseen").count(), 6, "{told}");
}

#[test]
fn a_gateway_that_lets_anyone_in_is_amber_whatever_its_connectors_grant() {
    let open = format!("{GATEWAY}anonymous: true\n");
    let told = told_in(&open, GOOD, Some(&facts()));
    let finding = "amber Permissions: callers without a token are let in";
    assert!(told.contains(finding), "{told}");
}

#[test]
fn each_weakness_of_a_file_is_found_in_its_area() {
    for (from, to, finding) in [
        (
            ", review_every: 90d",
            "",
            "amber Purpose: nobody has to review it",
        ),
        (
            "folder: docs",
            "folder: /",
            "red Scope: `system.folder` is the root",
        ),
        (
            "hr/**",
            "**/*",
            "amber Scope: `scope.include` takes everything",
        ),
        (
            "scope: {include: [\"hr/**\"], label: internal}\n",
            "",
            "amber Scope: all of the system is in reach",
        ),
        (
            "may: [read, search]",
            "may: [read]",
            "amber Access: it can `search`, and no permission grants that",
        ),
        (
            ", approved_by: ann@acme.example",
            "",
            "amber Identity: nobody is named who allowed the account",
        ),
        (
            "account: gateway",
            "account: gateway, credential: shared",
            "amber Identity: it shares the credential `shared` with twin",
        ),
        (
            "\"group:staff\"], may",
            "everyone], may",
            "amber Permissions: everyone may use all of it",
        ),
        (
            "[{who: [\"group:staff\"], may: [read, search]}]",
            "[]",
            "amber Permissions: nobody may use it",
        ),
        (
            "{keep: 400d}",
            "{keep: 400d, content: full}",
            "amber Logging: records keep whole arguments",
        ),
        (
            "logging: {keep: 400d}\n",
            "",
            "amber Logging: nobody says how long",
        ),
        (
            "recovery: {pause: [\"group:staff\"]}\n",
            "",
            "amber Recovery: only its owner",
        ),
    ] {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD, "{from}");
        let told = told(&text, Some(&facts()));
        assert!(told.contains(finding), "{finding}\n--- but\n{told}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn each_fact_is_found_in_its_area() {
    type Change = fn(&mut Facts);
    let cases: [(Change, &str); 11] = [
        (
            |facts| facts.now = at("2026-04-02T00:00:00Z"),
            "amber Purpose: its review was due on 1 April 2026; on 1 May 2026 it is paused",
        ),
        (
            |facts| facts.now = at("2026-05-02T00:00:00Z"),
            "red Purpose: its review was due on 1 April 2026",
        ),
        (
            |facts| facts.now = at("2026-04-02T00:00:00Z"),
            "amber Permissions: nobody used `permissions[0]` (group:staff) in 90 days",
        ),
        (
            |facts| facts.reviewed.as_mut().unwrap().by = "ann@acme.example".to_owned(),
            "amber Approval: its owner `ann@acme.example` approved it",
        ),
        (
            |facts| facts.inspection.as_mut().unwrap().health = Health::Down,
            "amber Scope: it cannot answer",
        ),
        (
            |facts| facts.inspection = Err("the folder is gone".to_owned()),
            "unseen Identity: what its account can really do: the folder is gone",
        ),
        (
            |facts| {
                facts.inspection.as_mut().unwrap().excess = vec!["write files".to_owned()];
            },
            "amber Identity: its account can do more than the file claims: write files",
        ),
        (
            |facts| {
                let inspection = facts.inspection.as_mut().unwrap();
                inspection.problem_count = 4;
                inspection.problems = vec![
                    Problem {
                        path: "a.pdf".to_owned(),
                        reason: "no text".to_owned(),
                        mend: "mend the file".to_owned(),
                    },
                    Problem {
                        path: "b.md".to_owned(),
                        reason: "it names no label".to_owned(),
                        mend: "set `scope.label`".to_owned(),
                    },
                    Problem {
                        path: "c.pdf".to_owned(),
                        reason: "it is a folder".to_owned(),
                        mend: "mend the file".to_owned(),
                    },
                ];
            },
            "amber Scope: 2 resources with a problem: `a.pdf`: no text …\n\
             amber Scope: 1 resource with a problem: `b.md`: it names no label\n\
             amber Scope: 1 more with a problem",
        ),
        (
            |facts| facts.recent = vec![used("ann@acme.example", "timeout", 3)],
            "amber Scope: 3 of 3 calls of the last 7 days failed",
        ),
        (
            |facts| facts.standing.state = State::Paused,
            "amber Recovery: it is paused, by `bob@acme.example`",
        ),
        (
            |facts| {
                facts.inspection.as_mut().unwrap().synced = Some(at("2026-01-01T00:00:00Z"));
            },
            "amber Scope: what it holds is older than `stale_after: 1d`",
        ),
    ];
    let text = GOOD.replace("folder: docs", "folder: docs, stale_after: 24h");
    for (change, finding) in cases {
        let mut facts = facts();
        change(&mut facts);
        let told = told(&text, Some(&facts));
        assert!(told.contains(finding), "{finding}\n--- but\n{told}");
    }
}

fn used(person: &str, status: &str, count: u64) -> Used {
    Used {
        person: person.to_owned(),
        client: "claude".to_owned(),
        power: "search".to_owned(),
        status: status.to_owned(),
        count,
    }
}

#[test]
fn a_grant_is_used_by_those_it_names_and_not_by_denied_calls() {
    let mut facts = facts();
    facts.now = at("2026-04-02T00:00:00Z");
    let unused = "nobody used `permissions[0]`";
    facts.used = vec![used("ann@acme.example", "ok", 1)];
    assert!(!told(GOOD, Some(&facts)).contains(unused));
    facts.used = vec![used("bob@acme.example", "ok", 1)];
    assert!(told(GOOD, Some(&facts)).contains(unused));
    facts.used = vec![used("ann@acme.example", "denied", 9)];
    assert!(told(GOOD, Some(&facts)).contains(unused));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn each_fact_of_a_credential_is_found() {
    type Change = fn(&mut CredentialFacts);
    let cases: [(Change, &str); 8] = [
        (
            |known| known.in_force = Err("there is none; set it".to_owned()),
            "red Identity: its credential cannot be had: there is none",
        ),
        (
            |known| known.owner = None,
            "amber Identity: nobody answers for the credential `crm`, and bob@acme.example approved it",
        ),
        (|known| known.approved_by = None, "and nobody approved it"),
        (
            |known| known.rotated = Some(at("2025-12-02T11:00:00Z")),
            "amber Identity: its credential was last replaced on 2 December 2025, and was due on 1 January 2026",
        ),
        (
            |known| known.rotated = Some(at("2025-11-02T00:00:00Z")),
            "red Identity: its credential was last replaced on 2 November 2025, and was due on 2 December 2025",
        ),
        (
            |known| {
                known.in_force = Ok(2);
                known.rotated = Some(at("2025-12-20T00:00:00Z"));
            },
            "amber Identity: several versions of its credential are in force, since 20 December 2025",
        ),
        (
            |known| known.refused = Some(at("2025-12-31T00:00:00Z")),
            "amber Identity: its target refused the newest version of its credential on 31 December 2025",
        ),
        (
            |known| {
                known.refused = Some(at("2025-12-30T00:00:00Z"));
                known.in_force = Ok(2);
            },
            "",
        ),
    ];
    let text = GOOD.replace(
        "account: gateway",
        "account: gateway, credential: crm, rotate_every: 30d",
    );
    for (change, finding) in cases {
        let mut facts = facts();
        facts.now = at("2026-01-01T12:00:00Z");
        let mut known = CredentialFacts {
            in_force: Ok(1),
            owner: Some("ann@acme.example".to_owned()),
            approved_by: Some("bob@acme.example".to_owned()),
            rotated: Some(at("2025-12-28T00:00:00Z")),
            last_used: Some(at("2025-12-30T12:00:00Z")),
            refused: None,
            renews: false,
        };
        change(&mut known);
        facts.credentials.insert("crm".to_owned(), known);
        let told = told(&text, Some(&facts));
        let told: Vec<&str> = told
            .lines()
            .filter(|line| line.contains("Identity") && !line.contains("shares"))
            .collect();
        let told = told.join("\n");
        assert!(told.contains(finding), "{finding}\n--- but\n{told}");
        assert!(!finding.is_empty() || told.is_empty(), "{told}");
    }
}
