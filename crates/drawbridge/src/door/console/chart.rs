//! Calls over time, as bars that are drawn without a script.

use std::collections::BTreeMap;

use drawbridge_core::{answer::Status, call::Power};
use jiff::Timestamp;
use serde::Deserialize;

use super::zone::Zone;

/// How wide a chart is, in its own units.
const WIDTH: f64 = 720.0;
/// How high its bars are at most.
const HEIGHT: f64 = 120.0;
/// What stands above and below them.
const HEAD: f64 = 16.0;
/// Days and hours in seconds.
const STEPS: [(&str, i64); 2] = [("hour", HOUR), ("day", 86_400)];
const HOUR: i64 = 3_600;
/// The most bars: what an answer says must not become a page without end.
const MOST_BARS: i64 = 100;

/// `GET /usage`, as far as it is drawn.
#[derive(Deserialize)]
pub(super) struct Counted {
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    pub(super) bucket: String,
    pub(super) calls: Vec<Count>,
    pub(super) total: u64,
    pub(super) of: String,
}

/// Calls that are alike.
#[derive(Deserialize)]
pub(super) struct Count {
    at: Timestamp,
    status: Status,
    power: Power,
    count: u64,
}

/// A chart, ready to be drawn.
pub(super) struct Chart {
    pub(super) title: &'static str,
    pub(super) bars: Vec<Bar>,
    pub(super) legend: Vec<(&'static str, &'static str, u64)>,
    /// How many calls the highest bar stands for.
    pub(super) most: u64,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

/// A part of a bar.
pub(super) struct Bar {
    pub(super) x: String,
    pub(super) y: String,
    pub(super) width: String,
    pub(super) height: String,
    pub(super) class: &'static str,
    pub(super) said: String,
}

impl Chart {
    pub(super) fn width(&self) -> f64 {
        WIDTH
    }

    pub(super) fn whole(&self) -> f64 {
        HEIGHT + 2.0 * HEAD
    }

    pub(super) fn floor(&self) -> f64 {
        HEIGHT + HEAD
    }

    pub(super) fn foot(&self) -> f64 {
        HEIGHT + 2.0 * HEAD - 3.0
    }

