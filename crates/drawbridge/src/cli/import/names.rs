//! What an imported connector is called: nearly as its client calls it, and never as another.

use std::path::{Path, PathBuf};

use drawbridge_core::{file::read_part, log::Record};
use serde_json::{Map, Value};

/// The longest name of a connector.
const MOST: usize = 32;
/// How many servers of one name there can be.
const MOST_ALIKE: u32 = 99;

/// Where a server goes.
#[derive(Debug, PartialEq)]
pub(super) enum Name {
    /// Into a file that is not there yet.
    New(String),
    /// It has a connector already.
    Known(String),
}

/// How alike variables and headers must be.
#[derive(Clone, Copy, PartialEq)]
enum Alike {
    /// Those that are wanted are there: a person may have added some to the connector of this name.
    Wanted,
    /// There are no others: under another name nothing says that this server was meant.
    Wholly,
}

/// The name for a server: of the first connector that is this server, else the first that nobody has. One
/// with a secret is looked for under its name alone, since no sealed secret is compared.
pub(super) fn choose(
    folder: &Path,
    (wanted, system, has_secret): (&str, &Map<String, Value>, bool),
    taken: &dyn Fn(&str) -> bool,
) -> Result<Name, String> {
    let base = plain(wanted);
    for number in 1..=MOST_ALIKE {
        let name = numbered(&base, number);
        if name == Record::GATEWAY || taken(&name) {
            continue;
        }
        let path = folder.join(format!("{name}.yaml"));
        if path.symlink_metadata().is_err() {
            let other = (!has_secret).then(|| elsewhere(folder, system)).flatten();
            return Ok(other.map_or(Name::New(name), Name::Known));
        }
        if is_same(&path, (system, has_secret), Alike::Wanted) {
            return Ok(Name::Known(name));
        }
    }
    Err(format!(
        "there are {MOST_ALIKE} connectors of its name already; rename it in its client"
    ))
}

/// The connector of another name that is this server.
fn elsewhere(folder: &Path, system: &Map<String, Value>) -> Option<String> {
    let files = std::fs::read_dir(folder).ok()?.flatten();
    let mut paths: Vec<PathBuf> = files
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    paths.sort();
    let found = paths
        .iter()
        .find(|path| is_same(path, (system, false), Alike::Wholly))?;
    Some(found.file_stem()?.to_str()?.to_owned())
}

