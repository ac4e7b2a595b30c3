//! The rules of the house that neither the compiler nor a lint can hold.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

const MOST_LINES: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Files below a folder, by their path from the root.
fn files(below: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(below)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                found.push((name, text));
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<(String, String)> {
    let mut all = files("crates");
    all.retain(|(name, _)| name.ends_with(".rs"));
    assert!(all.len() > 80, "the sources are found");
    all
}

fn production() -> Vec<(String, String)> {
    let mut all = sources();
    all.retain(|(name, _)| {
        let test = name.ends_with("tests.rs") || name.contains("/tests/");
        let test = test || name.starts_with("crates/drawbridge-bench");
        name.contains("/src/") && !test
    });
    for (_, text) in &mut all {
        let cut = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
        text.truncate(cut);
    }
    all
}

/// Lines of production code outside `allowed` that hold one of these words.
fn strays(words: &[&str], allowed: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in production() {
        if allowed.iter().any(|place| name.contains(place)) {
            continue;
        }
        for (index, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if words.iter().any(|word| code.contains(word)) {
                found.push(format!("{name}:{}: {}", index + 1, line.trim()));
            }
        }
    }
    found
}

fn none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn no_file_is_too_long_and_each_says_what_it_is() {
    let mut wrong = Vec::new();
    for (name, text) in production() {
        let lines = text.lines().count();
        if lines > MOST_LINES {
            wrong.push(format!("{name} has {lines} lines; split it by subject"));
        }
    }
    for (name, text) in sources() {
        if !text.starts_with("//! ") && !name.ends_with("tests.rs") {
            wrong.push(format!("{name} does not begin with a `//!` sentence"));
        }
        if name.ends_with("/mod.rs") {
            wrong.push(format!("{name}: write `foo.rs` beside `foo/`"));
        }
    }
    none(
        &wrong,
        "ARCHITECTURE.md: small files that say what is in them",
    );
}

#[test]
fn walls_stand_where_the_architecture_says() {
    none(
        &strays(&["axum::", "use axum"], &["/door/", "/door.rs", "/cli/"]),
        "axum only in door/; the command line uses its types to ask the same doors",
    );
    none(
        &strays(
            &["sqlx::", "SELECT ", "INSERT INTO", "DELETE FROM"],
            &["/store/", "/store.rs", "/kinds/sql/", "/kinds/sql.rs"],
        ),
        "SQL only in store/, and in the kind whose systems speak it",
    );
    none(
        &strays(&["rmcp::"], &["/door/", "/kinds/mcp", "/credentials/oauth"]),
        "MCP's wire types only in door/, and in the kind whose systems speak it",
    );
    none(
        &strays(
            &["env::var", "env::vars", "env::args"],
            &["/cli.rs", "/cli/"],
        ),
        "the environment is read only in cli/",
    );
    none(
        &strays(&["println!", "print!("], &["/cli/show.rs"]),
        "only cli/show.rs prints",
    );
}

/// What the console asks of the gateway: what it does for the API, and no more.
const ASKED_BY_PAGES: &[&str] = &[
    // Operations; a look at one that is no act of its own; a call, as the API sends a draft on; and what
    // may be called.
    "operate",
    "look_again",
    "send",
    "snapshot().tools",
    // Who somebody is, from a cookie, a link or the organisation's sign-in, before they can ask anything.
    "identify",
    "gateway",
    "sign_ins",
    "credentials",
    // The hour, and that something changed, so that a page is looked at again.
    "clock",
    "store.changes",
    "store.log_size",
    // Background work that ends with the gateway.
    "tasks",
    "stop",
    "clone()",
];

#[test]
fn pages_ask_for_operations_and_reach_nothing_else() {
    let mut strays = Vec::new();
    for (name, text) in production() {
        if !name.contains("/door/console") {
            continue;
        }
        let code: String = text
            .lines()
            .filter_map(|line| line.split("//").next())
            .flat_map(str::split_whitespace)
            .collect();
        for (at, _) in code.match_indices("app.") {
            let asked = code.get(at + 4..).unwrap_or_default();
            let whole = code
                .get(..at)
                .is_some_and(|before| !before.ends_with(char::is_alphanumeric));
            let named = |word: &&str| {
                let rest = asked.strip_prefix(*word);
                rest.is_some_and(|rest| {
                    !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_')
                })
            };
            if whole && !ASKED_BY_PAGES.iter().any(named) {
                strays.push(format!("{name}: app.{}", &asked[..asked.len().min(40)]));
            }
        }
    }
    none(&strays, "the console uses only the API's own operations");
}

#[test]
fn the_rules_name_no_runtime_socket_file_or_clock() {
    let core = "drawbridge-core/src";
    let elsewhere: Vec<&str> = vec!["crates/drawbridge/", "crates/drawbridge-kinds/"];
    none(
        &strays(
            &[
                "tokio",
                "std::fs",
                "std::net::Tcp",
                "std::process",
                "SystemTime",
                "Instant::now",
                "reqwest",
            ],
            &elsewhere,
        ),
        &format!("{core} has no input or output of its own"),
    );
    let manifest =
        std::fs::read_to_string(root().join("crates/drawbridge-core/Cargo.toml")).unwrap();
    let allowed: BTreeSet<&str> = [
        "async-trait",
        "aws-lc-rs",
        "base64",
        "cedar-policy",
        "futures-util",
        "globset",
        "governor",
        "hex",
        "jiff",
        "jsonschema",
        "lru",
        "miette",
        "schemars",
        "serde",
        "serde-saphyr",
        "serde_json",
        "sha2",
        "similar",
        "strsim",
        "thiserror",
    ]
    .into();
    let mut wrong = dependencies(&manifest);
    wrong.retain(|name| !allowed.contains(name.as_str()));
    none(
        &wrong,
        "a dependency of the core needs a reason, and a line in this list",
    );
}

fn dependencies(manifest: &str) -> Vec<String> {
    manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn crates_depend_one_way_and_kinds_know_nothing_of_the_gateway() {
    let manifest = |name: &str| {
        let path = root().join("crates").join(name).join("Cargo.toml");
        dependencies(&std::fs::read_to_string(path).unwrap())
    };
    assert!(
        !manifest("drawbridge-core")
            .iter()
            .any(|name| name.starts_with("drawbridge"))
    );
    assert!(!manifest("drawbridge-kinds").contains(&"drawbridge".to_owned()));
    let kinds = "drawbridge-kinds/src";
    let mut wrong = strays(
        &[
            "drawbridge_core::way",
            "log::{Log",
            "log::Log",
            "RuleBook",
            "store::",
        ],
        &["crates/drawbridge/", "crates/drawbridge-core/"],
    );
    wrong.retain(|line| line.contains(kinds));
    none(&wrong, "a kind sees no way, log, rules or store");
}

#[test]
fn every_kind_is_listed() {
    let list =
        std::fs::read_to_string(root().join("crates/drawbridge-kinds/src/kinds.rs")).unwrap();
    let folder = root().join("crates/drawbridge-kinds/src/kinds");
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if let Some(kind) = name.strip_suffix(".rs") {
            assert!(
                list.contains(&format!("{kind}::")),
                "`{kind}` is not in KINDS"
            );
        }
    }
    let names: Vec<&str> = drawbridge_kinds::kinds::KINDS
        .iter()
        .map(|kind| kind.name())
        .collect();
    assert_eq!(
        names.len(),
        names.iter().collect::<BTreeSet<_>>().len(),
        "{names:?}"
    );
}

#[test]
fn nothing_that_looks_like_a_secret_is_kept_with_the_sources() {
    let marks = [
        "BEGIN PRIVATE KEY",
        "BEGIN RSA PRIVATE",
        "AKIA",
        "ghp_",
        "xoxb-",
        "sk-ant-",
    ];
    let mut wrong = Vec::new();
    for (name, text) in files("crates").into_iter().chain(files("demo")) {
        let own = name.ends_with("tidy.rs");
        for mark in marks.iter().filter(|mark| !own && text.contains(**mark)) {
            wrong.push(format!("{name}: `{mark}`"));
        }
        for word in text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_') {
            // A token of ours: `dbr_`, twelve digits, `_`, 43 letters.
            if word.starts_with("dbr_") && word.len() > 50 {
                wrong.push(format!("{name}: a token"));
            }
        }
    }
    none(&wrong, "secrets never stand in files under version control");
}

