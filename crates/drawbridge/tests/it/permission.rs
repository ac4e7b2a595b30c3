//! The promise of the documents kind: an answer is the same to the byte whether or not the
//! documents its caller may not see exist, existed, or changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use crate::desk::{Desk, documents, gateway, write};

/// Questions of the short form and of the long one.
const SHORT: usize = 320;
const LONG: usize = 10_000;
/// Questions to each pair of desks.
const QUESTIONS: usize = 16;

const FOLDERS: [&str; 4] = ["", "hr", "sales", "sales/north"];
const DEPARTMENTS: [&str; 3] = ["hr", "sales", "support"];
const LABELS: [&str; 4] = ["public", "internal", "confidential", "restricted"];
const WORDS: [&str; 24] = [
    "heron", "walnut", "refund", "travel", "oak", "lamp", "chair", "price", "margin", "supplier",
    "wage", "layoff", "warranty", "return", "running", "runs", "häuser", "haus", "Projekt", "ﬁle",
    "the", "a", "of", "2026",
];

/// A document, as the test knows it.
#[derive(Debug, Clone)]
struct Page {
    folder: &'static str,
    label: &'static str,
    department: Option<&'static str>,
    draft: bool,
    german: bool,
    supersedes: Option<usize>,
    words: Vec<&'static str>,
}

/// A grant, as the test knows it.
#[derive(Debug, Clone)]
struct Grant {
    group: Option<usize>,
    up_to: Option<usize>,
    folder: Option<&'static str>,
    own_department: bool,
}

#[derive(Debug, Clone)]
struct World {
    pages: Vec<Page>,
    grants: Vec<Grant>,
    /// The department and the groups of each person.
    people: Vec<(&'static str, BTreeSet<usize>)>,
}

fn page() -> impl Strategy<Value = Page> {
    (
        prop::sample::select(&FOLDERS[..]),
        prop::sample::select(&LABELS[..]),
        prop::option::of(prop::sample::select(&DEPARTMENTS[..])),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.3),
        prop::option::weighted(0.15, 0..30_usize),
        prop::collection::vec(prop::sample::select(&WORDS[..]), 3..60),
    )
        .prop_map(
            |(folder, label, department, draft, german, supersedes, words)| Page {
                folder,
                label,
                department,
                draft,
                german,
                supersedes,
                words,
            },
        )
}

/// Never all of it: where nothing is forbidden there is nothing to be found out.
fn grant() -> impl Strategy<Value = Grant> {
    let folder = prop::sample::select(&FOLDERS[1..]).prop_map(Some);
    (
        prop::option::weighted(0.3, 0..3_usize),
        prop_oneof![
            3 => (0..3_usize).prop_map(|most| (Some(most), None, false)),
            1 => folder.clone().prop_map(|folder| (None, folder, false)),
            1 => Just((None, None, true)),
            1 => (1..4_usize, folder).prop_map(|(most, folder)| (Some(most), folder, false)),
        ],
    )
        .prop_map(|(group, (up_to, folder, own_department))| Grant {
            group,
            up_to,
            folder,
            own_department,
        })
}

fn world() -> impl Strategy<Value = World> {
    (
        prop::collection::vec(page(), 12..30),
        prop::collection::vec(grant(), 1..4),
        prop::collection::vec(
            (
                prop::sample::select(&DEPARTMENTS[..]),
                prop::collection::btree_set(0..3_usize, 0..3),
            ),
            2..=2,
        ),
    )
        .prop_map(|(pages, grants, people)| World {
            pages,
            grants,
            people,
        })
}

impl World {
    fn path(&self, index: usize) -> String {
        let folder = self.pages[index].folder;
        let slash = if folder.is_empty() { "" } else { "/" };
        format!("{folder}{slash}d{index:02}.md")
    }

    fn text(&self, index: usize) -> String {
        let page = &self.pages[index];
        let mut front = format!("label: {}\n", page.label);
        if let Some(department) = page.department {
            front.push_str(&format!("department: {department}\n"));
        }
        if page.draft {
            front.push_str("status: draft\n");
        }
        if page.german {
            front.push_str("language: de\n");
        }
        if let Some(older) = page.supersedes.filter(|older| *older < self.pages.len()) {
            front.push_str(&format!("supersedes: {}\n", self.path(older)));
        }
        let half = page.words.len() / 2;
        let (top, below) = page.words.split_at(half);
        format!(
            "---\n{front}---\n# {}\n\n{}\n\n## More\n\n{}\n",
            top[0],
            top.join(" "),
            below.join(" ")
        )
    }

