//! Whether somebody uses a connection, so that it is not ended under them.

use std::time::Duration;

/// How a connection is used.
pub(super) struct Used {
    /// By how many at this moment.
    by: usize,
    /// When somebody last began or ended to use it.
    at: Duration,
    /// Nobody needed it for so long that it is being ended, and nobody may use it any more.
    over: bool,
}

impl Used {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            by: 0,
            at: now,
            over: false,
        }
    }

    /// Somebody begins to use it; whether they may.
    pub(super) fn begin(&mut self, now: Duration) -> bool {
        if !self.over {
            self.by += 1;
            self.at = now;
        }
        !self.over
    }

    pub(super) fn end(&mut self, now: Duration) {
        self.by = self.by.saturating_sub(1);
        self.at = now;
    }

    /// Lets nobody use it any more if nobody did for so long; else tells after how long to look again.
    pub(super) fn leave(&mut self, now: Duration, idle: Duration) -> Option<Duration> {
        let rest = idle.saturating_sub(now.saturating_sub(self.at));
        self.over |= self.by == 0 && rest.is_zero();
        (!self.over).then_some(rest)
    }

    pub(super) fn bar(&mut self) {
        self.over = true;
    }
}
