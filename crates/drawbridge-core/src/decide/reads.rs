//! What a rule looks at, found in its parsed form: so that a decision is made anew only when
//! something changed that a rule can see.

use cedar_policy::{ActionConstraint, EntityUid, Policy, ResourceConstraint};
use serde_json::Value;

/// The attributes of the context that are known before the arguments are.
const OF_CALLER: [&str; 2] = ["client", "door"];

/// What the outcome of a rule can depend on, beside the caller. Where it cannot be told, it depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reads {
    /// The arguments of the call.
    pub(super) arguments: bool,
    /// The resource: if not, the rule says of every resource what it says of the connector.
    pub(super) resource: bool,
}

/// What a rule looks at.
pub(super) fn reads(rule: &Policy) -> Reads {
    let Ok(parsed) = rule.to_json() else {
        return Reads {
            arguments: true,
            resource: true,
        };
    };
    let conditions = parsed.get("conditions").unwrap_or(&Value::Null);
    // Of connectors, `in` is true where it is true of what is in them.
    let every = matches!(
        rule.resource_constraint(),
        ResourceConstraint::Any | ResourceConstraint::In(_)
    );
    Reads {
        arguments: reads_arguments(conditions),
        resource: !every || names_resource(conditions),
    }
}

/// Whether a rule can bear on an action, which is in one power.
pub(super) fn bears_on(rule: &Policy, action: &EntityUid, power: &EntityUid) -> bool {
    match rule.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(one) => one == *action,
        ActionConstraint::In(several) => several.iter().any(|one| one == action || one == power),
    }
}

/// Whether the context is used for more than what is known of the caller.
fn reads_arguments(part: &Value) -> bool {
    let of_caller = [".", "has"].iter().find_map(|operator| {
        let access = part.get(operator)?;
        let context = access.get("left").is_some_and(is_context);
        let attribute = access.get("attr").and_then(Value::as_str)?;
        Some(context && OF_CALLER.contains(&attribute))
    });
    if of_caller == Some(true) {
        return false;
    }
    is_context(part) || children(part).any(reads_arguments)
}

fn is_context(part: &Value) -> bool {
    part.get("Var").and_then(Value::as_str) == Some("context")
}

/// Whether the resource is named anywhere: as the variable, or as the entity that stands for it.
fn names_resource(part: &Value) -> bool {
    let is = |key: &str, word: &str| {
        let text = part.get(key).and_then(Value::as_str);
        text.is_some_and(|text| text.ends_with(word))
    };
    is("Var", "resource") || is("type", "Resource") || children(part).any(names_resource)
}

fn children(part: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match part {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(fields) => Box::new(fields.values()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Box::new(std::iter::empty())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules, and whether they look at arguments and resource.
    const RULES: [(&str, (bool, bool)); 15] = [
        ("forbid(principal, action, resource);", (false, false)),
        (
            r#"forbid(principal, action, resource) when { context.client == D::Client::"x" && context has door };"#,
            (false, false),
        ),
        (
            r#"forbid(principal in D::Group::"x", action, resource) unless { principal has id };"#,
            (false, false),
        ),
        (
            r#"forbid(principal, action, resource in D::Connector::"x") when { true };"#,
            (false, false),
        ),
        (
            "forbid(principal, action, resource) when { context.arguments has query };",
            (true, false),
        ),
        (
            "forbid(principal, action, resource) when { context has arguments };",
            (true, false),
        ),
        (
            r#"forbid(principal, action, resource) when { context["argum\u{65}nts"].query == "x" };"#,
            (true, false),
        ),
        (
            "forbid(principal, action, resource) when { if true then context == context else true };",
            (true, false),
        ),
        (
            r#"forbid(principal, action, resource) when { {"client": context}.client.arguments.a == 1 };"#,
            (true, false),
        ),
        (
            r#"forbid(principal, action, resource) when { context.arguments.client == "x" };"#,
            (true, false),
        ),
        (
            "forbid(principal, action, resource is D::Resource);",
            (false, true),
        ),
        (
            r#"forbid(principal, action, resource == D::Connector::"x");"#,
            (false, true),
        ),
        (
            r#"forbid(principal, action, resource) when { [1, resource.rank].contains(2) };"#,
            (false, true),
        ),
        (
            "forbid(principal, action, resource) unless { principal in resource };",
            (false, true),
        ),
        (
            r#"forbid(principal, action, resource) when { D::Resource::"asked" has rank };"#,
            (false, true),
        ),
    ];

    fn of(text: &str) -> (bool, bool) {
        let rule = Policy::parse(None, text).unwrap();
        let Reads {
            arguments,
            resource,
        } = reads(&rule);
        (arguments, resource)
    }

    #[test]
    fn tells_what_a_rule_looks_at() {
        for (rule, seen) in RULES {
            assert_eq!(of(rule), seen, "{rule}");
        }
    }

    #[test]
    fn tells_which_actions_a_rule_bears_on() {
        let uid = |text: &str| text.parse::<EntityUid>().unwrap();
        let (search, power) = (
            uid(r#"D::Action::"x_search""#),
            uid(r#"D::Action::"search""#),
        );
        for (scope, bears) in [
            ("action", true),
            (r#"action == D::Action::"x_search""#, true),
            (r#"action == D::Action::"search""#, false),
            (r#"action in D::Action::"search""#, true),
            (r#"action in [D::Action::"x_search"]"#, true),
            (
                r#"action in [D::Action::"read", D::Action::"x_read"]"#,
                false,
            ),
        ] {
            let rule =
                Policy::parse(None, format!("forbid(principal, {scope}, resource);")).unwrap();
            assert_eq!(bears_on(&rule, &search, &power), bears, "{scope}");
        }
    }
}
