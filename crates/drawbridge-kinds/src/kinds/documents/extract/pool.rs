//! A confined child of this program that reads files, since parsers crash, hang and eat memory.

use std::{
    io::{Read, Write},
    num::NonZeroUsize,
    path::PathBuf,
    process::{ExitCode, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    sync::Semaphore,
};

use super::{Extracted, Unreadable, read};

/// The largest file that is read, in bytes.
const MOST_BYTES: usize = 64 << 20;
/// The largest answer of a child, in bytes.
const MOST_ANSWER: usize = 64 << 20;
/// The memory of a child, in bytes.
const MEMORY: u64 = 1 << 30;
/// How long a child may take for one file.
const TIME: Duration = Duration::from_secs(20);
/// The stack of the thread that parses: nested input must not overflow it.
const STACK: usize = 256 << 20;

/// The most children at a time.
const CHILDREN: usize = 4;

/// Reads files in child processes, one file at a time in each.
pub struct Extractor {
    program: PathBuf,
    idle: Mutex<Vec<Child>>,
    turns: Semaphore,
    children: usize,
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
            turns: Semaphore::new(children),
            children,
        }
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
        let _turn = self.turns.acquire().await;
        let idle = self.idle().pop();
        let mut child = match idle {
            Some(child) => child,
            None => self.start().map_err(|error| {
                Unreadable::new(format!("no child process can be started: {error}"))
            })?,
        };
        let outcome = tokio::time::timeout(TIME, ask(&mut child, path, &bytes)).await;
        match outcome {
            Ok(Ok(answer)) => {
                self.idle().push(child);
                answer
            }
            Ok(Err(_)) => Err(Unreadable::new(
                "the parser broke on it, or needed more than 1 GiB of memory",
            )),
            Err(_) => Err(Unreadable::new("it took longer than 20 s to read")),
        }
        // A child that is not put back is killed when it is dropped.
    }

    /// Ends the children that have nothing to do; others are started when they are needed.
    pub async fn rest(&self) {
        let idle = std::mem::take(&mut *self.idle());
        for mut child in idle {
            // It may be gone already.
            let _ = child.kill().await;
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Child>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self) -> std::io::Result<Child> {
        Command::new(&self.program)
            .arg("extract")
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }
}

async fn ask(
    child: &mut Child,
    path: &str,
    bytes: &[u8],
) -> std::io::Result<Result<Extracted, Unreadable>> {
    let gone = || std::io::Error::other("the child has no pipes");
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
    serde_json::from_slice(&answer).map_err(std::io::Error::other)
}

/// The child's main: confines itself, then answers on stdout for each file on stdin.
#[must_use]
pub fn child() -> ExitCode {
    if confine().is_err() {
        return ExitCode::FAILURE;
    }
    let worker = std::thread::Builder::new().stack_size(STACK).spawn(serve);
    match worker.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// No files, no network, little memory. Where the kernel has no Landlock, the limits still hold.
fn confine() -> std::io::Result<()> {
    use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr};
    for (resource, most) in [
        (Resource::As, MEMORY),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
    ] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, limit)?;
    }
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V4))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V4)))
        .and_then(|rules| rules.create()?.restrict_self());
    rules.map(|_| ()).map_err(std::io::Error::other)
}

fn serve() -> std::io::Result<()> {
    answer_all(&mut std::io::stdin().lock(), &mut std::io::stdout().lock())
}

/// Answers for each file on `input`, until it ends.
///
/// # Errors
/// When a frame is too long or cut off, and when `output` does not take the answer.
pub fn answer_all(input: &mut impl Read, output: &mut impl Write) -> std::io::Result<()> {
    loop {
        let Ok(path) = frame(input) else {
            return Ok(());
        };
        let bytes = frame(input)?;
        let path = String::from_utf8_lossy(&path).into_owned();
        let extracted =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(&path, &bytes)))
                .unwrap_or_else(|_| Err(Unreadable::new("the parser broke on it")));
        let answer = serde_json::to_vec(&extracted)?;
        let length = u32::try_from(answer.len()).map_err(std::io::Error::other)?;
        output.write_all(&length.to_be_bytes())?;
        output.write_all(&answer)?;
        output.flush()?;
    }
}

fn frame(input: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MOST_BYTES {
        return Err(std::io::Error::other("a frame is too long"));
    }
    // Grows with what is there, not with what is announced.
    let mut bytes = Vec::new();
    let announced = u64::try_from(length).map_err(std::io::Error::other)?;
    if Read::take(&mut *input, announced).read_to_end(&mut bytes)? < length {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}
