//! The settings files of MCP clients: where servers stand in them, and writing them anew around what stays.
//!
//! All of them are JSON, some with comments and trailing commas. Servers stand under `mcpServers`, in
//! VS Code under `servers`, in its older settings under `mcp`, and in Claude Code also in each of its
//! `projects`.

use std::{collections::BTreeSet, path::PathBuf};

use jsonc_parser::{
    ParseOptions,
    cst::{CstInputValue, CstObject, CstRootNode},
};
use serde_json::{Map, Value};

/// Under which keys servers stand, beside those of projects.
const KEYS: [&[&str]; 3] = [&["mcpServers"], &["servers"], &["mcp", "servers"]];
/// Claude Code's projects, by their folders.
const PROJECTS: &str = "projects";
/// The key of most clients.
const SERVERS: &str = "mcpServers";
/// What a file of Windows may begin with.
const MARK: char = '\u{feff}';

/// A server of a client.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// The keys that lead to the object it stands in.
    pub(super) place: Vec<String>,
    /// What the client calls it.
    pub(super) name: String,
    /// How the client starts or reaches it.
    pub(super) value: Value,
    /// Whether the client leaves it alone.
    pub(super) off: bool,
}

/// What VS Code asks its person for.
pub(super) struct Input {
    pub(super) id: String,
    /// Whether it is a secret.
    pub(super) password: bool,
}

impl Entry {
    /// The folder of the project it is for, where the file says so.
    pub(super) fn project(&self) -> Option<PathBuf> {
        match self.place.as_slice() {
            [first, folder, _] if first == PROJECTS => Some(PathBuf::from(folder)),
            _ => None,
        }
    }
}

/// The servers of a file.
pub(super) fn entries(text: &str) -> Result<Vec<Entry>, String> {
    let root = root(text)?;
    let mut entries = Vec::new();
    for place in places(&root)? {
        let Some(servers) = within(&root, &place)? else {
            continue;
        };
        let off = off(&root, &place);
        for (name, value) in members(&servers)? {
            entries.push(Entry {
                place: place.clone(),
                off: is_off(&value) || off.contains(&name),
                name,
                value,
            });
        }
    }
    Ok(entries)
}

/// Whether a server is one that its client leaves alone, as Cursor and others write it.
fn is_off(value: &Value) -> bool {
    value.get("disabled") == Some(&Value::Bool(true))
        || value.get("enabled") == Some(&Value::Bool(false))
}

/// The servers of a project that Claude Code leaves alone there.
fn off(root: &CstRootNode, place: &[String]) -> Vec<String> {
    let [first, folder, _] = place else {
        return Vec::new();
    };
    let value = root.to_serde_value().unwrap_or_default();
    let project = value.get(first).and_then(|projects| projects.get(folder));
    let names = project.and_then(|project| project.get("disabledMcpServers")?.as_array());
    let names = names.into_iter().flatten().filter_map(Value::as_str);
    names.map(str::to_owned).collect()
}

/// What VS Code asks its person for.
pub(super) fn inputs(text: &str) -> Vec<Input> {
    let Ok(root) = root(text) else {
        return Vec::new();
    };
    let value = root.to_serde_value().unwrap_or_default();
    let lists = [value.pointer("/inputs"), value.pointer("/mcp/inputs")];
    let all = lists.into_iter().flatten().filter_map(Value::as_array);
    let inputs = all.flatten().filter_map(|input| {
        Some(Input {
            id: input.get("id")?.as_str()?.to_owned(),
            password: input.get("password") == Some(&Value::Bool(true)),
        })
    });
    inputs.collect()
}

/// The file with one entry in the place of those that are taken out. Whatever else stands in it
/// stays as it is, with its comments.
pub(super) fn rewritten(
    text: &str,
    taken: &[(Vec<String>, String)],
    entry: &Map<String, Value>,
) -> Result<String, String> {
    let root = root(text)?;
    let places: BTreeSet<&Vec<String>> = taken.iter().map(|(place, _)| place).collect();
    for place in places {
        let servers = within(&root, place)?
            .ok_or_else(|| format!("`{}` is no longer there", place.join(".")))?;
        for (_, name) in taken.iter().filter(|(other, _)| other == place) {
            let named = |name: &str| Some(name.to_owned());
            for property in servers.properties() {
                if property.decoded_name() == named(name) {
                    property.remove();
                }
            }
        }
        add(&servers, place, entry)?;
    }
    Ok(written(text, &root))
}

