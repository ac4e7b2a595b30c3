//! A YAML file as a JSON value that remembers where each part of it stands.

use std::{collections::HashMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Location, Spanned};

use super::fault::{Fault, FileError, FileErrors};

/// A parsed file: its value, and the place of every part by JSON pointer.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    name: String,
    pub(super) value: Value,
    places: HashMap<String, Place>,
}

/// Line and column, from 1.
#[derive(Debug, Clone, Copy)]
struct Place {
    line: u64,
    column: u64,
}

impl Tree {
    /// Parses YAML. `name` is the file as the user knows it.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self, FileErrors> {
        let node: Spanned<Node> =
            serde_saphyr::from_str_with_options(text, bounds()).map_err(|error| {
                let place = error.location().map_or(Place::START, Place::of);
                let (rule, mend) = broken_yaml(&error.to_string());
                FileErrors(vec![FileError {
                    file: name.to_owned(),
                    line: place.line,
                    column: place.column,
                    place: String::new(),
                    rule,
                    mend: mend.to_owned(),
                }])
            })?;
        let mut places = HashMap::new();
        let value = node
            .value
            .flatten(String::new(), Place::of(node.referenced), &mut places);
        Ok(Self {
            name: name.to_owned(),
            value,
            places,
        })
    }

    /// Gives faults their line and column. A fault at a key that is not there stands where its
    /// nearest parent stands.
    pub(super) fn locate(&self, faults: Vec<Fault>) -> FileErrors {
        let mut errors: Vec<FileError> = faults
            .into_iter()
            .map(|fault| self.locate_one(fault))
            .collect();
        errors.sort_by_key(|error| (error.line, error.column));
        FileErrors(errors)
    }

    fn locate_one(&self, fault: Fault) -> FileError {
        let mut at = fault.pointer.as_str();
        let place = loop {
            if let Some(place) = self.places.get(at) {
                break *place;
            }
            match at.rfind('/') {
                Some(cut) => at = at.get(..cut).unwrap_or_default(),
                None => break Place::START,
            }
        };
        FileError {
            file: self.name.clone(),
            line: place.line,
            column: place.column,
            place: readable(&fault.pointer),
            rule: fault.rule,
            mend: fault.mend,
        }
    }
}

/// What the YAML parser says, in the words of somebody who writes a file; and the mend.
fn broken_yaml(said: &str) -> (String, &'static str) {
    let said = said.lines().next().unwrap_or_default();
    let said = said.strip_prefix("error: ").unwrap_or(said);
    // It repeats the place, which stands in the error anyway.
    let said = match said.split_once(": ") {
        Some((place, rest)) if place.starts_with("line ") => rest,
        _ => said,
    };
    if let Some(rest) = said.strip_prefix("duplicate mapping key: ") {
        let key = rest.split(',').next().unwrap_or(rest);
        return (format!("the key `{key}` stands twice"), "keep one of them");
    }
    let known = [
        (
            "tabs disallowed",
            "a tab indents here",
            "indent with two spaces for each level",
        ),
        (
            "budget breached: Documents",
            "a second document begins here",
            "remove the `---`: a file is one document",
        ),
        (
            "budget breached",
            "this is more than such a file may hold",
            "take out what repeats itself; aliases count each time",
        ),
        (
            "YAML merge keys",
            "`<<` is not allowed",
            "write the keys out, so that a reviewer sees them here",
        ),
        (
            "alias references unknown anchor",
            "there is no anchor of this name",
            "write the value itself, or put it in quotation marks",
        ),
        (
            "alias",
            "aliases repeat more than such a file may hold",
            "write the values out",
        ),
    ];
    match known.iter().find(|(begins, ..)| said.starts_with(begins)) {
        Some((_, rule, mend)) => ((*rule).to_owned(), mend),
        None if said.starts_with("unsupported tag") => (
            said.to_owned(),
            "remove the tag: values are text, numbers, lists and keys",
        ),
        None => (
            said.to_owned(),
            "write it as YAML: `key: value`, two spaces for each level",
        ),
    }
}

/// What YAML may do in our files: far more than people write, far less than what hurts.
fn bounds() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 32,
            max_nodes: 50_000,
            max_events: 150_000,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 50_000,
            max_replay_stack_depth: 8,
        },
        merge_keys: serde_saphyr::options::MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
    }
}

/// `/scope/include/0` as people write it: `scope.include[0]`.
fn readable(pointer: &str) -> String {
    let mut place = String::new();
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        if step.chars().all(|digit| digit.is_ascii_digit()) && !place.is_empty() {
            place.push_str(&format!("[{step}]"));
        } else {
            if !place.is_empty() {
                place.push('.');
            }
            place.push_str(&step);
        }
    }
    place
}

/// A key as a step of a JSON pointer (RFC 6901).
pub(super) fn step(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

impl Place {
    const START: Self = Self { line: 1, column: 1 };

    fn of(location: Location) -> Self {
        Self {
            line: location.line().max(1),
            column: location.column().max(1),
        }
    }
}

/// One value of the file with its parts still placed.
enum Node {
    Plain(Value),
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl Node {
    fn flatten(self, pointer: String, at: Place, places: &mut HashMap<String, Place>) -> Value {
        let value = match self {
            Self::Plain(value) => value,
            Self::List(items) => items
                .into_iter()
                .enumerate()
                .map(|(index, item)| {
                    let place = Place::of(item.referenced);
                    item.value
                        .flatten(format!("{pointer}/{index}"), place, places)
                })
                .collect(),
            Self::Map(entries) => {
                let mut map = Map::new();
                for (key, item) in entries {
                    // An entry stands where its key stands: that is where people look.
                    let place = Place::of(key.referenced);
                    let inner = format!("{pointer}/{}", step(&key.value));
                    map.insert(key.value, item.value.flatten(inner, place, places));
                }
                Value::Object(map)
            }
        };
        places.insert(pointer, at);
        value
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Plain(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Plain(
            Number::from_f64(value).map_or(Value::Null, Value::Number),
        ))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Plain(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Plain(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Node::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_where_keys_and_items_stand() {
        let tree = Tree::parse("a.yaml", "one: 1\ntwo:\n  - x\n  - {deep: true}\n").unwrap();
        let errors = tree.locate(vec![
            Fault::new("/two/1/deep", "r", "m"),
            Fault::new("/two/0", "r", "m"),
            Fault::new("/one/missing", "r", "m"),
        ]);
        let places: Vec<_> = errors
            .0
            .iter()
            .map(|error| (error.line, error.column, error.place.as_str()))
            .collect();
        assert_eq!(
            places,
            [
                (1, 1, "one.missing"),
                (3, 5, "two[0]"),
                (4, 6, "two[1].deep")
            ]
        );
    }

    #[test]
    fn broken_yaml_and_repeated_keys_are_placed() {
        let error = Tree::parse("a.yaml", "one: 1\none: 2\n").unwrap_err();
        assert_eq!(error.0[0].line, 2, "{error}");
        let error = Tree::parse("a.yaml", "one: [1\ntwo: 2\n").unwrap_err();
        assert!(error.0[0].line >= 1, "{error}");
    }
}
