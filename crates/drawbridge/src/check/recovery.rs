//! 8 Recovery: somebody is there who may stop it, and can undo what it did.

use drawbridge_core::lifecycle::State;

use super::{Noticed, Subject, day};

pub(super) fn grade(subject: &Subject<'_>, noticed: &mut Noticed) {
    let recovery = &subject.file.recovery;
    if recovery.pause.is_empty() {
        noticed.amber(
            "only its owner and the gateway's owners may stop it",
            "name others under `recovery.pause`",
        );
    } else {
        let who: Vec<String> = recovery.pause.iter().map(ToString::to_string).collect();
        noticed.green(format!("{} may stop it too", who.join(", ")));
    }
    let effects = subject.file.access.iter().any(|power| power.is_effect());
    if effects && recovery.undo.is_none() {
        noticed.amber(
            "what it changes cannot be undone",
            "set `recovery.undo`, such as `7d`",
        );
    }
    match subject.facts.map(|facts| &facts.standing) {
        Some(standing) if matches!(standing.state, State::Paused | State::Retired) => {
            noticed.amber(
                format!(
                    "it is {}, by `{}` since {}: {}",
                    standing.state.word(),
                    standing.by,
                    day(standing.at),
                    standing.reason
                ),
                "`drawbridge resume` starts a paused one again",
            );
        }
        Some(_) => {}
        None => noticed.unseen("whether it is paused"),
    }
}
