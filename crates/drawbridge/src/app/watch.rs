//! What ends a running call: its client, its connector's stop, and time.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use drawbridge_core::{
    answer::{Failure, Status},
    call::{Call, Caller},
    plan::{KeptPlan, PlansDown, Voice},
    way::{Moment, Watch},
};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::App;
use crate::connectors::{Mounted, Snapshot};

/// How long a target may take to say what came of an effect.
const SETTLING: Duration = Duration::from_secs(10);

/// One running call, as it is watched.
pub(crate) struct Running<'a> {
    app: &'a App,
    snapshot: &'a Snapshot,
    mounted: &'a Arc<Mounted>,
    caller: &'a Caller,
    call: Option<&'a Call>,
    client: CancellationToken,
    until: Instant,
}

impl App {
    /// Watches a call that begins at this moment.
    pub(crate) fn watch<'a>(
        &'a self,
        (snapshot, mounted): (&'a Snapshot, &'a Arc<Mounted>),
        caller: &'a Caller,
        call: Option<&'a Call>,
    ) -> Running<'a> {
        Running {
            app: self,
            snapshot,
            mounted,
            caller,
            call,
            client: CancellationToken::new(),
            until: Instant::now() + mounted.timeout.min(FOREVER),
        }
    }
}

/// Longer than any call.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3_600);

impl Running<'_> {
    /// Ends the call, too, when its client is gone.
    pub(crate) fn with_client(mut self, client: CancellationToken) -> Self {
        self.client = client;
        self
    }
}

#[async_trait]
impl Watch for Running<'_> {
    async fn ended(&self, moment: Moment) -> Failure {
        let timeout = self.mounted.timeout.as_secs_f64();
        if moment == Moment::Settling {
            sleep(SETTLING).await;
            let told = "the target does not say what came of it";
            return Failure::new(Status::Unknown, told);
        }
        let effect = self.call.is_none_or(|call| call.action.power.is_effect());
        let halted = async {
            if effect {
                self.mounted.halt.cancelled().await;
            } else {
                std::future::pending().await
            }
        };
        let client = async {
            match moment {
                Moment::Asking => self.client.cancelled().await,
                Moment::Applying | Moment::Settling => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.mounted.stop.cancelled() => Failure::new(
                Status::Unavailable,
                "this connector was stopped while the call was running",
            ),
            () = halted => Failure::new(
                Status::Unavailable,
                "every effect was stopped while the call was running",
            ),
            () = client => Failure::new(
                Status::Failed,
                "the client cancelled the call, or went away, before the answer was ready",
            ),
            () = sleep_until(self.until) => Failure::new(
                Status::Timeout,
                format!("it took longer than {timeout} s; ask for less at a time"),
            ),
        }
    }

    async fn overtaken(&self, version: u64) -> Option<Failure> {
        if version <= self.snapshot.version {
            return None;
        }
        let seen = Some((&**self.mounted, self.call));
        let why = match self.app.overtaken(version, (self.caller, seen)).await {
            Ok(why) => why?,
            Err(cause) => {
                tracing::error!("cannot take up a change, so an effect is withheld: {cause}");
                "what is in force could not be read while the call was running; try again"
            }
        };
        Some(Failure::new(Status::Unavailable, why))
    }

    async fn voices(&self, plan: &KeptPlan) -> Result<Vec<Voice>, PlansDown> {
        let voices = self.app.voices(self.snapshot, plan).await;
        voices.map_err(|error| PlansDown {
            source: Some(Box::new(error)),
        })
    }

    fn is_gone(&self) -> bool {
        self.client.is_cancelled()
    }

    fn longest(&self) -> Duration {
        self.mounted.timeout.min(FOREVER) + SETTLING
    }
}
