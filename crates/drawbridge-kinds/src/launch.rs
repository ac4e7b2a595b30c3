//! Foreign programs, started as confined children.
//!
//! The gateway starts itself as a child that gives up what [`Confinement`] does not grant, and then
//! becomes the program. What is started stays one process group, which ends as a whole.

mod calls;
mod files;
mod keeper;
mod launcher;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

pub use keeper::child as keep;
pub use launcher::child;

/// What the first line on standard error begins with when the program was not started: the rest of
/// the line is the reason and its mend.
pub(crate) const NOT_STARTED: &str = "drawbridge: not started: ";
/// The exit code of a program that may not be started, or cannot be confined wholly.
pub(crate) const REFUSED: u8 = 126;
/// The exit code when there is no such program.
pub(crate) const NOT_FOUND: u8 = 127;
/// Where a program is looked for when its environment names no `PATH`.
pub(crate) const SEARCH: &str = "/usr/local/bin:/usr/bin:/bin";

/// How long a program may take to end by itself, and again after it is asked to.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often it is looked whether one has ended that is to end.
const LOOK: Duration = Duration::from_millis(20);

/// What a started program may use, beside what any program needs: the system's programs and
/// libraries, and the few files of `/etc`, `/dev` and `/proc` that hold no secret.
///
/// Landlock knows no right to look at names and sizes, nor to change a mode, an owner or a time: a
/// program can do that to files of the gateway's account that it cannot open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Confinement {
    /// Files, and folders with all that is beneath, that it may read and execute.
    pub read: Vec<PathBuf>,
    /// Files, and folders with all that is beneath, that it may also change.
    pub write: Vec<PathBuf>,
    /// Whether it may reach a network by IP. Other sockets, as Unix's, it never makes.
    pub network: bool,
    /// The most memory of each of its processes, in bytes. What processes share is not counted.
    pub memory: u64,
    /// The most processes and threads of the gateway's whole account. The kernel does not hold root
    /// to it.
    pub processes: u64,
    /// The most open files of each of its processes.
    pub open_files: u64,
    /// The most processor time of each of its processes, in seconds.
    pub cpu: u64,
}

/// How a program is started.
#[derive(Clone, Copy)]
pub(crate) struct Launch<'a> {
    /// This program: an absolute path.
    pub program: &'a Path,
    /// The foreign program and its arguments. Every account of the machine can read them.
    pub command: &'a [String],
    /// The folder it works in. It is not granted by that.
    pub folder: &'a Path,
    /// Its whole environment, in which secrets may be. Where it names no `PATH`, [`SEARCH`] is set,
    /// so that what the program starts is found as it was itself.
    pub environment: &'a BTreeMap<String, String>,
    /// What it may use.
    pub confinement: &'a Confinement,
}

/// What the child is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    confinement: Confinement,
    /// The gateway's process.
    parent: i32,
    /// Where the program is looked for.
    search: String,
}

/// Starts a program. That it was not found or may not be confined is told by the child, after
/// [`NOT_STARTED`].
///
/// The program ends with the thread that calls this, so that is one that lives as long as the
/// gateway: a worker of the runtime, never `spawn_blocking`.
///
/// # Errors
/// When no child can be started. Outside a runtime with input and output it panics, as tokio does.
pub(crate) fn start(launch: &Launch<'_>) -> io::Result<Started> {
    let search = launch.environment.get("PATH");
    let request = serde_json::to_string(&Request {
        confinement: launch.confinement.clone(),
        parent: rustix::process::getpid().as_raw_nonzero().get(),
        search: search.map_or(SEARCH, String::as_str).to_owned(),
    })?;
    let child = Command::new(launch.program)
        .args(["launch", &request, "--"])
        .args(launch.command)
        .env_clear()
        .envs(launcher::veiled(launch.environment))
        .current_dir(launch.folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let id = id.and_then(Pid::from_raw);
    let id = id.ok_or_else(|| io::Error::other("the child has no process"))?;
    let group = Group(Some(id));
    keeper::enter(id, launch.program)?;
    let about = File::open(format!("/proc/{}", id.as_raw_nonzero()));
    Ok(Started {
        group,
        child,
        _about: about.ok(),
    })
}

/// Ends a program with all that it started, unless it was waited for.
struct Group(Option<Pid>);

impl Group {
    fn send(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // All of it may be gone already.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Kills it. From here on its number may be another's.
    fn end(&self) {
        self.send(Signal::KILL);
        if let Some(group) = self.0 {
            keeper::leave(group);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// A program that was started. Dropped, it is killed with all that it started.
///
/// If the gateway itself is killed, the kernel ends the program's first process with it, and the keeper
/// what that had started.
// INVARIANT: until `end` waits for the child, its number is nobody else's, so that the group that
// is killed is its own. Fields are dropped in their order: the group before the child.
pub(crate) struct Started {
    group: Group,
    child: Child,
    /// Its folder of `/proc`. The program may read it only as long as the kernel remembers it:
    /// without this, until memory is short.
    _about: Option<File>,
}

impl Started {
    /// Its input, the first time. Whoever takes it closes it before `end`.
    pub(crate) fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Its output, the first time.
    pub(crate) fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// What it says to people, the first time.
    pub(crate) fn stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Ends it: closes its input, after two seconds asks it to end, and after two more kills
    /// it. Nothing that it started is left.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(crate) async fn end(mut self) -> io::Result<ExitStatus> {
        drop(self.child.stdin.take());
        if tokio::time::timeout(PATIENCE, self.ended()).await.is_err() {
            self.group.send(Signal::TERM);
            // Whether it ended or not, it is killed.
            let _ = tokio::time::timeout(PATIENCE, self.ended()).await;
        }
        self.group.end();
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await??;
        self.group.0 = None;
        Ok(status)
    }

    /// Returns when its first process has ended. It is not waited for, so that it keeps its number.
    pub(crate) async fn ended(&self) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        while let Some(id) = self.group.0 {
            match waitid(WaitId::Pid(id), options) {
                Ok(None) => tokio::time::sleep(LOOK).await,
                Ok(Some(_)) | Err(_) => return,
            }
        }
    }
}