    /// Whether the files of the test let a person see a document: written a second time here, so
    /// that a fault of the gateway's rules shows.
    fn may(&self, person: usize, index: usize) -> bool {
        let (department, groups) = &self.people[person];
        let page = &self.pages[index];
        self.grants.iter().any(|grant| {
            let label = LABELS
                .iter()
                .position(|label| *label == page.label)
                .unwrap();
            grant.group.is_none_or(|group| groups.contains(&group))
                && grant.up_to.is_none_or(|most| label <= most)
                && grant.folder.is_none_or(|folder| {
                    page.folder == folder || page.folder.starts_with(&format!("{folder}/"))
                })
                && (!grant.own_department || page.department == Some(department))
        })
    }

    fn gateway(&self) -> String {
        let person = |(index, (department, groups)): (usize, &(&str, BTreeSet<usize>))| {
            let groups: Vec<String> = groups.iter().map(|group| format!("g{group}")).collect();
            format!(
                "  p{index}: {{name: P, groups: [{}], attributes: {{department: {department}}}}}\n",
                groups.join(", ")
            )
        };
        let people: String = self.people.iter().enumerate().map(person).collect();
        gateway(&format!(
            "{people}  ann: {{name: Ann, groups: [all, g0, g1, g2]}}\n"
        ))
    }

    fn connector(&self) -> String {
        let mut grants = vec!["{who: [\"group:all\"], may: [read, search]}".to_owned()];
        for grant in &self.grants {
            let who = grant
                .group
                .map_or("everyone".to_owned(), |group| format!("\"group:g{group}\""));
            let mut only = Vec::new();
            if let Some(most) = grant.up_to {
                only.push(format!("label: {{up_to: {}}}", LABELS[most]));
            }
            if let Some(folder) = grant.folder {
                only.push(format!("folder: \"{folder}/**\""));
            }
            if grant.own_department {
                only.push("department: person.department".to_owned());
            }
            grants.push(format!(
                "{{who: [{who}], may: [read, search], only: {{{}}}}}",
                only.join(", ")
            ));
        }
        documents(", rescan_every: 1h", "", &grants.join(", "))
    }

    /// Writes the documents in `which`, and waits until a desk has them.
    async fn put(&self, desk: &Desk, which: &BTreeSet<usize>) {
        for index in which {
            write(&desk.documents(), &self.path(*index), self.text(*index));
        }
        desk.synced(which.len()).await;
    }

    async fn desk(&self, folder: &Path) -> Desk {
        std::fs::create_dir_all(folder.join("documents")).unwrap();
        Desk::open(folder, &self.gateway(), &self.connector()).await
    }

    /// All documents there are, in one go.
    async fn with(&self, folder: &Path) -> Desk {
        let desk = self.desk(folder).await;
        self.put(&desk, &(0..self.pages.len()).collect()).await;
        desk
    }

    /// The documents a person may see. The others existed once, said something else, and are
    /// deleted: in an index with another history, and other segments.
    async fn without(&self, folder: &Path, person: usize) -> Desk {
        let desk = self.desk(folder).await;
        let all: BTreeSet<usize> = (0..self.pages.len()).collect();
        let seen: BTreeSet<usize> = all
            .iter()
            .copied()
            .filter(|index| self.may(person, *index))
            .collect();
        let mut there: BTreeSet<usize> = all.difference(&seen).copied().collect();
        for index in &there {
            let text = format!(
                "---\nlabel: internal\n---\nheron heron {} refund",
                WORDS.join(" ")
            );
            write(&desk.documents(), &self.path(*index), text);
        }
        desk.synced(there.len()).await;
        let seen: Vec<usize> = seen.into_iter().rev().collect();
        for some in seen.chunks(seen.len().div_ceil(3).max(1)) {
            for index in some {
                write(&desk.documents(), &self.path(*index), self.text(*index));
                there.insert(*index);
            }
            desk.synced(there.len()).await;
        }
        let hidden: Vec<usize> = there
            .iter()
            .copied()
            .filter(|index| !self.may(person, *index))
            .collect();
        for index in &hidden {
            std::fs::remove_file(desk.documents().join(self.path(*index))).unwrap();
        }
        desk.synced(there.len() - hidden.len()).await;
        desk
    }
}

