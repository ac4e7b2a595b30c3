//! What blocks, so much of it at a time.

use std::{num::NonZeroUsize, sync::Arc};

use tokio::{sync::Semaphore, task::JoinError};

/// How much of one connector blocks at a time, for each processor.
const PER_PROCESSOR: usize = 2;

/// Turns of what blocks. A call that is cut off gives back its place while what it began goes on:
/// without turns of their own, such leftovers would pile up.
pub(super) struct Turns(Arc<Semaphore>);

impl Turns {
    pub(super) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self(Arc::new(Semaphore::new(processors * PER_PROCESSOR)))
    }

    /// Runs what blocks when there is a turn for it. The turn ends with the work, also when nobody
    /// waits for it any more; who gives up waiting gives up the place in the queue.
    pub(super) async fn block<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let turn = self.0.clone().acquire_owned().await;
        let work = move || {
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc, Mutex,
            atomic::{AtomicUsize, Ordering},
            mpsc,
        },
        time::Duration,
    };

    use super::*;

    #[tokio::test]
    async fn what_nobody_waits_for_keeps_its_turn_until_it_ends() {
        let turns = Turns::new();
        let most = turns.0.available_permits();
        let running = Arc::new(AtomicUsize::new(0));
        let (end, ended) = mpsc::channel::<()>();
        let ended = Arc::new(Mutex::new(ended));
        for _ in 0..most * 4 {
            let (running, ended) = (running.clone(), ended.clone());
            let call = turns.block(move || {
                running.fetch_add(1, Ordering::SeqCst);
                let _ = ended.lock().unwrap().recv();
            });
            let cut_off = tokio::time::timeout(Duration::from_millis(1), call).await;
            assert!(cut_off.is_err());
        }
        assert_eq!(turns.0.available_permits(), 0);
        let later = turns.block(|| ());
        let waited = tokio::time::timeout(Duration::from_millis(100), later).await;
        assert!(waited.is_err(), "it runs beside {most} others");
        drop(end);
        turns.block(|| ()).await.unwrap();
        assert_eq!(running.load(Ordering::SeqCst), most);
    }
}
