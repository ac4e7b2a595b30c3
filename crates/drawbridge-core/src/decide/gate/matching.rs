//! Whether a target, or a moment, is what a gate is about.

use globset::GlobBuilder;
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value};

use crate::{
    connector::LABEL,
    file::{Amount, Hours, Labels, Match, When},
    plan::{Image, Target},
};

/// Whether a target is what a gate is about. `auto`: whether the gate lets through, so that what
/// nobody can tell does not match; for one that stops, it does.
pub(super) fn target_matches(
    when: &When,
    target: &Target,
    (auto, labels): (bool, &Labels),
) -> bool {
    let facets = when.facets.iter().all(|(name, value)| {
        let known = target.facets.get(name);
        known.map_or(!auto, |known| facet_matches(name, value, known, labels))
    });
    let amount = when.amount.as_ref();
    facets
        && fields_match(when, target, auto)
        && amount.is_none_or(|amount| amount_matches(amount, target, auto))
}

fn fields_match(when: &When, target: &Target, auto: bool) -> bool {
    if when.set.is_empty() && when.fields.is_empty() {
        return true;
    }
    let Some(changed) = changed(target) else {
        return !auto;
    };
    let named = |(field, after): &(String, Value)| {
        let meant = |value: &Value| value == "*" || is_same(value, after);
        let set = when.set.get(field);
        when.fields.contains(field) || set.is_some_and(|set| set.values().iter().any(meant))
    };
    // What lets through a change of one field does not let through another beside it.
    changed.iter().any(named) && (!auto || changed.iter().all(named))
}

/// Whether a value of a file and one of a target are one, however each is written: some systems keep
/// yes and no as numbers, and whole numbers as others.
fn is_same(one: &Value, other: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        value => value.as_f64(),
    };
    match (one, other) {
        (Value::Bool(one), Value::Bool(other)) => one == other,
        _ => one == other || number(one).is_some_and(|one| number(other) == Some(one)),
    }
}

fn amount_matches(amount: &Amount, target: &Target, auto: bool) -> bool {
    let after = match &target.after {
        Some(Image::Fields(fields)) => fields.get(&amount.field).and_then(Value::as_f64),
        Some(Image::Text(_) | Image::Dropped) | None => None,
    };
    after.map_or(!auto, |number| {
        amount.over.is_none_or(|over| number > over)
            && amount.up_to.is_none_or(|up_to| number <= up_to)
    })
}

/// The fields that become another, with what they become; none where there are no fields.
fn changed(target: &Target) -> Option<Vec<(String, Value)>> {
    let fields = |image: &Option<Image>| match image {
        None => Some(Map::new()),
        Some(Image::Fields(fields)) => Some(fields.clone()),
        Some(Image::Text(_) | Image::Dropped) => None,
    };
    let (before, after) = (fields(&target.before)?, fields(&target.after)?);
    if target.before.is_none() && target.after.is_none() {
        return None;
    }
    let names = before
        .keys()
        .chain(after.keys().filter(|name| !before.contains_key(*name)));
    let changes = names.filter_map(|name| {
        let becomes = after.get(name).cloned().unwrap_or(Value::Null);
        (before.get(name) != after.get(name)).then(|| (name.clone(), becomes))
    });
    Some(changes.collect())
}

fn facet_matches(name: &str, value: &Match, known: &str, labels: &Labels) -> bool {
    match value {
        // An unknown label counts as the most sensitive of all.
        Match::AtLeast { at_least } => {
            let rank = |label: &str| labels.rank(label).unwrap_or(usize::MAX);
            rank(known) >= rank(at_least)
        }
        Match::One(_) | Match::Any(_) if name == LABEL => {
            value.patterns().iter().any(|pattern| pattern == known)
        }
        Match::One(_) | Match::Any(_) => value.patterns().iter().any(|pattern| {
            let glob = GlobBuilder::new(pattern).literal_separator(true).build();
            glob.is_ok_and(|glob| glob.compile_matcher().is_match(known))
        }),
    }
}

/// Whether it is that time. `unsure`: what is said where nobody can tell.
pub(super) fn within(hours: &Hours, now: Timestamp, unsure: bool) -> bool {
    let Ok(zone) = TimeZone::get(&hours.zone) else {
        return unsure;
    };
    let local = now.to_zoned(zone);
    let (time, from, to) = (local.time(), hours.from.0, hours.to.0);
    let in_time = match from.cmp(&to) {
        std::cmp::Ordering::Less => from <= time && time < to,
        // Over midnight; all day where both are the same.
        _ => from <= time || time < to || from == to,
    };
    // After midnight it still is the evening of the day before.
    let evening_before = from > to && time < to;
    let day = if evening_before {
        local
            .yesterday()
            .map_or(local.weekday(), |before| before.weekday())
    } else {
        local.weekday()
    };
    in_time && (hours.days.is_empty() || hours.days.iter().any(|one| one.is(day)))
}
