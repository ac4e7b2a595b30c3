//! Children of this program that read files, since parsers crash, hang and eat memory.

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use drawbridge_core::connector::Problem;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    sync::Semaphore,
};

use super::{Extracted, Unreadable, child::MOST_BYTES};
use crate::confine::{self, WHOLLY};

/// The largest answer of a child, in bytes.
const MOST_ANSWER: usize = 64 << 20;
/// How long a child may take for one file.
const TIME: Duration = Duration::from_secs(20);
/// After how much work another child takes over: less than the processor time that one may have.
const SHIFT: Duration = Duration::from_secs(60);
/// The most children at a time.
const CHILDREN: usize = 4;

/// Reads files in child processes, one file at a time in each.
pub struct Extractor {
    program: PathBuf,
    idle: Mutex<Vec<Reader>>,
    turns: Arc<Semaphore>,
    children: usize,
    /// A child said that the kernel does not confine it as it asked.
    loose: AtomicBool,
}

/// A child, and how long it worked.
struct Reader {
    child: Child,
    worked: Duration,
}

impl Extractor {
    /// Starts children as `PROGRAM extract`.
    #[must_use]
    pub fn new(program: PathBuf) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let children = processors.min(CHILDREN);
        Self {
            program,
            idle: Mutex::default(),
            turns: Arc::new(Semaphore::new(children)),
            children,
            loose: AtomicBool::new(false),
        }
    }

    /// What is wrong with how its children are confined.
    pub(in super::super) fn problem(&self) -> Option<Problem> {
        let loose = self.loose.load(Ordering::Relaxed);
        loose.then(confine::loosely)
    }

    /// How many files it reads at a time.
    #[must_use]
    pub fn children(&self) -> usize {
        self.children
    }

    /// The text of a file.
    ///
    /// # Errors
    /// The reason, when it gives none: also when the child had to be killed for it.
    pub async fn extract(&self, path: &str, bytes: Bytes) -> Result<Extracted, Unreadable> {
        if bytes.len() > MOST_BYTES {
            return Err(Unreadable::new(format!(
                "it has more than {MOST_BYTES} bytes"
            )));
        }
        let turn = self.turns.clone().acquire_owned().await;
        let mut reader = match self.at_rest() {
            Some(reader) => reader,
            None => self.start().await.map_err(|error| {
                Unreadable::new(format!("no child process can be started: {error}"))
            })?,
        };
        let began = Instant::now();
        let outcome = tokio::time::timeout(TIME, ask(&mut reader.child, path, &bytes)).await;
        reader.worked += began.elapsed();
        // A child that is not put back is killed when it is dropped.
        let answer = match outcome {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => {
                return Err(Unreadable::new(
                    "the parser broke on it, or needed more than 1 GiB of memory",
                ));
            }
            Err(_) => return Err(Unreadable::new("it took longer than 20 s to read")),
        };
        if reader.worked < SHIFT {
            self.idle().push(reader);
        }
        // The turn ends with the work, also when nobody waits for it any more.
        let understood = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            serde_json::from_slice(&answer)
        });
        match understood.await {
            Ok(Ok(extracted)) => extracted,
            _ => Err(Unreadable::new("the parser broke on it")),
        }
    }

    /// A child that has nothing to do and is still there.
    fn at_rest(&self) -> Option<Reader> {
        let mut idle = self.idle();
        loop {
            let mut reader = idle.pop()?;
            if matches!(reader.child.try_wait(), Ok(None)) {
                return Some(reader);
            }
        }
    }

    /// Ends the children that have nothing to do; others are started when they are needed.
    pub async fn rest(&self) {
        let idle = std::mem::take(&mut *self.idle());
        for mut reader in idle {
            // It may be gone already.
            let _ = reader.child.kill().await;
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn start(&self) -> std::io::Result<Reader> {
        let mut child = Command::new(&self.program)
            .arg("extract")
            .env_clear()
            // One thread parses, so that processor time passes no faster than time.
            .env("RAYON_NUM_THREADS", "1")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let output = child.stdout.as_mut().ok_or_else(gone)?;
        let confined = tokio::time::timeout(TIME, output.read_u8()).await??;
        if confined != WHOLLY {
            self.loose.store(true, Ordering::Relaxed);
        }
        Ok(Reader {
            child,
            worked: Duration::ZERO,
        })
    }
}

fn gone() -> std::io::Error {
    std::io::Error::other("the child has no pipes")
}

/// The answer of a child, not yet understood.
async fn ask(child: &mut Child, path: &str, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let (Some(input), Some(output)) = (child.stdin.as_mut(), child.stdout.as_mut()) else {
        return Err(gone());
    };
    for part in [path.as_bytes(), bytes] {
        let length = u32::try_from(part.len()).map_err(std::io::Error::other)?;
        input.write_all(&length.to_be_bytes()).await?;
        input.write_all(part).await?;
    }
    input.flush().await?;
    let length = output.read_u32().await? as usize;
    if length > MOST_ANSWER {
        return Err(gone());
    }
    let mut answer = vec![0; length];
    output.read_exact(&mut answer).await?;
    Ok(answer)
}
