//! What is wrong with the part, beyond its schema.

mod system;
mod tools;

use drawbridge_core::{
    connector::Part,
    file::{Fault, Labels},
};

use super::{Scope, System};
use crate::kinds::mcp::resources;
pub use system::is_secret;
pub(in super::super) use system::is_variable;

/// Everything that is wrong.
pub(in super::super) fn check(part: &Part, labels: &Labels) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Ok(system) = serde_json::from_value::<System>(part.system.clone()) {
        system::check(&system, &mut faults);
    }
    if let Ok(scope) = serde_json::from_value::<Scope>(part.scope.clone()) {
        check_scope(&scope, labels, &mut faults);
    }
    faults
}

fn check_scope(scope: &Scope, labels: &Labels, faults: &mut Vec<Fault>) {
    label(labels, "/scope/label", Some(&scope.label), faults);
    for (name, tool) in &scope.tools {
        let at = format!("/scope/tools/{}", pointer(name));
        label(labels, &format!("{at}/label"), tool.label.as_ref(), faults);
        tools::check((&at, name, tool), scope, faults);
    }
    for (index, one) in scope.resources.iter().enumerate() {
        let at = format!("/scope/resources/{index}");
        label(labels, &format!("{at}/label"), one.label.as_ref(), faults);
        if resources::pattern(&one.uri).is_err() || !one.uri.contains(':') {
            faults.push(Fault::new(
                format!("{at}/uri"),
                format!("`{}` is no pattern of addresses", one.uri),
                "write an address such as `file:///srv/docs/**`, with `*` for anything but `/`",
            ));
        }
    }
    for (index, name) in scope.prompts.iter().enumerate() {
        if !scope.pinned.prompts.contains_key(name) {
            faults.push(Fault::new(
                format!("/scope/prompts/{index}"),
                format!("`{name}` was not reviewed: it is not under `pinned.prompts`"),
                "run `drawbridge connector pin` and look at what it adds",
            ));
        }
    }
}

fn label(labels: &Labels, at: &str, label: Option<&String>, faults: &mut Vec<Fault>) {
    if let Some(label) = label
        && labels.rank(label).is_none()
    {
        faults.push(labels.unknown(at, label));
    }
}

/// A name as a part of a JSON pointer.
fn pointer(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