    /// What a reader hears who does not see it.
    pub(super) fn said(&self) -> String {
        let parts: Vec<String> = self
            .legend
            .iter()
            .map(|(_, name, count)| format!("{count} {name}"))
            .collect();
        format!("{}: {}", self.title, parts.join(", "))
    }
}

/// One chart by how calls ended, one by what they could do.
pub(super) fn charts(counted: &Counted, zone: &Zone) -> [Chart; 2] {
    let by_status = |count: &Count| match count.status {
        Status::Ok | Status::Partial => 0,
        Status::ApprovalNeeded => 1,
        Status::Denied | Status::Rejected => 2,
        _ => 3,
    };
    let by_power = |count: &Count| match count.power {
        Power::Read | Power::Search => 0,
        Power::Draft => 1,
        Power::Delete | Power::Send => 2,
        _ => 3,
    };
    let statuses = [
        ("s-ok", "went well"),
        ("s-wait", "waited for a person"),
        ("s-no", "were refused"),
        ("s-other", "failed"),
    ];
    let powers = [
        ("s-ok", "read or searched"),
        ("s-wait", "drafted"),
        ("s-no", "sent or deleted"),
        ("s-other", "wrote, updated or triggered"),
    ];
    [
        chart("Calls by status", (counted, zone), (&statuses, &by_status)),
        chart("Calls by power", (counted, zone), (&powers, &by_power)),
    ]
}

/// Into what calls are told apart: classes and names.
type Sorts = [(&'static str, &'static str); 4];

fn chart(
    title: &'static str,
    (counted, zone): (&Counted, &Zone),
    (sorts, sort): (&Sorts, &dyn Fn(&Count) -> usize),
) -> Chart {
    let step = STEPS.iter().find(|(name, _)| *name == counted.bucket);
    let step = step.map_or(86_400, |(_, seconds)| *seconds);
    let first = counted.since.as_second().div_euclid(step);
    let last = counted
        .until
        .as_second()
        .div_euclid(step)
        .min(first + MOST_BARS);
    let mut sums: BTreeMap<i64, [u64; 4]> = BTreeMap::new();
    let mut totals = [0; 4];
    for count in &counted.calls {
        let at = count.at.as_second().div_euclid(step);
        let sort = sort(count);
        let sum = sums.entry(at).or_default();
        if let (Some(sum), Some(total)) = (sum.get_mut(sort), totals.get_mut(sort)) {
            *sum += count.count;
            *total += count.count;
        }
    }
    let most = sums
        .values()
        .map(|sum| sum.iter().sum())
        .max()
        .unwrap_or(0_u64);
    let wide = WIDTH / as_f64((last - first + 1).max(1).unsigned_abs());
    let mut bars = Vec::new();
    for (at, sum) in sums.range(first..=last) {
        let x = as_f64((at - first).unsigned_abs()) * wide;
        let mut top = HEIGHT + HEAD;
        for ((class, name), count) in sorts.iter().zip(sum).filter(|(_, count)| **count > 0) {
            // Even one call among a million is seen.
            let high = (as_f64(*count) / as_f64(most.max(1)) * HEIGHT).max(1.0);
            top -= high;
            let day = Timestamp::from_second(at * step).unwrap_or_default();
            bars.push(Bar {
                x: format!("{:.1}", x + 0.5),
                y: format!("{:.1}", top.max(0.0)),
                width: format!("{:.1}", (wide - 1.0).max(0.5)),
                height: format!("{high:.1}"),
                class,
                said: format!("{}: {count} {name}", told(day, step, zone)),
            });
        }
    }
    let legend = sorts
        .iter()
        .zip(totals)
        .map(|((class, name), count)| (*class, *name, count));
    Chart {
        title,
        bars,
        legend: legend.collect(),
        most,
        first: counted.since,
        last: counted.until,
    }
}

/// When a bar begins: an hour by the reader's clocks. Days are counted from midnight in UTC.
fn told(begin: Timestamp, step: i64, zone: &Zone) -> String {
    if step == HOUR {
        return zone.told(begin);
    }
    format!("{} (UTC)", begin.strftime("%Y-%m-%d"))
}

/// Bars need no more than 52 bits of it.
#[expect(
    clippy::cast_precision_loss,
    reason = "a bar is a few hundred points high"
)]
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bars_stand_on_each_other_and_the_highest_reaches_the_top() {
        let counted: Counted = serde_json::from_value(json!({
            "since": "2026-06-01T00:00:00Z", "until": "2026-06-03T12:00:00Z", "bucket": "day", "total": 14, "of": "all",
            "calls": [
                {"at": "2026-06-01T00:00:00Z", "status": "ok", "power": "search", "count": 6},
                {"at": "2026-06-01T00:00:00Z", "status": "denied", "power": "send", "count": 4},
                {"at": "2026-06-03T00:00:00Z", "status": "ok", "power": "read", "count": 4},
            ],
        }))
        .unwrap();
        let [by_status, by_power] = charts(&counted, &Zone::utc());
        assert_eq!(by_status.most, 10);
        let seen: Vec<_> = by_status
            .bars
            .iter()
            .map(|bar| {
                (
                    bar.x.as_str(),
                    bar.y.as_str(),
                    bar.height.as_str(),
                    bar.class,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("0.5", "64.0", "72.0", "s-ok"),
                ("0.5", "16.0", "48.0", "s-no"),
                ("480.5", "88.0", "48.0", "s-ok")
            ]
        );
        assert_eq!(
            by_power.said(),
            "Calls by power: 10 read or searched, 0 drafted, 4 sent or deleted, 0 wrote, updated or triggered"
        );
    }
}
