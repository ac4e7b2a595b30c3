//! How a client starts or reaches a server, with its placeholders filled in.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Map, Value};

use super::{
    expand::{Text, Values},
    places, relay,
};

/// Why a server is not reached whose transport is that of before 2025.
pub(super) const OLDER: &str = "it is reached by the older transport of two addresses (`sse`), which is not spoken here; ask its \
     maker for its address of Streamable HTTP, and write that with `\"type\": \"http\"`";

/// A server as its client would use it.
pub(super) enum Server {
    Program(Program),
    Remote {
        url: Text,
        headers: BTreeMap<String, Text>,
    },
}

/// A program that a client starts.
pub(super) struct Program {
    /// The program, and its arguments.
    pub(super) command: Vec<Text>,
    pub(super) environment: BTreeMap<String, Text>,
    /// The folder it works in.
    pub(super) folder: Option<String>,
}

/// Reads what a client keeps of a server.
pub(super) fn read(value: &Value, values: &Values<'_>) -> Result<Server, String> {
    let fields = value.as_object().ok_or("what stands there is no object")?;
    let kind = text(fields, "type")?.or(text(fields, "transport")?);
    let url = match text(fields, "url")? {
        Some(url) => Some(url),
        None => text(fields, "serverUrl")?,
    };
    match (text(fields, "command")?, url) {
        (Some(_), Some(_)) => {
            Err("both `command` and `url` stand there; keep the one that is meant".to_owned())
        }
        (None, None) => Err("neither `command` nor `url` stands there".to_owned()),
        (Some(command), None) => {
            let program = program(command, fields, values)?;
            relay::behind(&program.command, &program.environment)
                .unwrap_or(Ok(Server::Program(program)))
        }
        (None, Some(url)) => remote((kind, url), fields, values),
    }
}

fn remote(
    (kind, url): (Option<&str>, &str),
    fields: &Map<String, Value>,
    values: &Values<'_>,
) -> Result<Server, String> {
    if kind.is_some_and(|kind| kind.eq_ignore_ascii_case("sse")) {
        return Err(OLDER.to_owned());
    }
    let url = values.filled(url, &|_| false)?;
    let headers = pairs(fields, "headers")?;
    let headers = headers.into_iter().map(|(name, value)| {
        let value = values.filled(&value, &|_| false);
        value.map(|value| (name, value))
    });
    Ok(Server::Remote {
        url,
        headers: headers.collect::<Result<_, _>>()?,
    })
}

fn program(
    command: &str,
    fields: &Map<String, Value>,
    values: &Values<'_>,
) -> Result<Program, String> {
    let own = pairs(fields, "env")?;
    let mut environment = match text(fields, "envFile")? {
        Some(file) => from_file(file, values)?,
        None => BTreeMap::new(),
    };
    for (name, value) in &own {
        environment.insert(name.clone(), values.filled(value, &|_| false)?);
    }
    let arguments = match fields.get("args") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => {
            let items = items
                .iter()
                .map(|item| plain(item).ok_or("`args` holds what is no text"));
            items.collect::<Result<_, _>>()?
        }
        Some(_) => return Err("`args` is no list".to_owned()),
    };
    // Some clients take a whole line for a program.
    let mut line: Vec<String> = vec![command.to_owned()];
    if arguments.is_empty() && command.contains(' ') && !command.contains(['"', '\'', '\\', '$']) {
        line = command.split_whitespace().map(str::to_owned).collect();
    }
    line.extend(arguments);
    let is_own = |name: &str| environment.contains_key(name);
    let command: Result<Vec<Text>, String> = line
        .iter()
        .map(|word| values.filled(word, &is_own))
        .collect();
    let command = command?;
    if command.iter().any(|word| word.text.contains('\0')) {
        return Err("an argument holds a NUL; take it out".to_owned());
    }
    let folder = match text(fields, "cwd")? {
        Some(folder) => Some(values.filled(folder, &is_own)?.text),
        None => None,
    };
    Ok(Program {
        command,
        environment,
        folder,
    })
}

