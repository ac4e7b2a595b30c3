//! A program that was started here, and what it says to people.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use drawbridge_core::answer::Status;
use tokio::{io::AsyncReadExt, process::ChildStderr};
use tokio_util::sync::CancellationToken;

use super::{Told, locked, veil::Veil};
use crate::launch::{NOT_STARTED, Started};

/// How much of what a program says to people is kept, for the operator.
const MOST_SAID: usize = 4 << 10;
/// How long a program that ends may take to say its last: what it started may hold on to its output.
const SAID_WITHIN: Duration = Duration::from_secs(1);

/// A program that was started, and the end of what it said to people.
pub(super) struct Program {
    pub(super) started: Started,
    pub(super) said: Said,
}

impl Program {
    /// Why it could not be started at all, where that is so.
    pub(super) async fn not_started(&self) -> Option<Told> {
        let _ = tokio::time::timeout(Duration::from_secs(2), self.started.ended()).await;
        let said = self.said.whole().await;
        let line = said
            .lines()
            .find_map(|line| line.strip_prefix(NOT_STARTED))?;
        let told = format!("its program was not started: {line}");
        Some(Told::unavailable(told))
    }

    pub(super) async fn told(&self, why: String) -> Told {
        if let Some(told) = self.not_started().await {
            return told;
        }
        Told {
            status: Status::Unavailable,
            message: why,
            detail: self.said.whole().await,
            at_once: false,
        }
    }
}

/// The end of what a program said on standard error: for the operator alone, since anything may be
/// in it.
#[derive(Clone)]
pub(super) struct Said {
    pub(super) bytes: Arc<std::sync::Mutex<VecDeque<u8>>>,
    pub(super) veil: Veil,
    /// Whether it has said all.
    pub(super) over: CancellationToken,
}

impl Said {
    pub(super) async fn listen(self, mut errors: ChildStderr) {
        let _over = self.over.clone().drop_guard();
        let mut buffer = vec![0; 4 << 10];
        while let Ok(size) = errors.read(&mut buffer).await {
            if size == 0 {
                return;
            }
            let mut said = locked(&self.bytes);
            said.extend(buffer.get(..size).unwrap_or_default());
            let surplus = said.len().saturating_sub(MOST_SAID);
            said.drain(..surplus);
        }
    }

    /// The end of what a program said that is about to end: it is read by another task, which may be a
    /// moment behind.
    pub(super) async fn whole(&self) -> String {
        let _ = tokio::time::timeout(SAID_WITHIN, self.over.cancelled()).await;
        self.end()
    }

    fn end(&self) -> String {
        let bytes: Vec<u8> = locked(&self.bytes).iter().copied().collect();
        let said = String::from_utf8_lossy(&bytes);
        self.veil.text(&said).into_owned()
    }
}