/// A question, in which `{0}` to `{99}` stand for paths.
fn question() -> impl Strategy<Value = (&'static str, Value)> {
    let words = prop::collection::vec(prop::sample::select(&WORDS[..]), 1..6);
    let filter = prop_oneof![
        4 => Just(json!({})),
        1 => prop::sample::select(&LABELS[..]).prop_map(|label| json!({"label": label})),
        1 => prop::sample::select(&DEPARTMENTS[..]).prop_map(|name| json!({"department": name})),
        1 => prop::sample::select(&FOLDERS[..]).prop_map(|name| json!({"folder": name})),
        1 => Just(json!({"status": "draft"})),
        1 => Just(json!({"modified_after": "2026-01-01", "modified_before": "2027-01-01"})),
        1 => Just(json!({"modified_before": "yesterday"})),
    ];
    let limit = 1..8_u64;
    prop_oneof![
        6 => (words, filter.clone(), limit.clone()).prop_map(|(words, filter, limit)| {
            let mut arguments = filter;
            arguments["query"] = json!(words.join(" "));
            arguments["limit"] = json!(limit);
            ("search", arguments)
        }),
        2 => (filter, limit).prop_map(|(mut filter, limit)| {
            filter["limit"] = json!(limit);
            ("list", filter)
        }),
        3 => (0..30_usize, prop::sample::select(&["", "More", "none"][..])).prop_map(|(index, heading)| {
            let mut arguments = json!({"path": index});
            if !heading.is_empty() {
                arguments["heading"] = json!(heading);
            }
            ("read", arguments)
        }),
        1 => Just(("search", json!({"query": "heron", "cursor": "bm90IG91cnM"}))),
    ]
}

/// Asks two desks the same, and follows each one's cursors.
async fn same(pair: (&Desk, &Desk), person: &str, action: &str, arguments: &Value) -> usize {
    let (mut one, mut other) = (arguments.clone(), arguments.clone());
    for page in 1.. {
        let answers = (
            pair.0.ask(person, action, one.clone()).await,
            pair.1.ask(person, action, other.clone()).await,
        );
        assert_eq!(
            answers.0.to_string(),
            answers.1.to_string(),
            "{person} {action} {arguments}, page {page}"
        );
        let next = |answer: &Value| answer["data"]["next"].as_str().map(str::to_owned);
        match (next(&answers.0), next(&answers.1)) {
            (Some(first), Some(second)) => {
                (one["cursor"], other["cursor"]) = (json!(first), json!(second))
            }
            _ => return page,
        }
    }
    unreachable!("the loop ends by returning")
}

/// Asks in one world. Returns how many answers were compared, and how many of them had hits.
async fn compare(
    world: &World,
    questions: &[(&'static str, Value)],
    found: &mut BTreeMap<&'static str, usize>,
) {
    let keep = tempfile::tempdir().unwrap();
    let with = world.with(&keep.path().join("with")).await;
    for person in 0..world.people.len() {
        let without = world
            .without(&keep.path().join(format!("without-{person}")), person)
            .await;
        let name = format!("p{person}");
        for (action, arguments) in questions {
            let mut arguments = arguments.clone();
            if let Some(index) = arguments["path"].as_u64() {
                let index = usize::try_from(index).unwrap() % world.pages.len();
                arguments["path"] = json!(world.path(index));
            }
            *found.entry("answers").or_default() +=
                same((&with, &without), &name, action, &arguments).await;
            *found.entry("questions").or_default() += 1;
            let answer = with.ask(&name, action, arguments.clone()).await;
            let hidden = (0..world.pages.len()).any(|index| !world.may(person, index));
            if hidden && answer["count"].as_u64() > Some(0) {
                *found.entry("found beside the forbidden").or_default() += 1;
            }
            if *action == "read" {
                // A forbidden path and a missing one are answered alike.
                let index = arguments["path"].as_str().unwrap();
                let index: usize = index[index.len() - 5..index.len() - 3].parse().unwrap();
                if !world.may(person, index) {
                    arguments["path"] = json!("nowhere.md");
                    assert_eq!(answer, with.ask(&name, action, arguments).await);
                    *found.entry("forbidden").or_default() += 1;
                }
            }
        }
        without.connector.close().await;
    }
    with.connector.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_a_person_may_not_see_moves_a_byte_of_an_answer() {
    let long = std::env::var_os("DRAWBRIDGE_LONG").is_some();
    let most = if long { LONG } else { SHORT };
    let seed = [if long { 7 } else { 3 }; 32];
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut found = BTreeMap::new();
    while found.get("questions").is_none_or(|asked| *asked < most) {
        let world = world().new_tree(&mut runner).unwrap().current();
        let questions = prop::collection::vec(question(), QUESTIONS)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        compare(&world, &questions, &mut found).await;
    }
    println!("{found:?}");
    // The promise is empty where nothing is found, or nothing is forbidden.
    assert!(found["found beside the forbidden"] * 4 > most, "{found:?}");
    assert!(found["forbidden"] * 40 > most, "{found:?}");
}
