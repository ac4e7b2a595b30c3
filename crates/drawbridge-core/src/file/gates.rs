//! What only this gateway can know of a gate: whether anybody can decide, and whether it can match.

use std::collections::BTreeSet;

use globset::Glob;
use jiff::tz::TimeZone;

use super::{
    Approval, ConnectorFile, Fault, GatewayFile, Labels, Match, When, Who,
    check::{unknown_who, words},
    schema::unknown_key,
};
use crate::{
    call::Power,
    connector::{Kind, LABEL},
};

/// A gate must be able to do what it says: one that cannot is refused.
pub(super) fn check_gate(
    index: usize,
    gate: &Approval,
    (file, gateway, kind): (&ConnectorFile, &GatewayFile, &'static dyn Kind),
) -> Vec<Fault> {
    let at = format!("/approval/{index}");
    let mut wrong = outcome(&at, gate);
    let escalated = gate.escalate.iter().flat_map(|escalate| &escalate.to);
    let asked = gate.ask.iter().enumerate();
    let asked = asked.map(|(place, who)| (format!("{at}/ask/{place}"), who));
    let later = escalated.enumerate();
    let later = later.map(|(place, who)| (format!("{at}/escalate/to/{place}"), who));
    for (at, who) in asked.chain(later) {
        wrong.extend(no_approver(&at, who, gateway));
    }
    wrong.extend(quorum(&at, gate, gateway));
    wrong.extend(powers(&at, &gate.when, file));
    wrong.extend(conditions(&at, gate, (gateway, kind)));
    wrong
}

/// Whether it says one thing, and can come to it.
fn outcome(at: &str, gate: &Approval) -> Vec<Fault> {
    let mut wrong = Vec::new();
    let mut fault = |place: &str, rule: &str, mend: &str| {
        wrong.push(Fault::new(format!("{at}{place}"), rule, mend));
    };
    let asks = !gate.ask.is_empty();
    if !asks && !gate.auto && gate.deny.is_none() {
        let mend = "write `ask: [WHO]`, `auto: true` or `deny: REASON`";
        fault("", "the gate does not say what happens", mend);
    }
    if gate.deny.is_some() && (asks || gate.auto) {
        let mend = "keep `deny`, or take it out";
        fault(
            "/deny",
            "a gate that denies neither asks nor lets through",
            mend,
        );
    }
    if !gate.auto && !gate.limit.is_empty() {
        let mend = "write `auto: true` beside it; what asks is limited by `system.limits.effects`";
        fault("/limit", "only what is let through has a limit here", mend);
    }
    if gate.auto && (gate.quorum.is_some() || gate.self_approval) && !asks {
        let mend = "name who is asked beyond the limit with `ask`";
        fault("/auto", "nobody is asked whom this could be about", mend);
    }
    if let (Some(expires), Some(escalate)) = (gate.expires, &gate.escalate)
        && escalate.after >= expires
    {
        let mend = "let `escalate.after` be shorter than `expires`";
        fault(
            "/escalate/after",
            "the question ends before it is escalated",
            mend,
        );
    }
    wrong
}

/// An approver must be a person, and one that exists.
fn no_approver(at: &str, who: &Who, gateway: &GatewayFile) -> Option<Fault> {
    match who {
        Who::Client(_) | Who::Anonymous => Some(Fault::new(
            at,
            format!("`{who}` is no person who could decide"),
            "name people or groups",
        )),
        Who::Everyone | Who::Group(_) | Who::Person(_) => unknown_who(at, who, gateway),
    }
}

/// Whether so many people can say yes. With an identity provider, more may come.
fn quorum(at: &str, gate: &Approval, gateway: &GatewayFile) -> Option<Fault> {
    let quorum = gate.quorum?;
    let people: BTreeSet<&String> = gateway
        .people
        .keys()
        .filter(|id| {
            let person = gateway.person(id);
            let asked = |person| gate.ask.iter().any(|who| who.is_person(person));
            person.as_ref().is_some_and(asked)
        })
        .collect();
    let enough = gateway.oidc.is_some() || people.len() >= quorum as usize;
    (!enough).then(|| {
        Fault::new(
            format!("{at}/quorum"),
            format!("{quorum} must say yes, and `ask` names {}", people.len()),
            "ask more people, or lower the quorum",
        )
    })
}

fn powers(at: &str, when: &When, file: &ConnectorFile) -> Vec<Fault> {
    let at = format!("{at}/when/power");
    let mut wrong = Vec::new();
    let reads = |power: &Power| matches!(power, Power::Read | Power::Search);
    for power in when.power.values() {
        if !file.access.contains(power) {
            wrong.push(Fault::new(
                &at,
                format!("the gate can never apply: `{power}` is not in `access`"),
                "remove the gate, or the power from it",
            ));
        } else if *power == Power::Draft {
            wrong.push(Fault::new(
                &at,
                "a draft changes nothing, so no gate is about it",
                "name the power it is sent on with, such as `write`",
            ));
        }
    }
    if when.power.values().is_empty() {
        let mend = format!("write one of {}", words(&Power::ALL));
        wrong.push(Fault::new(&at, "a gate says which power it is about", mend));
    }
    let of_targets = !when.set.is_empty()
        || !when.fields.is_empty()
        || !when.facets.is_empty()
        || when.amount.is_some()
        || when.targets_over.is_some();
    if of_targets && when.power.values().iter().any(reads) {
        wrong.push(Fault::new(
            &at,
            "what a read or a search finds is not known when it is asked for",
            "a gate on them can name `action`, `who`, `hours`, `first_use` and `effects_over`",
        ));
    }
    wrong
}

fn conditions(
    at: &str,
    gate: &Approval,
    (gateway, kind): (&GatewayFile, &'static dyn Kind),
) -> Vec<Fault> {
    let when = &gate.when;
    let mut wrong = Vec::new();
    for (place, who) in when.who.iter().enumerate() {
        wrong.extend(unknown_who(&format!("{at}/when/who/{place}"), who, gateway));
    }
    let known: Vec<String> = WORDS.iter().map(|word| (*word).to_owned()).collect();
    let facets = kind.facets().iter().map(|facet| facet.name.to_owned());
    let known: Vec<String> = known.into_iter().chain(facets).collect();
    for (facet, value) in &when.facets {
        if !known.contains(facet) {
            wrong.push(unknown_key(&format!("{at}/when"), facet, &known));
            continue;
        }
        let at = format!("{at}/when/{facet}");
        wrong.extend(facet_value(&at, facet, (value, &gateway.labels())));
    }
    if let Some(amount) = &when.amount
        && amount.over.is_none()
        && amount.up_to.is_none()
    {
        let mend = "write `over` or `up_to`";
        wrong.push(Fault::new(
            format!("{at}/when/amount"),
            "the amount has no bounds",
            mend,
        ));
    }
    if let Some(hours) = &when.hours
        && TimeZone::get(&hours.zone).is_err()
    {
        wrong.push(Fault::new(
            format!("{at}/when/hours/zone"),
            format!("`{}` is no time zone that this machine knows", hours.zone),
            "write one such as `Europe/Berlin`, or `UTC`",
        ));
    }
    wrong
}

fn facet_value(at: &str, facet: &str, (value, labels): (&Match, &Labels)) -> Vec<Fault> {
    let mut wrong = Vec::new();
    let mut label = |word: &str| {
        if labels.rank(word).is_none() {
            wrong.push(labels.unknown(at, word));
        }
    };
    match value {
        Match::AtLeast { at_least } if facet == LABEL => label(at_least),
        Match::AtLeast { .. } => wrong.push(Fault::new(
            at,
            format!("`at_least` needs an order, and `{facet}` has none"),
            "list the values",
        )),
        Match::One(_) | Match::Any(_) if facet == LABEL => {
            value.patterns().iter().for_each(|word| label(word));
        }
        Match::One(_) | Match::Any(_) => {
            for pattern in value.patterns() {
                if let Err(error) = Glob::new(pattern) {
                    let rule = format!("`{pattern}` is no pattern: {error}");
                    wrong.push(Fault::new(at, rule, "write it like `hr/*`"));
                }
            }
        }
    }
    wrong
}

/// The words of `when` that every kind has.
const WORDS: [&str; 10] = [
    "power",
    "action",
    "who",
    "set",
    "fields",
    "amount",
    "hours",
    "first_use",
    "targets_over",
    "effects_over",
];
