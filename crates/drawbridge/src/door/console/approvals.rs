//! Approvals: the list of what waits, and one page for each decision.

mod compared;
mod edited;

use askama::Template;
use axum::extract::{Path, Query};
use drawbridge_core::{
    answer::{Failure, Status},
    call::Power,
    plan::{Image, Origin, Reversal, Stage},
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    answers::{PlanLine, Plans, stage},
    encoded,
    escape::editable,
    frame::Frame,
    given,
    visitor::{Sent, Shown, Trouble, Visitor, done, nothing, part, show},
};
use crate::operate::{Decision, Operation, PlanQuery};
use compared::{Compared, Difference, Sides, Told};
use edited::{Box, arguments, boxes};

#[derive(Template)]
#[template(path = "approvals.html")]
struct List {
    frame: Frame,
    asked: Asked,
    yours: Vec<PlanLine>,
    others: Vec<PlanLine>,
    next: Option<String>,
}

/// Which of them.
#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    connector: String,
    #[serde(default)]
    all: String,
    #[serde(default)]
    before: String,
}

pub(super) async fn list(visitor: Visitor, Query(asked): Query<Asked>) -> Shown {
    let frame = Frame::of(&visitor, "/approvals").await?;
    let query = PlanQuery {
        connector: given(&asked.connector),
        all: !asked.all.is_empty(),
        before: asked.before.parse().ok(),
        stage: None,
    };
    let plans: Plans = visitor.ask(Operation::Approvals(query)).await?;
    let (yours, others) = plans.approvals.into_iter().partition(PlanLine::is_yours);
    let next = plans.next.map(|before| {
        let (connector, all) = (encoded(&asked.connector), encoded(&asked.all));
        format!(
            "/approvals?connector={connector}&all={all}&before={}",
            encoded(&before)
        )
    });
    show(&List {
        frame,
        asked,
        yours,
        others,
        next,
    })
}

/// A plan, whole. To whom its content is not shown, without.
struct Plan {
    line: PlanLine,
    content: Option<Content>,
    beside: Beside,
}

/// `GET /approvals/{id}`: what helps to decide.
#[derive(Deserialize)]
struct Beside {
    why_not: Option<String>,
    #[serde(default)]
    read_before: Option<ReadBefore>,
    #[serde(default)]
    similar: Vec<Similar>,
}

impl Plan {
    /// The same answer holds what a list shows and, where it may be seen, what is in the plan.
    fn read(data: &Value) -> Result<Self, Trouble> {
        let shown = data.get("digest").is_some();
        Ok(Self {
            line: part(data)?,
            beside: part(data)?,
            content: shown.then(|| part(data)).transpose()?,
        })
    }
}

#[derive(Deserialize)]
struct Content {
    digest: String,
    bound: Bound,
    arguments: Value,
    targets: Vec<Target>,
    reversal: Reversal,
    undo_until: Option<String>,
    asking: Option<Asking>,
    escalate_at: Option<String>,
    approved_by: Vec<Voice>,
    ended: Option<Ended>,
    receipt: Option<Receipt>,
    record: String,
    origin: Origin,
    next: Option<String>,
    edited_by: Option<String>,
    undone_by: Option<String>,
    task: Option<String>,
}

#[derive(Deserialize)]
struct Bound {
    revision: String,
    identity: String,
}

#[derive(Deserialize)]
struct Target {
    resource: String,
    change: drawbridge_core::plan::Change,
    facets: std::collections::BTreeMap<String, String>,
    before: Option<Image>,
    after: Option<Image>,
    diff: Difference,
}

#[derive(Deserialize)]
struct Asking {
    rule: String,
    ask: Vec<String>,
    quorum: u32,
    self_approval: bool,
    /// After how many seconds others are asked, too, and whom.
    #[serde(default)]
    escalate: Option<(u64, Vec<String>)>,
}

impl Content {
    /// Who is asked besides, once it is escalated.
    fn more_asked(&self, escalated: bool) -> Option<String> {
        let (_, to) = self.asking.as_ref()?.escalate.as_ref()?;
        escalated.then(|| to.join(", "))
    }
}

#[derive(Deserialize)]
struct Voice {
    person: String,
    at: String,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct Ended {
    by: Option<String>,
    at: String,
    status: Status,
    reason: String,
    #[serde(default)]
    words: Option<String>,
}

#[derive(Deserialize)]
struct Receipt {
    sentence: String,
}

#[derive(Deserialize)]
struct ReadBefore {
    connectors: Vec<ReadOf>,
}

#[derive(Deserialize)]
struct ReadOf {
    connector: String,
    calls: u64,
    label: Option<String>,
    untrusted: bool,
    targets: Vec<String>,
}

impl ReadBefore {
    /// Whether some of it may be meant to mislead the AI that asks.
    fn is_untrusted(&self) -> bool {
        self.connectors.iter().any(|of| of.untrusted)
    }
}

#[derive(Deserialize)]
struct Similar {
    id: String,
    stage: Stage,
    sentence: String,
    person: String,
    ended: Option<String>,
    decided_by: Vec<String>,
    reason: Option<String>,
}

impl Similar {
    fn stage(&self) -> (&'static str, &'static str) {
        stage(self.stage)
    }

    /// Why it ended so, where that is more than what it did.
    fn why(&self) -> Option<&str> {
        let reason = self.reason.as_deref();
        reason.filter(|reason| *reason != self.sentence)
    }
}

#[derive(Template)]
#[template(path = "approval.html")]
struct Page {
    frame: Frame,
    plan: Plan,
    /// Every target, compared.
    compared: Vec<Compared>,
    boxes: Vec<Box>,
    mine: bool,
    /// Whether something large is cut.
    cut: bool,
}

impl Page {
    fn title(&self) -> String {
        self.plan.line.said()
    }

