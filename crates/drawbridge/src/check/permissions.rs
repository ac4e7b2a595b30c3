//! 5 Permissions: nobody may do more than their work needs.

use drawbridge_core::{
    call::Person,
    file::{GatewayFile, Permission, Who},
};

use super::{Facts, Noticed, Subject, UNUSED_AFTER};
use crate::store::Used;

pub(super) fn grade(subject: &Subject<'_>, noticed: &mut Noticed) {
    let permissions = &subject.file.permissions;
    if permissions.is_empty() {
        noticed.amber("nobody may use it", "name who may, under `permissions`");
    }
    if subject.gateway.anonymous {
        noticed.amber(
            "callers without a token are let in: `anonymous: true` in drawbridge.yaml",
            "take it out, unless the whole world may ask",
        );
    }
    for (index, permission) in permissions.iter().enumerate() {
        broad(index, permission, noticed);
    }
    let grants = permissions.len();
    noticed.green(format!(
        "{grants} {}, nothing by default",
        if grants == 1 { "grant" } else { "grants" }
    ));
    match subject.facts {
        Some(facts) => unused(subject, facts, noticed),
        None => noticed.unseen("which grants were used in the last 90 days"),
    }
}

fn broad(index: usize, permission: &Permission, noticed: &mut Noticed) {
    let place = format!("permissions[{index}]");
    if permission.who.contains(&Who::Anonymous) {
        noticed.amber(
            format!("callers without a token may use it: `{place}`"),
            "grant it to people who sign in, unless the whole world may see it",
        );
    }
    if permission.only.is_empty() && permission.who.contains(&Who::Everyone) {
        noticed.amber(
            format!("everyone may use all of it: `{place}`"),
            "narrow the grant with `only`, or name a group",
        );
    }
}

/// Grants that were in force for long enough and that nobody used.
fn unused(subject: &Subject<'_>, facts: &Facts, noticed: &mut Noticed) {
    let Some(review) = &facts.reviewed else {
        return noticed.unseen("which grants are used: it is not in force yet");
    };
    let whole = review
        .at
        .checked_add(UNUSED_AFTER)
        .is_ok_and(|end| end <= facts.now);
    if !whole {
        return noticed
            .unseen("which grants were used in 90 days: it has not been in force for so long");
    }
    for (index, permission) in subject.file.permissions.iter().enumerate() {
        let by_tokens = subject.gateway.oidc.is_some()
            && permission
                .who
                .iter()
                .any(|who| matches!(who, Who::Group(_)));
        if by_tokens {
            noticed.unseen(format!(
                "whether `permissions[{index}]` is used: only tokens say who is in the group"
            ));
        } else if !facts
            .used
            .iter()
            .any(|used| uses(subject, permission, used))
        {
            let who: Vec<String> = permission.who.iter().map(ToString::to_string).collect();
            noticed.amber(
                format!(
                    "nobody used `permissions[{index}]` ({}) in 90 days",
                    who.join(", ")
                ),
                "take the grant away; it can be given again",
            );
        }
    }
}

/// Whether calls were made by whom a rule is about. Who is in a group is known of those under `people`.
pub(crate) fn is_meant(gateway: &GatewayFile, who: &Who, used: &Used) -> bool {
    let person = gateway.person(&used.person).unwrap_or_else(|| Person {
        id: used.person.clone(),
        ..Person::anonymous()
    });
    match who {
        Who::Client(name) => *name == used.client,
        Who::Everyone | Who::Anonymous | Who::Group(_) | Who::Person(_) => who.is_person(&person),
    }
}

fn uses(subject: &Subject<'_>, permission: &Permission, used: &Used) -> bool {
    let mut who = permission.who.iter();
    who.any(|who| is_meant(subject.gateway, who, used))
        && used.status != "denied"
        && permission
            .may
            .iter()
            .any(|power| power.word() == used.power)
}
