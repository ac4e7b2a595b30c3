//! What can end a call, and what came of work that something may stop.

use std::{panic::AssertUnwindSafe, pin::pin, time::Duration};

use async_trait::async_trait;
use futures_util::{
    FutureExt,
    future::{Either, select},
};

use crate::{
    answer::{Failure, Status},
    plan::{KeptPlan, PlansDown, Voice},
};

/// How far a call has come, when something may end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Nothing is done yet: it also ends when its client is gone.
    Asking,
    /// An effect is being applied: it ends when its connector is stopped, or when it takes too long.
    Applying,
    /// The target is asked what came of an effect: it ends when that takes too long.
    Settling,
}

/// What can end a call, or make what was decided void.
#[async_trait]
pub trait Watch: Send + Sync {
    /// Resolves when the call must end, to what the caller is told.
    async fn ended(&self, moment: Moment) -> Failure;

    /// Why what the call was decided by no longer stands, if something in force changed up to this
    /// version ([`crate::log::Appended::version`]).
    async fn overtaken(&self, version: u64) -> Option<Failure>;

    /// Those of the yeses to a plan whose people may still say them: known, asked, and not with a token
    /// that was ended since.
    ///
    /// # Errors
    /// When that cannot be read.
    async fn voices(&self, plan: &KeptPlan) -> Result<Vec<Voice>, PlansDown>;

    /// Whether nobody is there any more to take the answer.
    fn is_gone(&self) -> bool;

    /// The longest that applying and settling may take together.
    fn longest(&self) -> Duration;
}

/// What came of work that something may stop.
pub(super) enum Work<T> {
    /// It ended by itself.
    Done(Result<T, Failure>),
    /// It was stopped.
    Stopped(Failure),
    /// It broke: a defect of the kind.
    Broke,
}

impl<T> Work<T> {
    /// As an outcome that is told.
    pub(super) fn flat(self) -> Result<T, Failure> {
        match self {
            Self::Done(outcome) => outcome,
            Self::Stopped(failure) => Err(failure),
            Self::Broke => Err(broke()),
        }
    }
}

pub(super) fn broke() -> Failure {
    Failure::new(
        Status::Failed,
        "the connector broke; its owner finds the cause in the gateway's trace",
    )
}

/// What comes of the work, unless it is stopped before; also of work that breaks. What must end
/// already is not begun.
pub(super) async fn until<T>(
    stop: impl Future<Output = Failure> + Send,
    work: impl Future<Output = Result<T, Failure>> + Send,
) -> Work<T> {
    let work = AssertUnwindSafe(work).catch_unwind();
    match select(pin!(stop), pin!(work)).await {
        Either::Left((failure, _)) => Work::Stopped(failure),
        Either::Right((Ok(outcome), _)) => Work::Done(outcome),
        Either::Right((Err(_), _)) => Work::Broke,
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    /// An effect whose time ran out while its intent was written must not be begun: others may
    /// have settled it.
    #[test]
    fn what_must_end_already_is_not_begun() {
        let mut begun = false;
        let work = async {
            begun = true;
            Ok(())
        };
        let stop = ready(Failure::new(Status::Timeout, "it took too long"));
        let came = until(stop, work).now_or_never();
        assert!(matches!(came, Some(Work::Stopped(_))));
        assert!(!begun);
    }
}
