//! How much is called, by whom, how it ends, and what it costs an AI to read.

use std::collections::BTreeMap;

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::Caller,
    log::Record,
    plan::Stage,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::{
    Effect, Prepared,
    roles::{looks_after, oversees, own_client},
    store_down,
};
use crate::{
    app::App,
    connectors::Snapshot,
    store::{CountFilter, CountedCalls, RecordFilter, Stretch},
};

/// Days that are counted where the question does not say.
const DAYS: u32 = 30;
/// The most days.
const MOST_DAYS: u32 = 90;
/// The most hours.
const MOST_HOURS: u32 = 72;
/// Calls that are looked at one by one, the newest.
const LATELY: u32 = 1_000;
/// Targets that are named, the most used first.
const MOST_TARGETS: usize = 500;

/// Which calls are counted.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// Of which connector: then its last calls are looked at, too.
    pub connector: Option<String>,
    /// Of so many days, from 1 to 90. Default 30.
    pub days: Option<u32>,
    /// Of so many hours instead, from 1 to 72.
    pub hours: Option<u32>,
}

/// Whose calls somebody may count.
#[derive(Clone, Copy)]
enum Of {
    All,
    Connector,
    Own,
}

impl Of {
    fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Connector => "connector",
            Self::Own => "own",
        }
    }
}

impl App {
    pub(super) async fn usage_found(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        query: &UsageQuery,
    ) -> Prepared {
        own_client(caller)?;
        let until = self.clock.now();
        let (since, stretch) = span(query, until)?;
        let of = whose(snapshot, caller, query);
        let person = match of {
            Of::All | Of::Connector => None,
            Of::Own => Some(caller.person.id.clone()),
        };
        let filter = CountFilter {
            since,
            stretch,
            connector: query.connector.clone(),
            person,
        };
        let calls = self.store.calls_by_time(&filter).await;
        let calls = calls.map_err(store_down)?;
        let (lately, used) = match &filter.connector {
            None => (Value::Null, Value::Null),
            Some(connector) => (
                self.lately(connector, &filter).await?,
                self.used_by(connector, &filter).await?,
            ),
        };
        let total: u64 = calls.iter().map(|one| one.count).sum();
        let hourly = stretch == Stretch::Hour;
        let data = json!({
            "since": since,
            "until": until,
            "bucket": if hourly { "hour" } else { "day" },
            "of": of.word(),
            "connector": query.connector,
            "calls": calls.iter().map(shown).collect::<Vec<_>>(),
            "total": total,
            "errors": errors(calls.iter().map(|one| (one.status.as_str(), one.count))),
            "lately": lately,
            "used": used,
            // By person they are summed by day.
            "used_since": Stretch::Day.begin(since),
        });
        Ok((Found::new(data, String::new(), total), Effect::Nothing))
    }

    /// The last calls of a connector: how long they took, how much was read, of what.
    async fn lately(&self, connector: &str, counted: &CountFilter) -> Result<Value, Failure> {
        let filter = RecordFilter {
            connector: Some(connector.to_owned()),
            person: counted.person.clone(),
            calls: true,
            limit: LATELY,
            ..RecordFilter::default()
        };
        let stored = self.store.records(&filter).await.map_err(store_down)?;
        let calls: Vec<&Record> = stored.iter().map(|stored| &stored.record).collect();
        let calls: Vec<&Record> = calls
            .into_iter()
            .filter(|record| !intends(record))
            .collect();
        // What is done after an approval takes nobody's time, and has none on its record.
        let timed = calls.iter().map(|record| record.duration_us);
        let durations = sorted(timed.filter(|took| *took > 0));
        let bytes = sorted(calls.iter().map(|record| record.returned.bytes));
        Ok(json!({
            "calls": calls.len(),
            "since": calls.last().map(|record| record.time),
            "median_us": part(&durations, 50),
            "p95_us": part(&durations, 95),
            "bytes": bytes.iter().sum::<u64>(),
            "median_bytes": part(&bytes, 50),
            "errors": errors(calls.iter().map(|record| (record.status.word(), 1))),
            "targets": targets(&calls),
        }))
    }

    /// Who used a connector, and how it ended.
    async fn used_by(&self, connector: &str, counted: &CountFilter) -> Result<Value, Failure> {
        let person = counted.person.as_deref();
        let used = self.store.used(connector, person, counted.since).await;
        Ok(json!(used.map_err(store_down)?))
    }
}

/// From when on calls are counted, and by how long a stretch: whole hours or days.
fn span(query: &UsageQuery, until: Timestamp) -> Result<(Timestamp, Stretch), Failure> {
    let wrong = |told: String| Err(Failure::invalid(told));
    let (hours, hourly) = match (query.days, query.hours) {
        (Some(_), Some(_)) => return wrong("`days` or `hours`: give one of them".to_owned()),
        (None, Some(hours)) if (1..=MOST_HOURS).contains(&hours) => (hours, true),
        (None, Some(_)) => return wrong(format!("`hours`: from 1 to {MOST_HOURS}")),
        (days, None) => match days.unwrap_or(DAYS) {
            days if (1..=MOST_DAYS).contains(&days) => (days * 24, days * 24 <= MOST_HOURS),
            _ => return wrong(format!("`days`: from 1 to {MOST_DAYS}")),
        },
    };
    let stretch = if hourly { Stretch::Hour } else { Stretch::Day };
    let whole = SignedDuration::from_hours(hours.into());
    let since = until.checked_sub(whole).unwrap_or(Timestamp::MIN);
    Ok((stretch.begin(since), stretch))
}

fn whose(snapshot: &Snapshot, caller: &Caller, query: &UsageQuery) -> Of {
    let mounted = query
        .connector
        .as_ref()
        .and_then(|name| snapshot.connectors.get(name));
    if oversees(snapshot, caller) {
        Of::All
    } else if mounted.is_some_and(|mounted| looks_after(snapshot, caller, mounted)) {
        Of::Connector
    } else {
        Of::Own
    }
}

fn shown(one: &CountedCalls) -> Value {
    json!({"at": one.at, "status": one.status, "power": one.power, "count": one.count})
}

/// Calls that did not end well, by status, the most frequent first.
fn errors<'a>(ended: impl Iterator<Item = (&'a str, u64)>) -> Vec<Value> {
    let well = [Status::Ok, Status::Partial, Status::ApprovalNeeded].map(Status::word);
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (status, count) in ended.filter(|(status, _)| !well.contains(status)) {
        *counts.entry(status).or_default() += count;
    }
    let mut counts: Vec<(&str, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let counts = counts.into_iter();
    counts
        .map(|(status, count)| json!({"status": status, "count": count}))
        .collect()
}

/// Whether a record says only that something is about to be done.
fn intends(record: &Record) -> bool {
    let plan = record.plan.as_ref();
    plan.is_some_and(|plan| plan.stage == Stage::Applying)
}

fn targets(calls: &[&Record]) -> Vec<Value> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for record in calls {
        let planned = record.plan.iter().flat_map(|plan| &plan.targets);
        for target in record.returned.targets.iter().chain(planned) {
            *counts.entry(target).or_default() += 1;
        }
    }
    let mut counts: Vec<(&str, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let most = counts.into_iter().take(MOST_TARGETS);
    most.map(|(target, count)| json!({"target": target, "count": count}))
        .collect()
}

fn sorted(values: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values
}

/// The value below or at which so many percent of the sorted values are.
fn part(sorted: &[u64], percent: usize) -> Option<u64> {
    let place = (sorted.len() * percent).div_ceil(100);
    sorted.get(place.checked_sub(1)?).copied()
}
