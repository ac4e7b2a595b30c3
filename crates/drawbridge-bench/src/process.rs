//! A server that is measured: started, watched through `/proc`, ended.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context;

/// What Linux counts a process's time in, on every architecture.
const TICK: Duration = Duration::from_millis(10);

/// A running server.
pub(crate) struct Server {
    child: Child,
    /// When it was started.
    pub(crate) began: Instant,
}

impl Server {
    /// Starts a program whose first line of output says where it listens; that line.
    pub(crate) fn start(mut command: Command, trace: &Path) -> anyhow::Result<(Self, String)> {
        let file = fs::File::create(trace)?;
        let began = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let out = child.stdout.take().context("no output")?;
        let server = Self { child, began };
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        if line.is_empty() {
            let said = fs::read_to_string(trace).unwrap_or_default();
            let first = said.lines().next().unwrap_or_default();
            anyhow::bail!("{command:?} ended at once: {first}");
        }
        Ok((server, line.trim().to_owned()))
    }

    /// User and system time of the process so far, without its children's. The kernel counts in
    /// hundredths of a second.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in parentheses may hold spaces; user and system time are the 12th and 13th after.
        let (_, after) = stat.rsplit_once(')').context("no name in stat")?;
        let mut ticks = after.split_whitespace().skip(11);
        let mut next = || -> anyhow::Result<u64> { Ok(ticks.next().context("short")?.parse()?) };
        Ok(TICK * u32::try_from(next()? + next()?)?)
    }

    /// Time on a processor of the threads that live, in nanoseconds: for what is too short for
    /// [`Server::cpu`].
    pub(crate) fn cpu_of_threads(&self) -> anyhow::Result<Duration> {
        let mut sum = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            let first = text.split_whitespace().next().context("short")?;
            sum += first.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(sum))
    }

    /// Resident memory, in bytes.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.context("no VmRSS")?.trim().trim_end_matches(" kB");
        Ok(kibibytes.parse::<u64>()? * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        for _ in 0..100 {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