/// A name that a connector can have.
fn plain(wanted: &str) -> String {
    let mut name = String::new();
    for letter in wanted.chars() {
        if letter.is_ascii_alphanumeric() {
            name.push(letter.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
        if name.len() >= MOST {
            break;
        }
    }
    let name = name.trim_end_matches('-');
    if name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return name.to_owned();
    }
    let name = format!("mcp-{name}");
    name.get(..MOST)
        .unwrap_or(&name)
        .trim_end_matches('-')
        .to_owned()
}

/// The name with a number, within the bound.
pub(super) fn numbered(base: &str, number: u32) -> String {
    if number == 1 {
        return base.to_owned();
    }
    let end = format!("-{number}");
    let start = base.get(..MOST - end.len()).unwrap_or(base);
    format!("{}{end}", start.trim_end_matches('-'))
}

/// Whether a connector's file is this server: started or reached in the same way and folder, whatever a
/// person has granted it since.
fn is_same(path: &Path, (system, has_secret): (&Map<String, Value>, bool), alike: Alike) -> bool {
    let Ok(text) = std::fs::read_to_string(path) else {
        return false;
    };
    let Ok((kind, part, credential)) = read_part(&path.to_string_lossy(), &text) else {
        return false;
    };
    let same = |key: &str| part.system.get(key) == system.get(key);
    // One that differs can be another account.
    let has = |key: &str| {
        let wanted = system.get(key).and_then(Value::as_object);
        let there = part.system.get(key).and_then(Value::as_object);
        let count = |all: Option<&Map<String, Value>>| all.map_or(0, Map::len);
        let mut each = wanted.into_iter().flatten();
        (alike == Alike::Wanted || count(wanted) == count(there))
            && each.all(|(name, value)| there.and_then(|all| all.get(name)) == Some(value))
    };
    kind == "mcp"
        && credential.is_some() == has_secret
        && ["command", "url", "folder", "credential_in"]
            .into_iter()
            .all(same)
        && ["environment", "headers"].into_iter().all(has)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn any_name_becomes_one_that_a_connector_can_have() {
        for (wanted, name) in [
            ("memory", "memory"),
            ("My GitHub Server", "my-github-server"),
            ("../../etc/passwd", "etc-passwd"),
            ("7zip", "mcp-7zip"),
            ("", "mcp"),
            ("\u{202e}\u{1b}[31m", "mcp-31m"),
            ("файлы", "mcp"),
            ("a---b__c--", "a-b-c"),
        ] {
            assert_eq!(plain(wanted), name, "{wanted:?}");
        }
        let long = "x".repeat(90);
        assert_eq!(plain(&long).len(), MOST);
        assert_eq!(numbered(&plain(&long), 12).len(), MOST);
    }

    #[test]
    fn names_that_are_taken_get_a_number_and_the_same_server_its_connector() {
        let keep = tempfile::tempdir().unwrap();
        let system = |command: &str| json!({"command": [command]}).as_object().unwrap().clone();
        let file = "connector: memory\nsystem: {kind: mcp, command: [x]}\n";
        std::fs::write(keep.path().join("memory.yaml"), file).unwrap();
        let none = |_: &str| false;
        let choose = |name: &str, command: &str, taken: &dyn Fn(&str) -> bool| {
            choose(keep.path(), (name, &system(command), false), taken).unwrap()
        };
        let new = |name: &str| Name::New(name.to_owned());
        assert_eq!(choose("other", "z", &none), new("other"));
        assert_eq!(
            choose("other", "x", &none),
            Name::Known("memory".to_owned())
        );
        assert_eq!(
            choose("Memory", "x", &none),
            Name::Known("memory".to_owned())
        );
        assert_eq!(choose("memory", "y", &none), new("memory-2"));
        let other = json!({"command": ["x"], "environment": {"ACCOUNT": "work"}});
        let other = other.as_object().unwrap();
        let chosen = super::choose(keep.path(), ("memory", other, false), &none).unwrap();
        assert_eq!(chosen, new("memory-2"));
        let chosen = super::choose(keep.path(), ("memory", &system("x"), true), &none).unwrap();
        assert_eq!(chosen, new("memory-2"));
        assert_eq!(
            choose("memory", "y", &|name| name == "memory-2"),
            new("memory-3")
        );
        assert_eq!(choose("drawbridge", "y", &none), new("drawbridge-2"));
    }

    #[test]
    fn a_server_of_another_folder_or_account_is_another() {
        let keep = tempfile::tempdir().unwrap();
        let file = "connector: db\nsystem: {kind: mcp, command: [x], folder: /w/prod, environment: {ACCOUNT: prod}}\n";
        std::fs::write(keep.path().join("db.yaml"), file).unwrap();
        let of = |name: &str, more: &Value| {
            let mut system = json!({"command": ["x"]}).as_object().unwrap().clone();
            system.extend(more.as_object().unwrap().clone());
            choose(keep.path(), (name, &system, false), &|_| false).unwrap()
        };
        let new = |name: &str| Name::New(name.to_owned());
        let known = || Name::Known("db".to_owned());
        let whole = json!({"folder": "/w/prod", "environment": {"ACCOUNT": "prod"}});
        assert_eq!(of("db", &whole), known());
        assert_eq!(of("other", &whole), known());
        // Under its own name, what a person added is no difference; under another, it may be.
        let less = json!({"folder": "/w/prod"});
        assert_eq!(of("db", &less), known());
        assert_eq!(of("other", &less), new("other"));
        for other in [
            json!({"folder": "/w/test", "environment": {"ACCOUNT": "prod"}}),
            json!({"environment": {"ACCOUNT": "prod"}}),
        ] {
            assert_eq!(of("db", &other), new("db-2"), "{other}");
            assert_eq!(of("other", &other), new("other"), "{other}");
        }
    }
}
