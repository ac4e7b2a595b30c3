//! What who asked is told of a kept plan.

use serde_json::{Value, json};

use crate::{
    answer::{Answer, Handle, Status, shape::said},
    call::Power,
    plan::{KeptPlan, Stage},
};

/// The answer that a kept plan is.
pub(super) fn told(plan: &KeptPlan, address: &str) -> Answer {
    let status = if read_already(plan) {
        Status::Conflict
    } else {
        plan.status()
    };
    let link = link(address, &plan.id);
    let notice = notice(plan);
    let words = words(plan);
    let mut text = format!("{status}: {}", text(plan, &notice, &link));
    if let Some(words) = &words {
        text.push_str("\n\n");
        text.push_str(words);
    }
    let applied = plan.stage == Stage::Applied;
    Answer {
        status,
        data: data(plan),
        sources: Vec::new(),
        label: None,
        // The first is what a record keeps of it.
        notices: notice.into_iter().chain(words).collect(),
        plan: Some(Handle {
            id: plan.id.clone(),
            stage: plan.stage,
            sentence: plan.plan.sentence.clone(),
            expires: plan.expires.filter(|_| plan.stage == Stage::Waiting),
            link,
            undo_until: plan.undo_until.filter(|_| applied),
            next: plan.next.clone(),
        }),
        text,
        attachments: Vec::new(),
        asks: None,
        count: if applied {
            plan.plan.targets.len() as u64
        } else {
            0
        },
    }
}

/// The same for a call that was made again: what was done was done for the one before.
pub(super) fn told_again(plan: &KeptPlan, address: &str) -> Answer {
    let mut answer = told(plan, address);
    if let (Stage::Applied, Some(ended), true) = (plan.stage, &plan.ended, plan.power.is_effect()) {
        let notice = format!(
            "this was done at {}, for the same call made before, and nothing was done for this one; \
             call again only if it is to be done once more",
            ended.at
        );
        answer.text = format!("{}\n\nNote: {notice}.", answer.text);
        answer.notices.push(notice);
    }
    answer
}

/// Who said yes, for a record.
pub(super) fn approved_by(plan: &KeptPlan) -> Option<String> {
    let voices: Vec<&str> = plan
        .voices
        .iter()
        .map(|voice| voice.person.as_str())
        .collect();
    let rule = plan.asking.as_ref().map_or("", |asking| &asking.rule);
    (!voices.is_empty()).then(|| format!("approved by {} ({rule})", voices.join(", ")))
}

/// Whether it was a read, of which the one answer was given.
fn read_already(plan: &KeptPlan) -> bool {
    plan.stage == Stage::Applied && !plan.power.is_effect()
}

/// Where a person can look at a plan.
pub(super) fn link(address: &str, id: &str) -> String {
    format!("{address}/approvals/{id}")
}

/// The receipt, or what is proposed.
fn data(plan: &KeptPlan) -> Value {
    match (plan.stage, &plan.receipt) {
        (Stage::Applied, Some(receipt)) => {
            json!({"sentence": receipt.sentence, "targets": receipt.applied})
        }
        (Stage::Draft, _) => {
            let targets = plan.plan.targets.iter();
            let targets: Vec<Value> = targets
                .map(|target| json!({"resource": target.resource, "change": target.change()}))
                .collect();
            json!({"sentence": plan.plan.sentence, "targets": targets})
        }
        _ => Value::Null,
    }
}

/// What the target itself says of why it was not done.
fn words(plan: &KeptPlan) -> Option<String> {
    plan.ended.as_ref()?.words.as_deref().map(said)
}

