//! Reading a file: its form by the schema, then what only this gateway can know.

use std::sync::{LazyLock, OnceLock};

use serde_json::{Value, json};

use super::{
    ConnectorFile, Fault, FileErrors, GatewayFile, Labels, WhenStale,
    check::{check_connector, check_gateway},
    schema::{Form, gateway_schema, nearest, schema_of_kind, schema_of_no_kind},
    tree::Tree,
};
use crate::{
    call::{Person, Power},
    connector::{Kind, Part},
};

/// What `drawbridge.yaml` must look like: it is read whenever any file changes.
static GATEWAY: LazyLock<Form> = LazyLock::new(|| Form::new(gateway_schema()));

/// Reads `drawbridge.yaml`.
///
/// # Errors
/// Everything that is wrong with it, with line and column.
pub fn read_gateway(name: &str, text: &str) -> Result<GatewayFile, FileErrors> {
    let tree = Tree::parse(name, text)?;
    typed(&tree, GATEWAY.faults(&tree.value), check_gateway)
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

/// Reads a connector file. `stem` is the file's name without `.yaml`. Whoever reads several has a
/// [`Reader`].
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
    Reader::new(kinds).read((name, stem), text, gateway)
}

/// Reads connector files. What a file of a kind must look like is worked out once, for the first.
pub struct Reader {
    kinds: Vec<(&'static dyn Kind, OnceLock<Form>)>,
    no_kind: OnceLock<Form>,
}

impl Reader {
    /// For connectors of any of these kinds.
    #[must_use]
    pub fn new(kinds: &[&'static dyn Kind]) -> Self {
        Self {
            kinds: kinds.iter().map(|kind| (*kind, OnceLock::new())).collect(),
            no_kind: OnceLock::new(),
        }
    }

    /// Reads a connector file. `stem` is the file's name without `.yaml`.
    ///
    /// # Errors
    /// Everything that is wrong with it, with line and column.
    pub fn read(
        &self,
        (name, stem): (&str, &str),
        text: &str,
        gateway: &GatewayFile,
    ) -> Result<(ConnectorFile, &'static dyn Kind), FileErrors> {
        let tree = Tree::parse(name, text)?;
        let word = tree.value.pointer("/system/kind").and_then(Value::as_str);
        let word = word.unwrap_or_default();
        let Some((kind, form)) = self.kinds.iter().find(|(kind, _)| kind.name() == word) else {
            return Err(self.of_no_kind(word, &tree));
        };
        let form = form.get_or_init(|| Form::new(schema_of_kind(*kind)));
        let file = typed(&tree, form.faults(&tree.value), |file| {
            check_connector(file, stem, gateway, *kind)
        })?;
        Ok((file, *kind))
    }

    fn of_no_kind(&self, word: &str, tree: &Tree) -> FileErrors {
        let names = || self.kinds.iter().map(|(kind, _)| kind.name());
        let mend = nearest(word, names()).map_or_else(
            || format!("write one of {}", names().collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        let rule = if word.is_empty() {
            "`system.kind` is missing".to_owned()
        } else {
            format!("there is no kind `{word}`")
        };
        let form = self.no_kind.get_or_init(|| Form::new(schema_of_no_kind()));
        let mut wrong = form.faults(&tree.value);
        wrong.retain(|fault| fault.pointer != "/system/kind");
        wrong.push(Fault::new("/system/kind", rule, mend));
        tree.locate(wrong)
    }
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
