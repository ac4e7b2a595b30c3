//! The first page: what needs a person today, every connector in a line, and the switches.

use askama::Template;
use axum::extract::Query;
use drawbridge_core::lifecycle::State;
use serde::Deserialize;

use super::{
    answers::{Connectors, PlanLine, Plans},
    encoded,
    frame::Frame,
    given,
    visitor::{STOPPED, Sent, Shown, Visitor, read, show},
};
use crate::operate::{ConnectorQuery, Operation, PlanQuery};

/// Approvals that are named here; the others are on their own page.
const NAMED: usize = 5;
/// Connectors on one page.
const LINES: u32 = 50;

#[derive(Template)]
#[template(path = "home.html")]
struct Page {
    frame: Frame,
    asked: Asked,
    needs: Vec<Need>,
    waiting: Vec<PlanLine>,
    list: Connectors,
}

/// Something that a person should look at.
struct Need {
    class: &'static str,
    text: String,
    to: String,
    at: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    text: String,
    #[serde(default)]
    after: String,
}

impl Asked {
    fn query(&self) -> ConnectorQuery {
        ConnectorQuery {
            text: given(&self.text),
            after: given(&self.after),
            limit: Some(LINES),
            state: None,
        }
    }
}

impl Page {
    fn next(&self) -> Option<String> {
        let after = self.list.next.as_deref()?;
        Some(format!(
            "/?text={}&after={}",
            encoded(&self.asked.text),
            encoded(after)
        ))
    }
}

pub(super) async fn page(visitor: Visitor, Query(asked): Query<Asked>) -> Shown {
    let frame = Frame::of(&visitor, "/").await?;
    let list: Connectors = visitor.ask(Operation::Connectors(asked.query())).await?;
    let plans: Plans = read(
        visitor
            .look(Operation::Approvals(PlanQuery::default()))
            .await?,
    )?;
    let mine = PlanLine::is_yours;
    let waiting = plans
        .approvals
        .into_iter()
        .filter(mine)
        .take(NAMED)
        .collect();
    show(&Page {
        needs: needs(&list),
        frame,
        asked,
        waiting,
        list,
    })
}

/// What is to be done about connectors, and files with errors.
fn needs(list: &Connectors) -> Vec<Need> {
    let faults = list.problems.iter().flatten().map(|fault| Need {
        class: "red",
        text: format!(
            "{} line {}: {}; {}",
            fault.file, fault.line, fault.rule, fault.mend
        ),
        to: "/lifecycle".to_owned(),
        at: None,
    });
    let needs = list.needs.iter().flatten().map(|need| {
        let name = &need.connector;
        let (class, text, tab) = match need.what.as_str() {
            "broken" => (
                "red",
                format!("The file of {name} has an error; what was approved goes on"),
                "/revisions",
            ),
            "review" => (
                "amber",
                format!("A file of {name} waits for review"),
                "/revisions",
            ),
            "red" => ("red", format!("{name} has a red area"), ""),
            _ => ("amber", format!("{name} is to be reviewed"), "/revisions"),
        };
        Need {
            class,
            text,
            to: format!("/connectors/{name}{tab}"),
            at: need.due.clone().filter(|_| need.what == "due"),
        }
    });
    faults.chain(needs).collect()
}

pub(super) async fn stop(sent: Sent) -> Shown {
    let reason = sent.reason_or(STOPPED);
    sent.visitor.data(Operation::Stop { reason }).await?;
    sent.visitor.done("/", "stopped")
}

pub(super) async fn start(sent: Sent) -> Shown {
    let reason = sent.reason_or("");
    sent.visitor.data(Operation::Start { reason }).await?;
    sent.visitor.done("/", "started")
}
