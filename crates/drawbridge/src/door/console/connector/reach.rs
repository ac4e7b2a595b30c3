//! What a connector may reach, as a tree, with how often each part of it was used.

use serde_json::Value;

/// A part of a scope.
pub(super) struct Node {
    pub(super) name: String,
    /// What the file says of it, where that is one word.
    pub(super) value: String,
    /// Whether calls could name it: a folder, a table, a tool.
    pub(super) resource: bool,
    /// How many of the last calls did.
    pub(super) used: u64,
    pub(super) parts: Vec<Node>,
}

/// Calls, by what they named.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    /// Under which names of the scope stand the things that calls name.
    pub(super) reaches: &'a [String],
    /// What calls named, with how often.
    pub(super) targets: &'a [(String, u64)],
}

/// The tree of a scope, with what calls used of it.
pub(super) fn tree(scope: &Value, named: Named<'_>) -> Vec<Node> {
    parts(scope, false, named)
}

fn parts(value: &Value, resources: bool, named: Named<'_>) -> Vec<Node> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !is_nothing(value))
            .map(|(name, value)| {
                let below = named.reaches.contains(name);
                Node {
                    value: word(value),
                    resource: resources,
                    used: if resources {
                        used(name, named.targets)
                    } else {
                        0
                    },
                    parts: parts(value, below, named),
                    name: name.clone(),
                }
            })
            .collect(),
        Value::Array(items) => items
            .iter()
            .map(|item| item_node(item, resources, named))
            .collect(),
        _ => Vec::new(),
    }
}

/// An item of a list: a word, or a part that is named by its first field.
fn item_node(item: &Value, resource: bool, calls: Named<'_>) -> Node {
    let named = match item {
        Value::Object(fields) => fields
            .values()
            .find_map(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        other => word(other),
    };
    let rest = match item {
        Value::Object(fields) => {
            let further = fields
                .iter()
                .filter(|(_, value)| value.as_str() != Some(&named));
            let further = further.map(|(name, value)| (name.clone(), value.clone()));
            parts(&Value::Object(further.collect()), false, calls)
        }
        _ => Vec::new(),
    };
    Node {
        used: if resource {
            used(&named, calls.targets)
        } else {
            0
        },
        name: named,
        value: String::new(),
        resource,
        parts: rest,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

/// How many calls named something of this part: itself, what stands beneath it, or what its pattern
/// means.
fn used(name: &str, targets: &[(String, u64)]) -> u64 {
    let root = name
        .trim_end_matches("**")
        .trim_end_matches("/*")
        .trim_end_matches('/');
    let fits = |target: &str| {
        name == "**/*"
            || name == "**"
            || root.starts_with("**/*") && target.ends_with(root.trim_start_matches("**/*"))
            || target.strip_prefix(root).is_some_and(|rest| {
                rest.is_empty() || rest.starts_with(['/', ':', '.', '#', ' ', '?'])
            })
    };
    let fitting = targets.iter().filter(|(target, _)| fits(target));
    fitting.map(|(_, count)| count).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_part_tells_how_often_it_was_used() {
        let scope = json!({
            "include": ["**/*"],
            "folders": [{"path": "hr/**", "label": "confidential"}, {"path": "sales/**", "label": "internal"}],
            "tables": {"customers": {"key": "id", "fields": ["id"], "rows": null}, "customers_old": {"key": "id"}},
        });
        let targets = [
            ("hr/a.md".to_owned(), 3),
            ("customers/7".to_owned(), 2),
            ("hrx/b.md".to_owned(), 9),
        ];
        let reaches = ["include", "folders", "tables"].map(str::to_owned);
        let named = Named {
            reaches: &reaches,
            targets: &targets,
        };
        let seen = tree(&scope, named);
        let used: Vec<(String, bool, u64)> = seen
            .iter()
            .flat_map(|part| {
                part.parts
                    .iter()
                    .map(|one| (one.name.clone(), one.resource, one.used))
            })
            .collect();
        let named = |name: &str, used| (name.to_owned(), true, used);
        assert_eq!(
            used,
            [
                named("**/*", 14),
                named("hr/**", 3),
                named("sales/**", 0),
                named("customers", 2),
                named("customers_old", 0)
            ]
        );
    }
}
