//! 7 Approval: a person stands before every effect, and before every wider revision another one.

use super::{Noticed, Subject};

pub(super) fn grade(subject: &Subject<'_>, noticed: &mut Noticed) {
    let file = subject.file;
    let effects = file.access.iter().any(|power| power.is_effect());
    if !effects {
        noticed.green("it changes nothing, so there is nothing to approve");
    } else if file.approval.is_empty() {
        noticed.green(format!(
            "no gate is named, so its owner `{}` is asked about every effect",
            file.purpose.owner
        ));
    } else {
        noticed.green("its effects have gates");
    }
    let owner = &file.purpose.owner;
    let others =
        subject.gateway.people.keys().any(|id| id != owner) || subject.gateway.operator != *owner;
    let owner_is_asked = effects && file.approval.iter().all(|gate| !gate.self_approval);
    if owner_is_asked && !others {
        noticed.amber(
            format!(
                "nobody but `{owner}` is known, and nobody approves what they asked for themselves, so what \
                 no gate lets through waits in vain"
            ),
            "add who else decides, or a gate with `ask` and `self_approval: true`",
        );
    }
    for (index, gate) in file.approval.iter().enumerate() {
        if gate.self_approval {
            noticed.amber(
                format!("`approval[{index}]` lets people approve what they ask for themselves"),
                "take `self_approval` out once somebody else can decide",
            );
        }
        if gate.auto && gate.limit.is_empty() {
            noticed.amber(
                format!(
                    "`approval[{index}]` lets effects through without asking, and without a limit"
                ),
                "set `limit`, such as `{per_person: 20/h}`",
            );
        }
    }
    match subject.facts {
        None => noticed.unseen("who approved the revision in force"),
        Some(facts) => match &facts.reviewed {
            None => noticed.unseen("who approves it: nobody has yet"),
            Some(review) if review.by == file.purpose.owner => noticed.amber(
                format!(
                    "its owner `{}` approved it, and nobody else looked at it",
                    review.by
                ),
                "have the next review done by another reviewer or owner",
            ),
            Some(review) => noticed.green(format!("`{}` approved what is in force", review.by)),
        },
    }
}
