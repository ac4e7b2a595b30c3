//! Permissions of a connector file, and an organisation's own rules, as Cedar policies.

use std::str::FromStr;

use cedar_policy::{Effect, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use miette::Diagnostic;

use super::{book::PolicyFile, cedar::literal};
use crate::{
    connector::LABEL,
    file::{ConnectorFile, FileError, FileErrors, Labels, Only, Permission, Who},
};

/// One policy for each `who` of each permission, so that a decision names the very grant.
pub(super) fn of_permissions(file: &ConnectorFile, labels: &Labels) -> Vec<(String, String)> {
    let mut policies = Vec::new();
    for (index, permission) in file.permissions.iter().enumerate() {
        for who in &permission.who {
            let id = format!("{}.yaml permissions[{index}] for {who}", file.connector);
            policies.push((id, of_permission(file, permission, (who, labels))));
        }
    }
    policies
}

fn of_permission(
    file: &ConnectorFile,
    permission: &Permission,
    (who, labels): (&Who, &Labels),
) -> String {
    let (principal, caller) = match who {
        Who::Everyone => (
            "principal".to_owned(),
            "principal != Drawbridge::Person::\"anonymous\"".to_owned(),
        ),
        Who::Anonymous => (
            "principal == Drawbridge::Person::\"anonymous\"".to_owned(),
            "true".to_owned(),
        ),
        Who::Person(id) => (
            format!("principal == Drawbridge::Person::{}", literal(id)),
            "true".to_owned(),
        ),
        Who::Group(name) => (
            format!("principal in Drawbridge::Group::{}", literal(name)),
            "true".to_owned(),
        ),
        Who::Client(name) => (
            "principal".to_owned(),
            format!("context.client == Drawbridge::Client::{}", literal(name)),
        ),
    };
    let powers: Vec<String> = permission
        .may
        .iter()
        .map(|power| format!("Drawbridge::Action::{}", literal(power.word())))
        .collect();
    let part: Vec<String> = permission
        .only
        .iter()
        .map(|(facet, only)| condition(facet, only, labels))
        .collect();
    let part = if part.is_empty() {
        "true".to_owned()
    } else {
        part.join(" && ")
    };
    format!(
        "permit({principal}, action in [{}], resource in Drawbridge::Connector::{}) when {{ {caller} \
         && (resource is Drawbridge::Connector || ({part})) }};",
        powers.join(", "),
        literal(&file.connector),
    )
}

/// A facet has one of the values. A resource without the facet has none of them.
fn condition(facet: &str, only: &Only, labels: &Labels) -> String {
    if let Only::UpTo { up_to } = only {
        // A label that is unknown was refused when the file was read; none may pass here.
        return match labels.rank(up_to) {
            Some(rank) => format!("resource.rank <= {rank}"),
            None => "false".to_owned(),
        };
    }
    let name = literal(facet);
    let matches: Vec<String> = only
        .values()
        .iter()
        .map(|value| one_of(&name, value))
        .collect();
    let any = format!("({})", matches.join(" || "));
    if facet == LABEL {
        any
    } else {
        format!("(resource has {name} && {any})")
    }
}

fn one_of(name: &str, value: &str) -> String {
    if let Some(attribute) = value.strip_prefix("person.") {
        let attribute = literal(attribute);
        return format!(
            "(principal has {attribute} && resource[{name}] == principal[{attribute}])"
        );
    }
    if !value.contains('*') {
        return format!("resource[{name}] == {}", literal(value));
    }
    let like = |pattern: &str| format!("resource[{name}] like {}", literal(pattern));
    // `a/**` is the folder `a` and all below it.
    if let Some(folder) = value
        .strip_suffix("/**")
        .filter(|folder| !folder.contains('*'))
    {
        return format!(
            "(resource[{name}] == {} || {})",
            literal(folder),
            like(&format!("{folder}/*"))
        );
    }
    // In Cedar `*` runs over `/`, in a glob only `**` does: so for each single `*`, what it would
    // match with a `/` inside is taken out again.
    let whole = value.replace("**", "*");
    let without: String = single_stars(value)
        .map(|(before, after)| format!("{before}*/*{after}").replace("**", "*"))
        .map(|pattern| format!(" && !({})", like(&pattern)))
        .collect();
    format!("({}{without})", like(&whole))
}

/// Each `*` that is not part of a `**`: what stands before it, and after it.
fn single_stars(value: &str) -> impl Iterator<Item = (&str, &str)> {
    value.match_indices('*').filter_map(|(at, _)| {
        let (before, star) = value.split_at_checked(at)?;
        let after = star.strip_prefix('*')?;
        let single = !before.ends_with('*') && !after.starts_with('*');
        single.then_some((before, after))
    })
}

/// Parses a policy of our own making.
pub(super) fn parse(id: &str, text: &str) -> Result<Policy, String> {
    Policy::parse(Some(PolicyId::new(id)), text).map_err(|error| format!("{id}: {error}"))
}

/// Parses an organisation's own rules. They can only forbid: what a connector's file does not
/// grant, no other file can.
pub(super) fn of_organisation(file: &PolicyFile) -> Result<Vec<Policy>, FileErrors> {
    let set = PolicySet::from_str(&file.text).map_err(|errors| {
        FileErrors(vec![placed(
            file,
            &errors,
            "write it as Cedar: `forbid(principal, action, resource) when { … };`",
        )])
    })?;
    let mut wrong = Vec::new();
    if set.num_of_templates() > 0 {
        wrong.push(at(
            file,
            0,
            "a template says nothing by itself",
            "write whole policies",
        ));
    }
    let mut policies: Vec<Policy> = set.policies().cloned().collect();
    policies.sort_by_key(|policy| number(policy.id()));
    let mut ours = Vec::new();
    for (index, policy) in policies.into_iter().enumerate() {
        if policy.effect() == Effect::Permit {
            wrong.push(at(
                file,
                offset_of(file, &policy),
                "a rule under `policies/` cannot permit",
                "give the permission in the connector's own file, where it is reviewed",
            ));
        }
        let name = policy
            .annotation("id")
            .map_or_else(|| index.to_string(), str::to_owned);
        ours.push(policy.new_id(PolicyId::new(format!("{} `{name}`", file.name))));
    }
    if wrong.is_empty() {
        Ok(ours)
    } else {
        Err(FileErrors(wrong))
    }
}

/// Cedar numbers the policies of a text: `policy0`, `policy1`.
fn number(id: &PolicyId) -> usize {
    let id: &str = id.as_ref();
    id.trim_start_matches("policy")
        .parse()
        .unwrap_or(usize::MAX)
}

fn offset_of(file: &PolicyFile, policy: &Policy) -> usize {
    policy
        .to_cedar()
        .and_then(|text| file.text.find(text.as_str()))
        .unwrap_or_default()
}

/// Type-checks an organisation's rules against the tools and facets of this gateway. A rule that
/// can never match is wrong too: somebody relies on it.
pub(super) fn validate(
    schema: &Schema,
    file: &PolicyFile,
    policies: &[Policy],
) -> Result<(), FileErrors> {
    let set = PolicySet::from_policies(policies.iter().cloned()).map_err(|error| {
        FileErrors(vec![at(
            file,
            0,
            &error.to_string(),
            "give each policy its own `@id`",
        )])
    })?;
    let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    let mut wrong: Vec<FileError> = result
        .validation_errors()
        .map(|error| {
            placed(
                file,
                error,
                "name only this gateway's tools, their arguments, and the facets of its resources",
            )
        })
        .collect();
    wrong.extend(result.validation_warnings().map(|warning| {
        placed(
            file,
            warning,
            "remove the rule, or mend it so that it can apply",
        )
    }));
    wrong.sort_by_key(|error| (error.line, error.column));
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(FileErrors(wrong))
    }
}

