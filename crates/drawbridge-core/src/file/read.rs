//! Reading a file: its form by the schema, then what only this gateway can know.

use serde_json::{Value, json};

use super::{
    ConnectorFile, Fault, FileErrors, GatewayFile, Labels, WhenStale,
    check::{check_connector, check_gateway},
    schema::{faults, gateway_schema, nearest, schema_of_kind, schema_of_no_kind},
    tree::Tree,
};
use crate::{
    call::{Person, Power},
    connector::{Kind, Part},
};

/// Reads `drawbridge.yaml`.
///
/// # Errors
/// Everything that is wrong with it, with line and column.
pub fn read_gateway(name: &str, text: &str) -> Result<GatewayFile, FileErrors> {
    let tree = Tree::parse(name, text)?;
    let wrong = faults(&gateway_schema(), &tree.value);
    typed(&tree, wrong, check_gateway)
}

/// The kind that a connector file names, that kind's part, and its credential, whatever else is wrong with
/// the file: for working out what it lacks.
///
/// # Errors
/// When it is no YAML.
pub fn read_part(name: &str, text: &str) -> Result<(String, Part, Option<String>), FileErrors> {
    let value = Tree::parse(name, text)?.value;
    let section = |key: &str| value.get(key).cloned().unwrap_or_else(|| json!({}));
    let mut system = section("system");
    let mut kind = String::new();
    if let Some(system) = system.as_object_mut() {
        if let Some(Value::String(word)) = system.shift_remove("kind") {
            kind = word;
        }
        for key in ["stale_after", "when_stale", "limits"] {
            system.shift_remove(key);
        }
    }
    let part = Part {
        system,
        scope: section("scope"),
        stale_after: None,
        when_stale: WhenStale::default(),
        powers: Power::ALL.into_iter().collect(),
    };
    let credential = value
        .pointer("/identity/credential")
        .and_then(Value::as_str);
    Ok((kind, part, credential.map(str::to_owned)))
}

/// Reads a connector file. `stem` is the file's name without `.yaml`.
///
/// # Errors
/// Everything that is wrong with it, with line and column.
pub fn read_connector(
    name: &str,
    stem: &str,
    text: &str,
    gateway: &GatewayFile,
    kinds: &[&'static dyn Kind],
) -> Result<(ConnectorFile, &'static dyn Kind), FileErrors> {
    let tree = Tree::parse(name, text)?;
    let word = tree
        .value
        .pointer("/system/kind")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let Some(kind) = kinds.iter().copied().find(|kind| kind.name() == word) else {
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
        let mend = nearest(word, names.iter().copied()).map_or_else(
            || format!("write one of {}", names.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        let rule = if word.is_empty() {
            "`system.kind` is missing".to_owned()
        } else {
            format!("there is no kind `{word}`")
        };
        let mut wrong = faults(&schema_of_no_kind(), &tree.value);
        wrong.retain(|fault| fault.pointer != "/system/kind");
        wrong.push(Fault::new("/system/kind", rule, mend));
        return Err(tree.locate(wrong));
    };
    let wrong = faults(&schema_of_kind(kind), &tree.value);
    let file = typed(&tree, wrong, |file| {
        check_connector(file, stem, gateway, kind)
    })?;
    Ok((file, kind))
}

/// The typed file, unless its form was wrong or `check` finds something. Where only parts are
/// wrong, the others are checked all the same, so that people hear everything at once.
fn typed<T: serde::de::DeserializeOwned>(
    tree: &Tree,
    mut wrong: Vec<Fault>,
    check: impl FnOnce(&T) -> Vec<Fault>,
) -> Result<T, FileErrors> {
    let mut value = tree.value.clone();
    for fault in &wrong {
        take_out(&mut value, &fault.pointer);
    }
    match serde_json::from_value(value) {
        Ok(file) => {
            wrong.extend(check(&file));
            if wrong.is_empty() {
                return Ok(file);
            }
        }
        Err(error) if wrong.is_empty() => wrong.push(Fault::new(
            "",
            error.to_string(),
            "see `drawbridge schema` for what may stand here",
        )),
        // What the schema found is why, and it says so better.
        Err(_) => {}
    }
    Err(tree.locate(wrong))
}

/// Takes a wrong value out; of a list the whole, so that the places of others stay true.
fn take_out(value: &mut Value, pointer: &str) {
    let Some((parent, key)) = pointer.rsplit_once('/') else {
        return;
    };
    let key = key.replace("~1", "/").replace("~0", "~");
    match value.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.shift_remove(&key);
        }
        Some(Value::Array(_)) => take_out(value, parent),
        _ => {}
    }
}

impl GatewayFile {
    /// The labels in force.
    #[must_use]
    pub fn labels(&self) -> Labels {
        if self.labels.is_empty() {
            Labels::default()
        } else {
            Labels::new(self.labels.clone())
        }
    }

    /// The person with this id, as the file knows them.
    #[must_use]
    pub fn person(&self, id: &str) -> Option<Person> {
        let file = self.people.get(id)?;
        Some(Person {
            id: id.to_owned(),
            groups: file.groups.iter().cloned().collect(),
            attributes: file.attributes.clone(),
        })
    }
}
