//! From a server of a client to `system` of a connector file: what is secret apart, and what it is given.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use drawbridge_core::{credential::Version, secret::Secret};
use serde_json::{Map, Value, json};

use super::{
    expand::Text,
    grants::{self, Bounds, Grants},
    secrets::{self, Hush},
    server::{Program, Server},
};

/// What a connector file is written from.
pub(super) struct Draft {
    pub(super) system: Map<String, Value>,
    /// What is kept sealed, as the kind reads it.
    pub(super) secret: Option<Secret<String>>,
    /// Which variables or header it is.
    pub(super) sealed: Vec<String>,
    /// Every secret by itself, to be kept out of what is shown.
    pub(super) hushed: Vec<Secret<String>>,
    pub(super) grants: Grants,
}

/// Drafts a connector. The folder is that of the settings' project.
pub(super) fn draft(
    server: Server,
    project: Option<&Path>,
    bounds: &Bounds,
) -> Result<Draft, String> {
    match server {
        Server::Program(program) => here(program, project, bounds),
        Server::Remote { url, headers } => elsewhere(&url, headers),
    }
}

type Split = (BTreeMap<String, String>, Vec<(String, String)>);

/// What is secret, apart from what may stand in a file.
fn split(all: BTreeMap<String, Text>) -> Split {
    let mut open = BTreeMap::new();
    let mut secret = Vec::new();
    for (name, value) in all {
        if value.secret || secrets::is_secret(&name, &value.text) {
            secret.push((name, value.text));
        } else {
            open.insert(name, value.text);
        }
    }
    // The same secret can stand there twice, once under a name that tells nothing.
    let known = hushed(&secret);
    let (again, open) = open
        .into_iter()
        .partition(|(_, value): &(String, String)| Hush(&known).is_in(value));
    let again: BTreeMap<String, String> = again;
    secret.extend(again);
    (open, secret)
}

/// Each secret, and those within it: a server may tell one of them alone.
fn hushed(pairs: &[(String, String)]) -> Vec<Secret<String>> {
    let whole = pairs.iter().map(|(_, value)| value.as_str());
    let values = whole.flat_map(|value| std::iter::once(value).chain(secrets::within(value)));
    values.map(|value| Secret::new(value.to_owned())).collect()
}

fn elsewhere(url: &Text, headers: BTreeMap<String, Text>) -> Result<Draft, String> {
    let place = secrets::in_address(&url.text);
    if let Some(place) = place.or_else(|| url.secret.then_some("a secret from elsewhere")) {
        return Err(format!(
            "its address holds {place}, and addresses stand in files and logs; if the server takes it as a \
             header, write it under `headers`, and import again"
        ));
    }
    let (open, secret) = split(headers);
    let mut system = Map::new();
    system.insert("url".to_owned(), json!(url.text));
    if !open.is_empty() {
        system.insert("headers".to_owned(), json!(open));
    }
    let mut hushed = hushed(&secret);
    let (kept, sealed) = match secret.as_slice() {
        [] => (None, Vec::new()),
        [(name, value)] => {
            let bearer = value
                .get(..7)
                .filter(|start| start.eq_ignore_ascii_case("bearer "));
            let value = match bearer.and_then(|_| value.get(7..)) {
                Some(token) if name.eq_ignore_ascii_case("authorization") => token.trim(),
                _ => {
                    system.insert("credential_in".to_owned(), json!({"header": name}));
                    value
                }
            };
            hushed.push(Secret::new(value.to_owned()));
            (Some(Secret::new(value.to_owned())), vec![name.clone()])
        }
        several => {
            let names: Vec<String> = several
                .iter()
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            return Err(format!(
                "it has several secret headers ({}), and a connector has one; leave the one that it needs",
                names.join(", ")
            ));
        }
    };
    bounded(kept.as_ref())?;
    Ok(Draft {
        system,
        secret: kept,
        sealed,
        hushed,
        grants: Grants {
            network: false,
            ..Grants::default()
        },
    })
}