/// The file with the servers put back that were taken out of `old`, and without the entry that took their
/// place. Whatever else was changed since stays, and so does what another workspace wrote.
pub(super) fn restored(
    text: &str,
    old: &str,
    taken: &[(Vec<String>, String)],
    is_ours: &dyn Fn(&Value) -> bool,
) -> Result<String, String> {
    let before = entries(old)?;
    let find = |place: &Vec<String>, name: &str| {
        let mut before = before.iter();
        before.find(|entry| entry.place == *place && entry.name == name)
    };
    let root = root(text)?;
    let places: BTreeSet<&Vec<String>> = taken.iter().map(|(place, _)| place).collect();
    for place in places {
        let servers = within(&root, place)?
            .ok_or_else(|| format!("`{}` is no longer there", place.join(".")))?;
        for property in servers.properties() {
            let name = property.decoded_name().unwrap_or_default();
            let value = property.value().and_then(|value| value.to_serde_value());
            // One that was there before is no work of an import.
            if value.is_some_and(|value| is_ours(&value)) && find(place, &name).is_none() {
                property.remove();
            }
        }
        let present = members(&servers)?;
        for (_, name) in taken.iter().filter(|(other, _)| other == place) {
            let entry = find(place, name).ok_or_else(|| format!("`{name}` was not kept"))?;
            match present.iter().find(|(other, _)| other == name) {
                Some((_, value)) if *value == entry.value => {}
                Some(_) => return Err(format!("its server `{name}` is another by now")),
                None => {
                    servers.append(name, input(&entry.value));
                }
            }
        }
    }
    Ok(written(text, &root))
}

/// The text of a tree, with what the file began with.
fn written(text: &str, root: &CstRootNode) -> String {
    let mark = text.starts_with(MARK).then_some(MARK);
    mark.into_iter().chain(root.to_string().chars()).collect()
}

/// Adds the entry under a name that is free, unless it is there.
fn add(servers: &CstObject, place: &[String], entry: &Map<String, Value>) -> Result<(), String> {
    let mut whole = Map::new();
    // VS Code and Claude Code say how each is spoken to.
    if place != [SERVERS] {
        whole.insert("type".to_owned(), Value::from("stdio"));
    }
    whole.extend(entry.clone());
    let whole = Value::Object(whole);
    let present = members(servers)?;
    if present.iter().any(|(_, value)| *value == whole) {
        return Ok(());
    }
    let free = (1_u32..)
        .map(|number| match number {
            1 => "drawbridge".to_owned(),
            number => format!("drawbridge-{number}"),
        })
        .find(|name| !present.iter().any(|(other, _)| other == name));
    servers.append(&free.unwrap_or_default(), input(&whole));
    Ok(())
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(is) => CstInputValue::Bool(*is),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| (key.clone(), input(value)));
            CstInputValue::Object(fields.collect())
        }
    }
}

/// Reads JSON, with comments and trailing commas. What is nested too deeply is refused by the parser.
fn root(text: &str) -> Result<CstRootNode, String> {
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    CstRootNode::parse(text.strip_prefix(MARK).unwrap_or(text), &options).map_err(|error| {
        // Its own words may hold what stands there, which may be a secret.
        let place = error.to_string();
        let place = place.rfind(" on line ").and_then(|at| place.get(at..));
        format!("it is no JSON{}", place.unwrap_or_default())
    })
}

/// Where servers can stand in this file.
fn places(root: &CstRootNode) -> Result<Vec<Vec<String>>, String> {
    let owned = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
    let mut places: Vec<Vec<String>> = KEYS.iter().map(|keys| owned(keys)).collect();
    let top = root.object_value().ok_or("it holds no JSON object")?;
    if let Some(projects) = top.get(PROJECTS).and_then(|one| one.object_value()) {
        for project in projects.properties() {
            let folder = project.decoded_name().ok_or("a name in it is no text")?;
            places.push(owned(&[PROJECTS, &folder, SERVERS]));
        }
    }
    Ok(places)
}

/// The object that these keys lead to, if it is there.
fn within(root: &CstRootNode, place: &[String]) -> Result<Option<CstObject>, String> {
    let mut object = root.object_value().ok_or("it holds no JSON object")?;
    for key in place {
        let mut found = object
            .properties()
            .into_iter()
            .filter(|property| property.decoded_name().as_deref() == Some(key));
        let Some(property) = found.next() else {
            return Ok(None);
        };
        if found.next().is_some() {
            return Err(format!(
                "`{key}` stands twice, and clients differ in which one counts; take one out"
            ));
        }
        object = match property.object_value() {
            Some(object) => object,
            None => return Err(format!("`{key}` is no object")),
        };
    }
    Ok(Some(object))
}

