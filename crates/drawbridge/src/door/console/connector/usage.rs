//! How much it is used, how long calls take, what they cost, and what it did.

use askama::Template;
use axum::extract::Path;
use serde::Deserialize;

use super::{
    super::{
        activity::took,
        answers::{PlanLine, Plans},
        chart::{Chart, Counted, charts},
        frame::Frame,
        visitor::{Shown, Trouble, Visitor, read, show},
    },
    Head, connector,
};
use crate::operate::{Operation, PlanQuery, UsageQuery};

/// Days of usage.
const DAYS: u32 = 30;

/// `GET /usage?connector=…`, beyond what is drawn.
#[derive(Deserialize)]
pub(super) struct Usage {
    #[serde(flatten)]
    counted: Counted,
    errors: Vec<Ended>,
    pub(super) lately: Option<Lately>,
    used: Option<Vec<Used>>,
}

#[derive(Deserialize)]
pub(super) struct Ended {
    status: String,
    count: u64,
}

#[derive(Deserialize)]
pub(super) struct Lately {
    pub(super) calls: u64,
    median_us: Option<u64>,
    p95_us: Option<u64>,
    bytes: u64,
    median_bytes: Option<u64>,
    pub(super) targets: Vec<Named>,
}

#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) target: String,
    pub(super) count: u64,
}

#[derive(Deserialize)]
pub(super) struct Used {
    person: String,
    client: String,
    power: String,
    status: String,
    count: u64,
}

#[derive(Template)]
#[template(path = "usage.html")]
struct Page {
    frame: Frame,
    head: Head,
    usage: Usage,
    charts: [Chart; 2],
    effects: Vec<PlanLine>,
}

impl Page {
    fn time(&self, microseconds: &Option<u64>) -> String {
        microseconds.map_or("not known".to_owned(), took)
    }

    fn size(&self, bytes: &u64) -> String {
        size(*bytes)
    }
}

/// A size for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=9_999_999 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// Who used it, how it went, and what it did.
pub(in crate::door::console) async fn page(visitor: Visitor, Path(name): Path<String>) -> Shown {
    let frame = Frame::of(&visitor, "/").await?;
    let one = connector(&visitor, &name).await?;
    let usage = usage_of(&visitor, &name).await?;
    let query = PlanQuery {
        connector: Some(name),
        all: true,
        ..PlanQuery::default()
    };
    let plans: Plans = read(visitor.look(Operation::Approvals(query)).await?)?;
    let effects = plans
        .approvals
        .into_iter()
        .filter(|plan| plan.power.is_effect());
    show(&Page {
        frame,
        head: one.head("/usage"),
        charts: charts(&usage.counted, &visitor.zone),
        usage,
        effects: effects.take(20).collect(),
    })
}

pub(super) async fn usage_of(visitor: &Visitor, name: &str) -> Result<Usage, Trouble> {
    let query = UsageQuery {
        connector: Some(name.to_owned()),
        days: Some(DAYS),
        hours: None,
    };
    read(visitor.look(Operation::Usage(query)).await?)
}