/// The variables of a file beside the settings. It is kept apart because secrets are in it: all are taken
/// for secrets.
fn from_file(file: &str, values: &Values<'_>) -> Result<BTreeMap<String, Text>, String> {
    let file = values.filled(file, &|_| false)?.text;
    let path = match &values.project {
        Some(project) => project.join(&file),
        None => Path::new(&file).to_owned(),
    };
    if !path.is_absolute() {
        return Err(format!(
            "`envFile` names `{file}`, and of which folder is not known; write its whole path"
        ));
    }
    let text = places::text(&path).map_err(|why| format!("`envFile` names `{file}`: {why}"))?;
    let mut found = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else {
            return Err(format!("line {} of `{file}` has no `=`", index + 1));
        };
        let text = unquoted(value.trim()).to_owned();
        let secret = !text.is_empty();
        found.insert(name.trim().to_owned(), Text { text, secret });
    }
    Ok(found)
}

fn unquoted(value: &str) -> &str {
    let within = |mark: char| value.strip_prefix(mark)?.strip_suffix(mark);
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

fn text<'a>(fields: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, String> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("`{key}` is no text")),
    }
}

/// An object of texts. A value that is nothing takes the variable away, which none has here anyway.
fn pairs(fields: &Map<String, Value>, key: &str) -> Result<BTreeMap<String, String>, String> {
    let pairs = match fields.get(key) {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(pairs)) => pairs,
        Some(_) => return Err(format!("`{key}` is no object")),
    };
    let present = pairs.iter().filter(|(_, value)| !value.is_null());
    let texts = present.map(|(name, value)| {
        let value =
            plain(value).ok_or_else(|| format!("`{key}` holds what is no text, as `{name}`"));
        value.map(|value| (name.clone(), value))
    });
    texts.collect()
}

/// A text, or what is written as one.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_in(folder: &Path, value: &Value) -> Result<Server, String> {
        let values = Values {
            home: Path::new("/home/ann"),
            project: Some(folder.to_owned()),
            variable: &|_| None,
            inputs: &BTreeMap::new(),
        };
        read(value, &values)
    }

    fn words(texts: &[Text]) -> Vec<&str> {
        texts.iter().map(|text| text.text.as_str()).collect()
    }

    #[test]
    fn programs_are_read_with_their_variables() {
        let keep = std::env::temp_dir().join(format!("drawbridge-env-{}", std::process::id()));
        std::fs::create_dir_all(&keep).unwrap();
        std::fs::write(
            keep.join(".env"),
            "# x\nexport A=\"1 2\"\nB='x=y'\n\nC=from-file\n",
        )
        .unwrap();
        let value = json!({"command": "npx", "args": ["-y", 7, "${C}", "${workspaceFolder}"], "cwd": "sub",
                           "envFile": "${workspaceFolder}/.env", "env": {"C": "own", "D": null, "E": 3}});
        let Ok(Server::Program(program)) = read_in(&keep, &value) else {
            panic!("no program");
        };
        std::fs::remove_dir_all(&keep).unwrap();
        let folder = keep.to_str().unwrap();
        assert_eq!(words(&program.command), ["npx", "-y", "7", "${C}", folder]);
        assert_eq!(program.folder.as_deref(), Some("sub"));
        let found: Vec<(&str, &str, bool)> = program
            .environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.text.as_str(), value.secret))
            .collect();
        let wanted = [
            ("A", "1 2", true),
            ("B", "x=y", true),
            ("C", "own", false),
            ("E", "3", false),
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_whole_line_and_another_key_are_read_too() {
        let line = read_in(Path::new("/w"), &json!({"command": "npx -y server"}));
        let Ok(Server::Program(program)) = line else {
            panic!("no program");
        };
        assert_eq!(words(&program.command), ["npx", "-y", "server"]);
        let url = json!({"serverUrl": "https://x.example/mcp", "type": "streamable-http", "headers": {"A": "b"}});
        assert!(matches!(
            read_in(Path::new("/w"), &url),
            Ok(Server::Remote { .. })
        ));
    }

    #[test]
    fn what_is_of_another_form_is_told() {
        for value in [
            json!(7),
            json!({}),
            json!({"command": 7}),
            json!({"command": "x", "url": "y"}),
            json!({"command": "x", "args": "y"}),
            json!({"command": "x", "args": [["y"]]}),
            json!({"command": "x", "args": ["\u{0}"]}),
            json!({"command": "x", "env": ["A=b"]}),
            json!({"command": "x", "env": {"A": {}}}),
            json!({"command": "x", "envFile": "none.env"}),
            json!({"command": "x", "cwd": []}),
            json!({"url": "https://x.example/sse", "type": "sse"}),
            json!({"url": "https://x.example", "headers": 7}),
        ] {
            assert!(read_in(Path::new("/nowhere"), &value).is_err(), "{value}");
        }
    }
}