fn here(program: Program, project: Option<&Path>, bounds: &Bounds) -> Result<Draft, String> {
    shown(&program.command)?;
    let words: Vec<&str> = program
        .command
        .iter()
        .map(|word| word.text.as_str())
        .collect();
    let mut grants = Grants {
        network: grants::fetches(&words),
        ..Grants::default()
    };
    let folder = folder(&program, &words, project)?;
    if let Some(folder) = &folder {
        bounds.folder(folder, &mut grants);
    }
    let (name, arguments) = words.split_first().ok_or("it names no program")?;
    let (name, beside) = bounds.program(name, folder.as_deref().or(project), &mut grants);
    let (mut open, secret) = split(program.environment);
    let known = hushed(&secret);
    if arguments.iter().any(|word| Hush(&known).is_in(word)) {
        return Err(
            "one of its arguments shows a secret of its `env`; take it out there".to_owned(),
        );
    }
    let runs = grants::runs(&name);
    bounds.words(arguments.iter().copied(), runs, &mut grants);
    bounds.words(
        open.values()
            .map(String::as_str)
            .filter(|value| !value.contains(':')),
        false,
        &mut grants,
    );
    if let Some(beside) = beside.filter(|_| !open.contains_key("PATH")) {
        open.insert(
            "PATH".to_owned(),
            format!("{}:/usr/local/bin:/usr/bin:/bin", beside.display()),
        );
    }
    let mut command = vec![name];
    command.extend(arguments.iter().map(|word| (*word).to_owned()));
    let mut system = system((command, folder), &open, &grants);
    let sealed = secret.iter().map(|(name, _)| name.clone()).collect();
    let kept = variables(&secret, &mut system)?;
    if kept.is_some() && !grants.network {
        grants.notes.push(
            "it has a secret, and may not use the network: if that is for a service elsewhere, write `network: true` \
             in the connector's file"
                .to_owned(),
        );
    }
    bounded(kept.as_ref())?;
    Ok(Draft {
        system,
        secret: kept,
        sealed,
        hushed: known,
        grants,
    })
}

/// `system` of a program, without its secrets.
fn system(
    (command, folder): (Vec<String>, Option<PathBuf>),
    environment: &BTreeMap<String, String>,
    grants: &Grants,
) -> Map<String, Value> {
    let mut system = Map::new();
    system.insert("command".to_owned(), json!(command));
    if let Some(folder) = folder {
        system.insert("folder".to_owned(), json!(folder));
    }
    if !environment.is_empty() {
        system.insert("environment".to_owned(), json!(environment));
    }
    let mut files = Map::new();
    for (key, paths) in [("read", &grants.read), ("write", &grants.write)] {
        if !paths.is_empty() {
            files.insert(key.to_owned(), json!(paths));
        }
    }
    if !files.is_empty() {
        system.insert("files".to_owned(), Value::Object(files));
    }
    if grants.network {
        system.insert("network".to_owned(), json!(true));
    }
    system
}

/// Where the secret variables go: one is the secret itself, of several each has a line.
fn variables(
    secret: &[(String, String)],
    system: &mut Map<String, Value>,
) -> Result<Option<Secret<String>>, String> {
    let key = "credential_in".to_owned();
    if let [(name, value)] = secret {
        system.insert(key, json!({"environment": name}));
        return Ok(Some(Secret::new(value.clone())));
    }
    if secret.is_empty() {
        return Ok(None);
    }
    if let Some((name, _)) = secret
        .iter()
        .find(|(_, value)| value.contains(['\n', '\r']))
    {
        return Err(format!(
            "`{name}` has several lines, which stands in no connector beside another secret; if the server \
             takes it from a file, name that instead"
        ));
    }
    let names: Vec<&String> = secret.iter().map(|(name, _)| name).collect();
    system.insert(key, json!({"variables": names}));
    let lines: Vec<String> = secret
        .iter()
        .map(|(name, value)| format!("{name}={value}\n"))
        .collect();
    Ok(Some(Secret::new(lines.concat())))
}

fn bounded(secret: Option<&Secret<String>>) -> Result<(), String> {
    let most = Version::MOST_BYTES;
    if secret.is_some_and(|secret| secret.expose().len() > most) {
        return Err(format!("its secrets have more than {most} bytes together"));
    }
    Ok(())
}

/// Refuses arguments that show a secret: it would stand in the file, and in the list of processes.
fn shown(command: &[Text]) -> Result<(), String> {
    let mut before = None;
    for (index, word) in command.iter().enumerate() {
        if word.secret || secrets::in_argument(&word.text, before) {
            let flag = word
                .text
                .split_once('=')
                .map(|(flag, _)| flag)
                .filter(|flag| flag.starts_with("--"));
            let flag = flag.or(before.filter(|flag| flag.starts_with('-')));
            let flag = flag.filter(|flag| flag.len() < 40 && !secrets::looks_secret(flag));
            let which = flag.map_or_else(
                || format!("its argument {index}"),
                |flag| format!("its argument `{flag}`"),
            );
            return Err(format!(
                "{which} seems to show a secret, and arguments stand in files and are seen by every account; most \
                 programs take it from a variable too: write it under `env`, and import again. If it is \
                 none, use `drawbridge connector add mcp NAME -- …`"
            ));
        }
        before = Some(word.text.as_str());
    }
    Ok(())
}

