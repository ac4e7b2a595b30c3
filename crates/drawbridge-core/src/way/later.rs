//! Plans that go back a step: what waits again, is tried again, or is left for whoever looks.

use std::time::Duration;

use jiff::Timestamp;

use super::{Watch, person::unread};
use crate::{
    answer::{Failure, Status},
    plan::{Again, KeptPlan, Stage},
};

/// After how long an approved plan is tried again that its target could not take; twice as long each
/// time, up to the last.
const PAUSE_S: u64 = 1;
const LONGEST_PAUSE_S: u64 = 120;

/// An approved plan as it waits again, where not enough of those who said yes still may say it.
pub(super) async fn disputed(
    kept: &KeptPlan,
    watch: &dyn Watch,
) -> Result<Option<KeptPlan>, Failure> {
    if kept.asking.is_none() || kept.voices.is_empty() {
        return Ok(None);
    }
    let mut now = kept.clone();
    now.voices = watch.voices(kept).await.map_err(unread)?;
    Ok((!now.is_agreed()).then(|| kept.disputed(now.voices)))
}

/// What was approved and not done, for a reason that passes, is as approved as it was, until its
/// approval ends.
pub(super) fn again_later(begun: &KeptPlan, next: KeptPlan, now: Timestamp) -> KeptPlan {
    let status = next.ended.as_ref().map(|ended| ended.status);
    let passes = next.stage == Stage::Failed && status.is_some_and(Status::passes);
    if !passes || begun.expires.is_none() {
        return next;
    }
    let after_s = begun
        .again
        .map_or(PAUSE_S, |before| (before.after_s * 2).min(LONGEST_PAUSE_S));
    let mut later = begun.turned(Stage::Approved);
    later.runner = None;
    // It was ended, so no crash counts.
    later.attempts = begun.attempts.saturating_sub(1);
    later.again = now
        .checked_add(Duration::from_secs(after_s))
        .ok()
        .map(|at| Again { at, after_s });
    later
}

/// What is begun and of which nobody could say at once what came: from now on, whoever gets to it asks.
pub(super) fn left_to_settle(begun: &KeptPlan, now: Timestamp) -> KeptPlan {
    let mut left = begun.turned(Stage::Applying);
    if let Some(runner) = &mut left.runner {
        runner.until = now;
    }
    left
}
