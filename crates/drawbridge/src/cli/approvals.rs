//! `approvals`, `undo`, `stop` and `start`: deciding on plans, and taking effects back.

use std::{
    io::{IsTerminal, Write, stderr, stdin},
    time::Duration,
};

use anyhow::Context;
use clap::{Args, Subcommand};
use drawbridge_core::plan::Stage;
use serde_json::{Value, json};

use super::{ask::pairs, client::Client, show, text};

/// How long it is waited for what comes of a yes.
const OUTCOME: Duration = Duration::from_secs(60);
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(Args)]
pub(super) struct Approvals {
    #[command(subcommand)]
    command: Option<Act>,
    #[command(flatten)]
    which: Which,
}

#[derive(Args)]
struct Which {
    /// Also those that ended.
    #[arg(long)]
    all: bool,
    /// At this stage only, such as waiting, draft, unknown or applied.
    #[arg(long)]
    stage: Option<String>,
    /// Of this connector only.
    #[arg(long)]
    connector: Option<String>,
    /// Made before this time only: what a list that goes on ends with.
    #[arg(long)]
    before: Option<jiff::Timestamp>,
}

#[derive(Subcommand)]
enum Act {
    /// Shows one, with what is before and what would be after. Example: drawbridge approvals show 3f9a1c
    Show {
        /// Its id, or the first six or more digits.
        id: String,
    },
    /// Says yes to it. Example: drawbridge approvals approve 3f9a1c --reason "as agreed"
    Approve {
        /// Its id, or the first six or more digits.
        id: String,
        /// The digest that `show` printed. Without it, the plan is shown and you are asked.
        #[arg(long)]
        digest: Option<String>,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Plans it again with other arguments. Example: drawbridge approvals edit 3f9a1c set.amount=90
    Edit {
        /// Its id, or the first six or more digits.
        id: String,
        /// What shall be otherwise as key=value; or all arguments as one JSON object.
        #[arg(required = true)]
        arguments: Vec<String>,
    },
    /// Says no; the AI is told why. Example: drawbridge approvals reject 3f9a1c --reason "wrong customer"
    Reject(One),
    /// Asks others too. Example: drawbridge approvals escalate 3f9a1c --reason "not mine to decide"
    Escalate(One),
    /// Takes back what you asked for, or throws a draft away. Example: drawbridge approvals withdraw 3f9a1c
    Withdraw {
        /// Its id, or the first six or more digits.
        id: String,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Sends a draft on. Example: drawbridge approvals send 3f9a1c
    Send {
        /// Its id, or the first six or more digits.
        id: String,
    },
    /// Says what came of one that is unknown. Example: drawbridge approvals settle 3f9a1c --applied --reason "it is in the table"
    Settle {
        /// Its id, or the first six or more digits.
        id: String,
        /// It was done.
        #[arg(
            long,
            conflicts_with = "not_applied",
            required_unless_present = "not_applied"
        )]
        applied: bool,
        /// It was not done.
        #[arg(long)]
        not_applied: bool,
        /// How that was found out.
        #[arg(long)]
        reason: String,
    },
}

#[derive(Args)]
struct One {
    /// Its id, or the first six or more digits.
    id: String,
    /// Why.
    #[arg(long)]
    reason: String,
}

#[derive(Args)]
pub(super) struct Undo {
    /// The record of the call, or the plan's id.
    call: String,
    /// Why, for those who look at it later.
    #[arg(long)]
    reason: String,
}

#[derive(Args)]
pub(super) struct All {
    /// Every effect of every connector.
    #[arg(long, required = true)]
    all: bool,
    /// Why, for those who look at it later.
    #[arg(long)]
    reason: String,
}

impl Approvals {
    /// How people read the answer.
    pub(super) fn readable(&self) -> text::Text {
        match &self.command {
            None => text::approvals,
            Some(Act::Show { .. } | Act::Edit { .. }) => text::approval,
            Some(Act::Approve { .. }) => text::outcome,
            Some(_) => text::decided,
        }
    }
}

pub(super) async fn run(client: &Client, wanted: Approvals) -> anyhow::Result<Value> {
    let Some(act) = wanted.command else {
        return list(client, &wanted.which).await;
    };
    match act {
        Act::Show { id } => client.get(&format!("/approvals/{id}")).await,
        Act::Approve { id, digest, reason } => approve(client, (&id, digest, reason)).await,
        Act::Edit { id, arguments } => edit(client, &id, &arguments).await,
        Act::Reject(One { id, reason }) => decide(client, (&id, "reject"), &reason).await,
        Act::Escalate(One { id, reason }) => decide(client, (&id, "escalate"), &reason).await,
        Act::Withdraw { id, reason } => decide(client, (&id, "withdraw"), &reason).await,
        Act::Send { id } => {
            client
                .post(&format!("/approvals/{id}/send"), &json!({}))
                .await
        }
        Act::Settle {
            id,
            applied,
            not_applied: _,
            reason,
        } => {
            let came = json!({"applied": applied, "reason": reason});
            client.post(&format!("/approvals/{id}/settle"), &came).await
        }
    }
}