/// The folder that the program works in: the one it names, else its project's where an argument is a file
/// of it.
fn folder(
    program: &Program,
    words: &[&str],
    project: Option<&Path>,
) -> Result<Option<PathBuf>, String> {
    let within = |folder: &str| match project {
        Some(project) => project.join(folder),
        None => PathBuf::from(folder),
    };
    let folder = match &program.folder {
        Some(folder) => Some(within(folder)),
        None => project
            .filter(|project| {
                let relative =
                    |word: &&&str| !word.starts_with(['-', '/']) && word.contains(['.', '/']);
                words
                    .iter()
                    .skip(1)
                    .filter(relative)
                    .any(|word| project.join(word).is_file())
            })
            .map(Path::to_owned),
    };
    match folder {
        Some(folder) if !folder.is_absolute() || !folder.is_dir() => Err(format!(
            "`cwd` names `{}`, and there is no such folder",
            folder.display()
        )),
        folder => Ok(folder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, Text> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), Text::plain(*value)))
            .collect()
    }

    fn bounds() -> Bounds {
        Bounds {
            home: PathBuf::from("/home/ann"),
            workspace: PathBuf::from("/work/acme"),
            search: vec![PathBuf::from("/usr/bin")],
        }
    }

    fn of_program(command: &[&str], environment: &[(&str, &str)]) -> Result<Draft, String> {
        let program = Program {
            command: command.iter().map(|word| Text::plain(*word)).collect(),
            environment: texts(environment),
            folder: None,
        };
        draft(Server::Program(program), None, &bounds())
    }

    fn of_url(url: &str, headers: &[(&str, &str)]) -> Result<Draft, String> {
        let (url, headers) = (Text::plain(url), texts(headers));
        draft(Server::Remote { url, headers }, None, &bounds())
    }

    fn secret(draft: &Draft) -> Option<&str> {
        draft.secret.as_ref().map(|secret| secret.expose().as_str())
    }

    #[test]
    fn secret_variables_go_into_the_credential() {
        let one = of_program(
            &["npx", "-y", "x"],
            &[("API_TOKEN", "hunter2"), ("MODE", "a")],
        )
        .unwrap();
        assert_eq!(
            Value::Object(one.system.clone()),
            json!({"command": ["npx", "-y", "x"], "environment": {"MODE": "a"}, "network": true,
                   "credential_in": {"environment": "API_TOKEN"}})
        );
        assert_eq!(secret(&one), Some("hunter2"));
        let two = of_program(&["x"], &[("B_PASSWORD", "2"), ("A_TOKEN", "1")]).unwrap();
        assert_eq!(
            two.system["credential_in"],
            json!({"variables": ["A_TOKEN", "B_PASSWORD"]})
        );
        assert_eq!(secret(&two), Some("A_TOKEN=1\nB_PASSWORD=2\n"));
        assert!(of_program(&["x"], &[("A_TOKEN", "1"), ("B_KEY", "one\ntwo")]).is_err());
        let compound = [("DB", "Server=db;User Id=sa;Password=hunter2-db")];
        let compound = of_program(&["x"], &compound).unwrap();
        assert_eq!(
            compound.system["credential_in"],
            json!({"environment": "DB"})
        );
        assert_eq!(Hush(&compound.hushed).text("bad hunter2-db"), "bad ***");
        assert_eq!(
            secret(&of_program(&["x"], &[("A_TOKEN", "")]).unwrap()),
            None
        );
    }

    #[test]
    fn a_secret_header_goes_into_the_credential() {
        let bearer = of_url(
            "https://x.example/mcp",
            &[("authorization", "Bearer hunter2"), ("X-Region", "n")],
        )
        .unwrap();
        assert_eq!(
            Value::Object(bearer.system.clone()),
            json!({"url": "https://x.example/mcp", "headers": {"X-Region": "n"}})
        );
        assert_eq!(secret(&bearer), Some("hunter2"));
        let other = of_url("https://x.example/mcp", &[("X-Api-Key", "hunter2")]).unwrap();
        assert_eq!(
            other.system["credential_in"],
            json!({"header": "X-Api-Key"})
        );
        let basic = of_url(
            "https://x.example/mcp",
            &[("Authorization", "Basic aHVudGVy")],
        )
        .unwrap();
        assert_eq!(secret(&basic), Some("Basic aHVudGVy"));
        let Err(two) = of_url(
            "https://x.example",
            &[("X-Api-Key", "hunter2"), ("Cookie", "hunter2")],
        ) else {
            panic!("two secret headers");
        };
        assert!(!two.contains("hunter2"), "{two}");
    }

    #[test]
    fn secrets_that_cannot_be_moved_are_told_without_them() {
        for refused in [
            of_url("https://x.example/mcp?api_key=hunter2", &[]),
            of_url("https://ann:hunter2@x.example/mcp", &[]),
            of_program(&["x", "--api-key=hunter2"], &[]),
            of_program(&["x", "--password", "hunter2"], &[]),
            of_program(&["x", "postgres://ann:hunter2@db.example/x"], &[]),
        ] {
            let why = refused.err().unwrap_or_default();
            assert!(!why.is_empty() && !why.contains("hunter2"), "{why}");
        }
    }
}
