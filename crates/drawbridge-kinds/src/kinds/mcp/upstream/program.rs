//! A program that was started here, and what it says to people.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use drawbridge_core::answer::Status;
use tokio::{io::AsyncReadExt, process::ChildStderr};

use super::{Told, locked, veil::Veil};
use crate::launch::{NOT_STARTED, Started};

/// How much of what a program says to people is kept, for the operator.
const MOST_SAID: usize = 4 << 10;

/// A program that was started, and the end of what it said to people.
pub(super) struct Program {
    pub(super) started: Started,
    pub(super) said: Said,
}

impl Program {
    /// Why it could not be started at all, where that is so.
    pub(super) async fn not_started(&self) -> Option<Told> {
        // What it said is read by another task, which may be a moment behind.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.started.ended()).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let said = self.said.end();
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
            detail: self.said.end(),
        }
    }
}

/// The end of what a program said on standard error: for the operator alone, since anything may be
/// in it.
#[derive(Clone)]
pub(super) struct Said {
    pub(super) bytes: Arc<std::sync::Mutex<VecDeque<u8>>>,
    pub(super) veil: Veil,
}

impl Said {
    pub(super) async fn listen(self, mut errors: ChildStderr) {
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

    pub(super) fn end(&self) -> String {
        let bytes: Vec<u8> = locked(&self.bytes).iter().copied().collect();
        let said = String::from_utf8_lossy(&bytes);
        self.veil.text(&said).into_owned()
    }
}
