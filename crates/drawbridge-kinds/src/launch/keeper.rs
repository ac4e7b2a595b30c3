//! A process beside the gateway, which ends what programs have started when the gateway is killed.
//!
//! The kernel ends a program's first process with the gateway, and nothing else of it. The keeper is
//! told of every group that runs; once nobody can tell it more, it ends those that are left.

use std::{
    collections::BTreeSet,
    io::{self, BufRead, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, ExitCode, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::process::{Pid, Signal, kill_process_group};

/// The one keeper of this process, from the first program on.
static KEPT: Mutex<Kept> = Mutex::new(Kept {
    groups: BTreeSet::new(),
    keeper: None,
});

/// The groups that run, and who ends them.
struct Kept {
    groups: BTreeSet<i32>,
    keeper: Option<(Child, ChildStdin)>,
}

fn kept() -> MutexGuard<'static, Kept> {
    // Each change is whole before the next.
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has a group ended when this process is killed. `program` is this program.
pub(super) fn enter(group: Pid, program: &Path) -> io::Result<()> {
    let group = group.as_raw_nonzero().get();
    let mut kept = kept();
    kept.groups.insert(group);
    if kept.tell(&format!("+{group}\n")).is_ok() {
        return Ok(());
    }
    // There is none yet, or somebody ended it: the next one is told of all.
    let mut keeper = Command::new(program)
        .arg("keep")
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // What is typed at the gateway's terminal is not for it.
        .process_group(0)
        .spawn()?;
    let input = keeper.stdin.take();
    let input = input.ok_or_else(|| io::Error::other("the keeper cannot be told anything"))?;
    if let Some((mut before, _)) = kept.keeper.replace((keeper, input)) {
        let _ = before.kill();
        let _ = before.wait();
    }
    let all: String = kept.groups.iter().map(|id| format!("+{id}\n")).collect();
    kept.tell(&all)
}

/// Forgets a group, before its number can be another's.
pub(super) fn leave(group: Pid) {
    let group = group.as_raw_nonzero().get();
    let mut kept = kept();
    if kept.groups.remove(&group) {
        // Where nobody hears it, the next keeper is not told of it.
        let _ = kept.tell(&format!("-{group}\n"));
    }
}

impl Kept {
    fn tell(&mut self, lines: &str) -> io::Result<()> {
        let keeper = self.keeper.as_mut();
        let (_, input) = keeper.ok_or(io::ErrorKind::NotConnected)?;
        input.write_all(lines.as_bytes())
    }
}

/// The keeper's main: ends once its input does, and with it the groups that are left.
#[must_use]
pub fn child() -> ExitCode {
    let mut groups = BTreeSet::new();
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let number = |id: &str| id.parse().ok().and_then(Pid::from_raw);
        if let Some(id) = line.strip_prefix('+').and_then(number) {
            groups.insert(id.as_raw_nonzero());
        } else if let Some(id) = line.strip_prefix('-').and_then(number) {
            groups.remove(&id.as_raw_nonzero());
        }
    }
    // The gateway ended a moment ago: none of these numbers has come round again.
    for group in groups {
        if let Some(group) = Pid::from_raw(group.get()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
    ExitCode::SUCCESS
}