#[test]
fn the_architecture_names_every_part() {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    assert!(page.lines().count() <= 100, "one page");
    for folder in ["crates/drawbridge-core/src", "crates/drawbridge/src"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            let part = name.trim_end_matches(".rs");
            if !["lib", "main", "clock"].contains(&part) {
                assert!(
                    page.contains(part),
                    "ARCHITECTURE.md does not name `{part}` of {folder}"
                );
            }
        }
    }
}

#[test]
fn each_visible_change_has_a_fragment_that_says_its_kind() {
    for entry in std::fs::read_dir(root().join("changelog.d"))
        .unwrap()
        .flatten()
    {
        let name = entry.file_name().into_string().unwrap();
        let kind = name
            .trim_end_matches(".md")
            .rsplit('.')
            .next()
            .unwrap_or_default();
        assert!(
            name == "README.md"
                || ["added", "changed", "fixed", "removed", "security"].contains(&kind),
            "{name}: name it SUBJECT.KIND.md"
        );
    }
}

/// What `deny.toml` says too, for machines without cargo-deny.
#[test]
fn one_library_for_each_of_tls_http_and_runtime() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for banned in [
        "openssl",
        "openssl-sys",
        "native-tls",
        "async-std",
        "serde_yaml",
        "surf",
        "ureq",
    ] {
        assert!(
            !lock.contains(&format!("name = \"{banned}\"\n")),
            "`{banned}` came in; see deny.toml"
        );
    }
    for line in lock.lines().filter(|line| line.starts_with("source = ")) {
        assert!(
            line.contains("registry+https://github.com/rust-lang/crates.io-index"),
            "{line}"
        );
    }
}
