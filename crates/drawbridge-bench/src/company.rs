//! The workspace that is measured: documents, people, permissions and fifty policies of an organisation.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use serde_json::Value;

use crate::unit;

/// The person whose calls are measured: she may see some departments, up to one label.
pub(crate) const PERSON: &str = "ann@bench.example";
/// The person who keeps the gateway.
pub(crate) const OPERATOR: &str = "olga@bench.example";
/// Documents of 200 bytes that `read` takes turns with.
pub(crate) const SMALL: u64 = 100;
/// Documents of 8 KB.
pub(crate) const LARGE: u64 = 10;
/// Policies of the organisation.
const POLICIES: usize = 50;
/// Different words in the documents.
const WORDS: u64 = 3_000;
/// Departments, of which the measured person may see three.
const DEPARTMENTS: [&str; 5] = ["support", "sales", "operations", "finance", "legal"];

const CONNECTOR: &str = "connector: handbook
purpose: {task: Measure what a call costs, owner: olga@bench.example, review_every: 90d}
system: {kind: documents, folder: documents, stale_after: 24h}
scope: {include: [\"**/*\"], label: internal}
access: [read, search]
identity: {account: the account that runs the gateway, approved_by: olga@bench.example, rotate_every: 90d}
permissions:
  - {who: [everyone], may: [read, search], only: {department: [support, sales, operations], label: {up_to: internal}}}
  - {who: [everyone], may: [read, search], only: {label: public}}
  - {who: [\"group:legal\"], may: [read, search], only: {department: person.department}}
logging: {keep: 400d, content: summary}
recovery: {pause: [\"group:owners\"]}
";

/// Writes a workspace with so many documents beside the small and large ones.
pub(crate) fn write(folder: &Path, documents: u64, store: &str) -> anyhow::Result<()> {
    let all = folder.join("documents");
    for part in ["connectors", "policies", "documents/notes"] {
        fs::create_dir_all(folder.join(part))?;
    }
    fs::write(folder.join("drawbridge.yaml"), gateway(store))?;
    fs::write(folder.join("connectors/handbook.yaml"), CONNECTOR)?;
    fs::write(
        folder.join("policies/house.cedar"),
        policies(("handbook_search", "query"), "project"),
    )?;
    let mut chance = Chance(documents);
    for number in 0..SMALL {
        let text = format!(
            "# Note {number}\n\nMarker small-{number}. {}\n",
            chance.words(20)
        );
        fs::write(
            all.join(format!("notes/small-{number}.md")),
            front("support", "internal", &text),
        )?;
    }
    for number in 0..LARGE {
        let text = format!(
            "# Page {number}\n\nMarker large-{number}. {}\n",
            chance.words(1_000)
        );
        fs::write(
            all.join(format!("notes/large-{number}.md")),
            front("support", "internal", &text),
        )?;
    }
    for number in 0..documents {
        let department = chance.of(&DEPARTMENTS);
        let place = all.join(format!("{department}/{}", number % 20));
        fs::create_dir_all(&place)?;
        let label = chance.of(&["public", "public", "internal", "internal", "confidential"]);
        let mut text = String::new();
        for part in 0..3 {
            let words = chance.words(60);
            write!(text, "## Part {part} {}\n\n{words}\n\n", chance.words(2))?;
        }
        fs::write(
            place.join(format!("{number}.md")),
            front(department, label, &text),
        )?;
    }
    Ok(())
}

/// The gateway's own file.
fn gateway(store: &str) -> String {
    format!(
        "gateway: bench\naddress: 127.0.0.1:0\noperator: {OPERATOR}\nstore: {store}\npeople:\n  {OPERATOR}: {{groups: [owners, legal], attributes: {{department: legal}}}}\n  \
         {PERSON}: {{groups: [staff, support], attributes: {{department: support}}}}\n\
         limits: {{per_person: 10000000/s, per_client: 10000000/s, per_connector: 10000000/s, concurrent: 1000}}\n"
    )
}

/// The connector before an MCP server.
pub(crate) const UPSTREAM: &str = "upstream";

/// Writes a workspace with a connector before the MCP server at this address.
pub(crate) fn write_upstream(folder: &Path, url: &str) -> anyhow::Result<()> {
    for part in ["connectors", "policies"] {
        fs::create_dir_all(folder.join(part))?;
    }
    fs::write(folder.join("drawbridge.yaml"), gateway("sqlite"))?;
    let mut definition = unit::definition();
    if let Some(definition) = definition.as_object_mut() {
        definition.remove("name");
    }
    let connector = format!(
        "connector: {UPSTREAM}\n\
         purpose: {{task: Measure what a call costs, owner: olga@bench.example, review_every: 90d}}\n\
         system: {{kind: mcp, url: \"{url}\"}}\n\
         scope:\n  label: internal\n  tools: {{echo: {{power: read, arguments: {{text: {{max_length: 10000}}}}}}}}\n  \
         pinned: {{tools: {{echo: {definition}}}}}\n\
         access: [read]\n\
         identity: {{account: none, approved_by: olga@bench.example}}\n\
         permissions:\n  - {{who: [everyone], may: [read], only: {{label: {{up_to: internal}}}}}}\n\
         logging: {{keep: 400d, content: summary}}\n\
         recovery: {{pause: [\"group:owners\"]}}\n"
    );
    fs::write(
        folder.join(format!("connectors/{UPSTREAM}.yaml")),
        connector,
    )?;
    let policies = policies((&format!("{UPSTREAM}_echo"), "text"), "tool");
    fs::write(folder.join("policies/house.cedar"), policies)?;
    Ok(())
}

fn front(department: &str, label: &str, text: &str) -> String {
    format!("---\ndepartment: {department}\nlabel: {label}\n---\n{text}")
}

/// Rules of every sort, of which none forbids what is measured: by group, client, door, resource
/// and, for one action, by what is asked for.
pub(crate) fn policies((search, argument): (&str, &str), facet: &str) -> String {
    let mut text = String::new();
    for number in 0..POLICIES {
        let when = match number % 6 {
            0 => format!("principal in Drawbridge::Group::\"leavers-{number}\""),
            1 => format!("context.client == Drawbridge::Client::\"bot-{number}\""),
            2 => format!(
                "resource is Drawbridge::Resource && resource has {facet} && resource.{facet} == \"secret-{number}\""
            ),
            3 => format!(
                "resource is Drawbridge::Resource && resource.rank >= 2 && !(principal in Drawbridge::Group::\"vault-{number}\")"
            ),
            4 => format!(
                "context.door == \"stdio\" && principal has department && principal.department == \"branch-{number}\""
            ),
            _ => {
                let _ = writeln!(
                    text,
                    "@id(\"rule-{number}\")\nforbid(principal, action == Drawbridge::Action::\"{search}\", resource) \
                     when {{ context.arguments has {argument} && context.arguments.{argument} like \"*merger-{number}*\" }};"
                );
                continue;
            }
        };
        let _ = writeln!(
            text,
            "@id(\"rule-{number}\")\nforbid(principal, action, resource) when {{ {when} }};"
        );
    }
    text
}

/// Puts the connector into force, and makes the token that calls are made with.
pub(crate) fn open(
    program: &Path,
    folder: &Path,
    variables: &[(String, String)],
) -> anyhow::Result<String> {
    open_all(program, folder, (&["handbook"], variables))
}

/// The same, for these connectors.
pub(crate) fn open_all(
    program: &Path,
    folder: &Path,
    (connectors, variables): (&[&str], &[(String, String)]),
) -> anyhow::Result<String> {
    let line = |arguments: &[&str]| -> anyhow::Result<Value> {
        let mut command = Command::new(program);
        command
            .args(["--json", "--dir"])
            .arg(folder)
            .args(arguments);
        let output = command.envs(variables.iter().cloned()).output()?;
        let told = String::from_utf8_lossy(&output.stdout);
        anyhow::ensure!(
            output.status.success(),
            "{arguments:?}: {told} {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_str(&told).with_context(|| told.to_string())
    };
    for name in connectors {
        line(&["approve-revision", name, "--reason", "bench"])?;
    }
    let made = line(&["--person", PERSON, "token", "new", "--client", "bench"])?;
    let token = made.pointer("/data/token").and_then(Value::as_str);
    Ok(token.context("no token")?.to_owned())
}

/// Where a workspace keeps the token of its own command line.
pub(crate) fn local_token(folder: &Path) -> PathBuf {
    folder.join(".drawbridge/local-token")
}

/// Numbers that look random and are the same in every run (splitmix64).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        let at = self.next() % all.len().max(1) as u64;
        let at = usize::try_from(at).unwrap_or_default();
        all.get(at).copied().unwrap_or_default()
    }

    /// Made-up words, some far more common than others.
    pub(crate) fn words(&mut self, count: usize) -> String {
        let mut text = String::new();
        for _ in 0..count {
            let rare = self.next() % WORDS + 1;
            let _ = write!(text, "{} ", word(self.next() % rare));
        }
        text
    }
}

fn word(mut number: u64) -> String {
    let mut word = String::new();
    for _ in 0..3 {
        let syllables = [
            "ka", "lo", "mi", "ne", "ru", "so", "ta", "ve", "wi", "zo", "bra", "dri", "fel", "gon",
            "hus",
        ];
        let at = usize::try_from(number % 15).unwrap_or_default();
        word.push_str(syllables.get(at).copied().unwrap_or_default());
        number /= 15;
    }
    word
}