/// The members of an object of servers.
fn members(servers: &CstObject) -> Result<Vec<(String, Value)>, String> {
    let mut members: Vec<(String, Value)> = Vec::new();
    let mut names = BTreeSet::new();
    for property in servers.properties() {
        let name = property.decoded_name().ok_or("a name in it is no text")?;
        let value = property.value().and_then(|value| value.to_serde_value());
        let value = value.ok_or_else(|| format!("what `{name}` is cannot be read"))?;
        if !names.insert(name.clone()) {
            return Err(format!(
                "the server `{name}` stands twice, and clients differ in which one counts; take one out"
            ));
        }
        members.push((name, value));
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(text: &str) -> Vec<(String, String)> {
        let entries = entries(text).unwrap().into_iter();
        entries.map(|one| (one.place.join("/"), one.name)).collect()
    }

    fn pair(place: &str, name: &str) -> (String, String) {
        (place.to_owned(), name.to_owned())
    }

    #[test]
    fn servers_are_found_where_each_client_keeps_them() {
        let desktop = r#"{"mcpServers": {"a": {"command": "x"}}, "theme": "dark"}"#;
        assert_eq!(found(desktop), [pair("mcpServers", "a")]);
        let vscode = "\u{feff}{\n  // what we use\n  \"servers\": {\"b\": {\"url\": \"https://x.example\"},},\n}\n";
        assert_eq!(found(vscode), [pair("servers", "b")]);
        let older =
            r#"{"mcp": {"inputs": [{"id": "key", "password": true}], "servers": {"c": {}}}}"#;
        assert_eq!(found(older), [pair("mcp/servers", "c")]);
        assert!(
            inputs(older)
                .iter()
                .all(|one| one.id == "key" && one.password)
        );
        let code = r#"{"mcpServers": {"d": {}}, "projects": {"/w/one": {"mcpServers": {"e": {}}}, "/w/two": {}}}"#;
        let wanted = [
            pair("mcpServers", "d"),
            pair("projects//w/one/mcpServers", "e"),
        ];
        assert_eq!(found(code), wanted);
        let project = entries(code).unwrap().pop().and_then(|one| one.project());
        assert_eq!(project, Some(PathBuf::from("/w/one")));
        assert_eq!(found("{}"), []);
    }

    #[test]
    fn what_cannot_be_read_is_told_without_what_stands_there() {
        let deep = format!(
            "{{\"mcpServers\": {}{}}}",
            "[".repeat(9_000),
            "]".repeat(9_000)
        );
        for text in [
            "",
            "[]",
            "7",
            "{\"mcpServers\": ",
            "{\"mcpServers\": []}",
            "{'mcpServers': {}}",
            "{\"mcpServers\": {\"a\": {}, \"a\": {}}}",
            "{\"mcpServers\": {}, \"mcpServers\": {}}",
            "{\"servers\": 7}",
            "{\"mcpServers\": {\"a\": hunter2}}",
            "{\"mcpServers\": {\"\\ud800\": {}}}",
            deep.as_str(),
        ] {
            let why = entries(text).expect_err(text.get(..40).unwrap_or(text));
            assert!(!why.contains("hunter2"), "{why}");
        }
    }

    #[test]
    fn one_entry_takes_the_place_of_others_and_the_rest_stays_as_it_is() {
        let text = "{\n  // kept\n  \"servers\": {\n    \"a\": {\"command\": \"x\"}, // of a\n    /* of b */\n    \"b\": {\"command\": \"y\"},\n  },\n  \"inputs\": [ ]\n}\n";
        let entry = json!({"command": "/bin/drawbridge", "args": ["stdio"]});
        let entry = entry.as_object().unwrap();
        let taken = [(vec!["servers".to_owned()], "a".to_owned())];
        let new = rewritten(text, &taken, entry).unwrap();
        assert!(
            new.contains("// kept")
                && new.contains("/* of b */")
                && new.contains("\"inputs\": [ ]")
        );
        let names = found(&new);
        assert_eq!(
            names,
            [pair("servers", "b"), pair("servers", "drawbridge")],
            "{new}"
        );
        let added = entries(&new).unwrap().pop().unwrap().value;
        assert_eq!(
            added,
            json!({"type": "stdio", "command": "/bin/drawbridge", "args": ["stdio"]})
        );
        // A second time, it is there already.
        let taken = [(vec!["servers".to_owned()], "b".to_owned())];
        let again = rewritten(&new, &taken, entry).unwrap();
        assert_eq!(found(&again), [pair("servers", "drawbridge")]);
        // A server of that name which is another stays.
        let other = r#"{"mcpServers": {"drawbridge": {"command": "other"}, "a": {}}}"#;
        let taken = [(vec!["mcpServers".to_owned()], "a".to_owned())];
        let new = rewritten(other, &taken, entry).unwrap();
        let wanted = [
            pair("mcpServers", "drawbridge"),
            pair("mcpServers", "drawbridge-2"),
        ];
        assert_eq!(found(&new), wanted, "{new}");
    }
}