    fn may_edit(&self) -> bool {
        let call = |content: &Content| content.origin == Origin::Call;
        let may =
            self.plan.line.yours_to_decide || self.plan.line.stage == Stage::Draft && self.mine;
        may && self.plan.content.as_ref().is_some_and(call)
    }

    /// Whether they are one of several who are asked, and have said yes.
    fn said_yes(&self, content: &Content) -> bool {
        let person = &self.frame.desk.person;
        let mut voices = content.approved_by.iter();
        voices.any(|voice| voice.person == *person)
    }

    fn went_wrong(&self) -> bool {
        matches!(self.plan.line.stage, Stage::Failed | Stage::Unknown)
    }

    /// How many more must say yes.
    fn missing(&self, content: &Content) -> usize {
        let quorum = content.asking.as_ref().map_or(1, |asking| asking.quorum);
        let quorum = usize::try_from(quorum).unwrap_or(usize::MAX);
        quorum.saturating_sub(content.approved_by.len())
    }

    fn may_withdraw(&self) -> bool {
        self.mine && matches!(self.plan.line.stage, Stage::Waiting | Stage::Draft)
    }

    fn is_draft_of_mine(&self) -> bool {
        self.mine && self.plan.line.stage == Stage::Draft
    }

    fn exact(&self, value: &Value) -> String {
        match self.cut && self.boxes.is_empty() {
            true => "too long to be shown here".to_owned(),
            false => editable(value),
        }
    }
}

/// How much of a plan is looked at.
#[derive(Deserialize)]
pub(super) struct Looked {
    /// Anything: all of it, however long.
    #[serde(default)]
    whole: String,
}

/// How much of a text a page shows at first, in bytes of all targets together.
const AT_FIRST: usize = 60_000;

pub(super) async fn page(
    visitor: Visitor,
    Path(id): Path<String>,
    Query(looked): Query<Looked>,
) -> Shown {
    let frame = Frame::of(&visitor, "/approvals").await?;
    let mut plan = Plan::read(&visitor.data(Operation::Approval { id }).await?)?;
    let mut compared = Vec::new();
    let (mut fields, mut cut) = (Vec::new(), false);
    if let Some(content) = &mut plan.content {
        let most = if looked.whole.is_empty() {
            AT_FIRST
        } else {
            usize::MAX
        };
        cut = content.arguments.to_string().len() > most;
        if !cut {
            fields = boxes(&content.arguments);
        }
        let mut room = most;
        let sends = plan.line.power == Power::Send;
        let targets = std::mem::take(&mut content.targets);
        for target in targets {
            let mut shown = Compared::of(target, sends);
            cut |= shown.cut(&mut room);
            compared.push(shown);
        }
    }
    show(&Page {
        mine: plan.line.person == frame.desk.person,
        frame,
        compared,
        boxes: fields,
        cut,
        plan,
    })
}

/// A decision.
pub(super) async fn decide(Path((id, act)): Path<(String, String)>, sent: Sent) -> Shown {
    let visitor = &sent.visitor;
    let reason = sent.reason_or("");
    let (decision, word) = match act.as_str() {
        "approve" => {
            let digest = sent.field("digest").to_owned();
            (Decision::Approve { digest, reason }, "approved")
        }
        "reject" => (Decision::Reject { reason }, "rejected"),
        "escalate" => (Decision::Escalate { reason }, "escalated"),
        "withdraw" => (Decision::Withdraw { reason }, "withdrawn"),
        "settle" => {
            let applied = sent.field("applied") == "yes";
            (Decision::Settle { applied, reason }, "settled")
        }
        "edit" => return edit(&sent, id).await,
        "undo" => return undo(visitor, (id, reason)).await,
        "send" => return send(visitor, &id).await,
        _ => return Err(visitor.failed(nothing())),
    };
    visitor
        .data(Operation::Decide {
            id: id.clone(),
            decision,
        })
        .await?;
    visitor.done(&format!("/approvals/{}", encoded(&id)), word)
}

/// A plan that stands in another's place: its page is where people go on.
#[derive(Deserialize)]
struct Other {
    id: String,
}

async fn edit(sent: &Sent, id: String) -> Shown {
    let visitor = &sent.visitor;
    let asked = Operation::Approval { id: id.clone() };
    let plan = Plan::read(&visitor.look(asked).await?)?;
    let before = plan.content.map(|content| content.arguments);
    let arguments = arguments(before.unwrap_or_default(), |name| sent.as_sent(name));
    let arguments = arguments.map_err(|failure| visitor.failed(failure))?;
    let decision = Decision::Edit { arguments };
    let next: Other = visitor.ask(Operation::Decide { id, decision }).await?;
    visitor.done(&format!("/approvals/{}", encoded(&next.id)), "edited")
}

async fn undo(visitor: &Visitor, (call, reason): (String, String)) -> Shown {
    let inverse: Other = visitor.ask(Operation::Undo { call, reason }).await?;
    visitor.done(&format!("/approvals/{}", encoded(&inverse.id)), "undoing")
}

/// Sends a draft on: from here it is a call like any other.
async fn send(visitor: &Visitor, id: &str) -> Shown {
    let sent = visitor.app.send(&visitor.caller, id).await;
    let answer = sent.map_err(|down| visitor.down(&down))?.into_answer();
    match (&answer.plan, answer.status) {
        (Some(plan), _) => done(&format!("/approvals/{}", encoded(&plan.id))),
        (None, status) if status.has_data() => done(&format!("/approvals/{}", encoded(id))),
        (None, status) => {
            let message = answer.notices.into_iter().next().unwrap_or_default();
            Err(visitor.failed(Failure::new(status, message)))
        }
    }
}