/// What did not happen, or is still to come.
fn notice(plan: &KeptPlan) -> Option<String> {
    let reason = plan
        .ended
        .as_ref()
        .map_or("", |ended| ended.reason.as_str());
    let by = plan.ended.as_ref().and_then(|ended| ended.by.as_deref());
    let by = by.unwrap_or("a person");
    Some(match plan.stage {
        Stage::Applied if read_already(plan) => {
            "it was approved for one read, and that was answered; call the tool again to ask anew"
                .to_owned()
        }
        Stage::Applied => {
            let by = plan.undone_by.as_ref()?;
            format!(
                "somebody asked to take it back since; `drawbridge approvals show {by}` says what came of that"
            )
        }
        Stage::Draft => {
            "a draft was kept and nothing was changed; a person can open, edit and send it on"
                .to_owned()
        }
        Stage::Waiting => {
            let asked: Vec<String> = plan.approvers().map(ToString::to_string).collect();
            format!(
                "{} must approve it; nothing was changed yet",
                asked.join(", ")
            )
        }
        Stage::Approved if plan.again.is_some() => {
            "it was approved, and its system could not take it yet; it is tried again by itself"
                .to_owned()
        }
        Stage::Approved => "it was approved and is about to be done".to_owned(),
        Stage::Applying => {
            "it is being done at this moment, or found out whether it was".to_owned()
        }
        Stage::Failed | Stage::Conflict => reason.to_owned(),
        Stage::Rejected => format!("{by} rejected it: {reason}"),
        Stage::Expired if plan.power == Power::Draft => {
            format!("nobody sent the draft on in time: {reason}")
        }
        Stage::Expired => format!("nobody decided in time: {reason}"),
        Stage::Withdrawn => format!("it was withdrawn by {by}: {reason}"),
        Stage::Cancelled => format!("it was cancelled: {reason}"),
        Stage::Replaced => format!("another plan stands in its place: {reason}"),
        Stage::Unknown => {
            format!("nobody can tell whether it was done, and a person must find out: {reason}")
        }
    })
}

fn text(plan: &KeptPlan, notice: &Option<String>, link: &str) -> String {
    let sentence = plan.plan.sentence.trim_end_matches('.');
    let notice = notice.as_deref().unwrap_or_default().trim_end_matches('.');
    let id = &plan.id;
    let ask = format!("ask `drawbridge_result` with {{\"id\": \"{id}\"}}");
    match plan.stage {
        Stage::Applied if read_already(plan) => format!("{sentence}.\n\n{notice}."),
        Stage::Applied => {
            let receipt = plan.receipt.as_ref();
            let done = receipt.map_or(sentence, |receipt| &receipt.sentence);
            let undo = plan.undo_until.map_or_else(String::new, |until| {
                format!(" It can be undone until {until}: `drawbridge undo {id} --reason …`.")
            });
            let since = if notice.is_empty() {
                String::new()
            } else {
                format!("\n\nNote: {notice}.")
            };
            format!("{}.{undo}{since}", done.trim_end_matches('.'))
        }
        Stage::Draft => {
            format!("{sentence}.\n\nNote: {notice}: {link} or `drawbridge approvals show {id}`.")
        }
        Stage::Waiting => format!(
            "{sentence}.\n\n{notice}. It goes on by itself once they do: do not call the tool again, {ask}. \
             Tell the person that it waits, and where: {link}"
        ),
        Stage::Approved | Stage::Applying => {
            format!("{sentence}.\n\n{notice}. Do not call the tool again: {ask}.")
        }
        Stage::Conflict | Stage::Replaced if plan.next.is_some() => {
            let next = plan.next.as_deref().unwrap_or_default();
            format!(
                "{sentence}.\n\n{notice}. People were asked anew: ask `drawbridge_result` with {{\"id\": \"{next}\"}}."
            )
        }
        Stage::Unknown => format!(
            "{sentence}.\n\n{notice}. Do not call the tool again. Tell the person that it may or may not have happened."
        ),
        Stage::Failed
        | Stage::Conflict
        | Stage::Replaced
        | Stage::Rejected
        | Stage::Expired
        | Stage::Withdrawn
        | Stage::Cancelled => format!(
            "{sentence}.\n\n{notice}.\n\nNothing was changed. Tell the person so; do not answer as though it had been."
        ),
    }
}