pub(super) async fn undo(client: &Client, wanted: &Undo) -> anyhow::Result<Value> {
    let body = json!({"call": wanted.call, "reason": wanted.reason});
    let answer = client.post("/undo", &body).await?;
    // Where no gate asks, it is done at once.
    let id = answer.pointer("/data/id").and_then(Value::as_str);
    let waits = answer.pointer("/data/stage").and_then(Value::as_str) == Some("waiting");
    match id.filter(|_| !waits) {
        Some(id) => outcome(client, id).await,
        None => Ok(answer),
    }
}

pub(super) async fn halt(client: &Client, act: &str, wanted: &All) -> anyhow::Result<Value> {
    client
        .post(&format!("/{act}"), &json!({"reason": wanted.reason}))
        .await
}

async fn list(client: &Client, which: &Which) -> anyhow::Result<Value> {
    let mut query = format!("all={}", which.all);
    if let Some(stage) = &which.stage {
        anyhow::ensure!(
            Stage::of_word(stage).is_some(),
            "`{stage}` is no stage; write one of {}",
            Stage::ALL.map(Stage::word).join(", ")
        );
        query.push_str(&format!("&stage={stage}"));
    }
    if let Some(connector) = &which.connector {
        query.push_str(&format!("&connector={connector}"));
    }
    if let Some(before) = &which.before {
        query.push_str(&format!("&before={before}"));
    }
    client.get(&format!("/approvals?{query}")).await
}

async fn decide(client: &Client, (id, act): (&str, &str), reason: &str) -> anyhow::Result<Value> {
    client
        .post(
            &format!("/approvals/{id}/{act}"),
            &json!({"reason": reason}),
        )
        .await
}

/// What was looked at is what is approved: by its digest, or by being shown and confirmed.
async fn approve(
    client: &Client,
    (id, digest, reason): (&str, Option<String>, String),
) -> anyhow::Result<Value> {
    let digest = match digest {
        Some(digest) => digest,
        None => {
            let plan = client.get(&format!("/approvals/{id}")).await?;
            let Some(shown) = plan.pointer("/data/digest").and_then(Value::as_str) else {
                return Ok(plan);
            };
            anyhow::ensure!(
                stdin().is_terminal(),
                "write `--digest {shown}`, which says that you have looked at exactly this plan"
            );
            confirm(&plan)?;
            shown.to_owned()
        }
    };
    let yes = json!({"digest": digest, "reason": reason});
    let answer = client
        .post(&format!("/approvals/{id}/approve"), &yes)
        .await?;
    let stage = answer.pointer("/data/stage").and_then(Value::as_str);
    if stage != Some("approved") {
        return Ok(answer);
    }
    outcome(client, id).await
}

fn confirm(plan: &Value) -> anyhow::Result<()> {
    let data = plan.get("data").unwrap_or(&Value::Null);
    show::line(&show::visible(&text::approval(data)));
    write!(stderr(), "\nApprove exactly this? [y/N] ")?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    anyhow::ensure!(
        matches!(answer.trim(), "y" | "Y" | "yes"),
        "nothing was decided"
    );
    Ok(())
}

/// Edited arguments: those that are named, in the place of those that were.
async fn edit(client: &Client, id: &str, arguments: &[String]) -> anyhow::Result<Value> {
    let given = pairs(arguments)?;
    let whole = matches!(arguments, [one] if one.starts_with('{'));
    let arguments = if whole {
        given
    } else {
        let plan = client.get(&format!("/approvals/{id}")).await?;
        let Some(mut before) = plan.pointer("/data/arguments").cloned() else {
            return Ok(plan);
        };
        for (path, value) in given.as_object().into_iter().flatten() {
            put(&mut before, path, value)?;
        }
        before
    };
    let body = json!({"arguments": arguments});
    client.post(&format!("/approvals/{id}/edit"), &body).await
}

/// Puts a value where `set.amount` says: into what is there already.
fn put(arguments: &mut Value, path: &str, value: &Value) -> anyhow::Result<()> {
    let mut at = arguments;
    let mut parts = path.split('.').peekable();
    while let Some(part) = parts.next() {
        let Value::Object(fields) = at else {
            anyhow::bail!(
                "`{path}`: what it is in is no object; write the arguments as one JSON object"
            );
        };
        if parts.peek().is_none() {
            fields.insert(part.to_owned(), value.clone());
            return Ok(());
        }
        at = fields
            .get_mut(part)
            .with_context(|| format!("`{path}`: there is no `{part}` among the arguments"))?;
    }
    Ok(())
}

/// The plan once it has come to an end.
async fn outcome(client: &Client, id: &str) -> anyhow::Result<Value> {
    let looked = async {
        loop {
            let plan = client.get(&format!("/approvals/{id}")).await?;
            let stage = plan.pointer("/data/stage").and_then(Value::as_str);
            let read = matches!(
                plan.pointer("/data/power").and_then(Value::as_str),
                Some("read" | "search")
            );
            match stage {
                Some("approved") if read => return Ok(plan),
                Some("approved" | "applying") => tokio::time::sleep(LOOK_EVERY).await,
                _ => return Ok(plan),
            }
        }
    };
    match tokio::time::timeout(OUTCOME, looked).await {
        Ok(plan) => plan,
        Err(_) => client.get(&format!("/approvals/{id}")).await,
    }
}