fn placed(
    file: &PolicyFile,
    error: &(impl Diagnostic + std::fmt::Display),
    mend: &str,
) -> FileError {
    let offset = error
        .labels()
        .and_then(|mut labels| labels.next())
        .map_or(0, |label| label.offset());
    let mend = error
        .help()
        .map_or_else(|| mend.to_owned(), |help| help.to_string());
    at(file, offset, &error.to_string(), &mend)
}

fn at(file: &PolicyFile, offset: usize, rule: &str, mend: &str) -> FileError {
    let before = file.text.get(..offset).unwrap_or(&file.text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    FileError {
        file: file.name.clone(),
        line: before.matches('\n').count() as u64 + 1,
        column: column as u64,
        place: String::new(),
        rule: rule.to_owned(),
        mend: mend.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use cedar_policy::{Authorizer, Context, Decision, Entities, PolicySet, Request};

    use super::*;

    /// Whether a permission that is narrowed to `only` admits a resource in `folder`.
    fn admits(only: &str, folder: &str) -> bool {
        let text = format!(
            "permit(principal, action, resource) when {{ {} }};",
            one_of("\"folder\"", only)
        );
        let policies: PolicySet = text.parse().unwrap();
        let entity = serde_json::json!([{
            "uid": {"type": "R", "id": "r"}, "attrs": {"folder": folder}, "parents": []
        }]);
        let entities = Entities::from_json_value(entity, None).unwrap();
        let uid = |text: &str| text.parse().unwrap();
        let asked = (uid("P::\"p\""), uid("Action::\"a\""), uid("R::\"r\""));
        let request = Request::new(asked.0, asked.1, asked.2, Context::empty(), None).unwrap();
        let response = Authorizer::new().is_authorized(&request, &policies, &entities);
        response.decision() == Decision::Allow
    }

    /// The same globs mean the same in `scope` and in `permissions`.
    #[test]
    fn a_star_stays_in_its_folder_and_two_do_not() {
        let cases = [
            ("hr", &["hr"][..], &["hr/pay", "hrx", ""][..]),
            (
                "hr/**",
                &["hr", "hr/pay", "hr/pay/2026"],
                &["hrx", "h", "x/hr"],
            ),
            ("hr/*", &["hr/pay"], &["hr", "hr/pay/2026", "hrx/pay"]),
            ("*/pay", &["hr/pay"], &["a/hr/pay", "pay"]),
            ("**/pay", &["hr/pay", "a/hr/pay"], &["hr/pay/x"]),
            (
                "h*/p*",
                &["hr/pay", "h/p"],
                &["hr/x/pay", "hr/pay/x", "h/x/p"],
            ),
            ("*", &["hr", ""], &["hr/pay"]),
            ("**", &["hr", "", "hr/pay"], &[]),
        ];
        for (only, inside, outside) in cases {
            for folder in inside {
                assert!(admits(only, folder), "`{only}` should admit `{folder}`");
            }
            for folder in outside {
                assert!(
                    !admits(only, folder),
                    "`{only}` should not admit `{folder}`"
                );
            }
        }
    }
}
