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
        cpu_of(self.child.id())
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
        memory(self.child.id(), "VmRSS:")
    }

    /// The most resident memory since [`Server::forget_most`], in bytes.
    pub(crate) fn most_memory(&self) -> anyhow::Result<u64> {
        memory(self.child.id(), "VmHWM:")
    }

    /// Begins to count the most resident memory anew.
    pub(crate) fn forget_most(&self) -> anyhow::Result<()> {
        Ok(fs::write(
            format!("/proc/{}/clear_refs", self.child.id()),
            "5",
        )?)
    }
}

/// What a process has spent on processors so far.
struct Spent {
    parent: u32,
    own: Duration,
    /// What its children had spent that have ended.
    ended: Duration,
}

impl Spent {
    fn of(process: u32) -> anyhow::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The name in parentheses may hold spaces. The parent is the second field after it; times, of
        // the process and of its children that ended, are the 12th to 15th.
        let (_, after) = stat.rsplit_once(')').context("no name in stat")?;
        let fields: Vec<&str> = after.split_whitespace().collect();
        let number = |index: usize| -> anyhow::Result<u64> {
            Ok(fields.get(index).context("short")?.parse()?)
        };
        let time = |first: usize| -> anyhow::Result<Duration> {
            Ok(TICK * u32::try_from(number(first)? + number(first + 1)?)?)
        };
        Ok(Self {
            parent: u32::try_from(number(1)?)?,
            own: time(11)?,
            ended: time(13)?,
        })
    }
}

/// User and system time of a process so far.
pub(crate) fn cpu_of(process: u32) -> anyhow::Result<Duration> {
    Ok(Spent::of(process)?.own)
}

/// User and system time of a process and of all its children so far: of a database server, which may
/// be one process or many.
pub(crate) fn cpu_of_family(process: u32) -> anyhow::Result<Duration> {
    let whole = Spent::of(process)?;
    let mut sum = whole.own + whole.ended;
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // One may end just as it is looked at; its parent counts it from then on.
        if let Ok(spent) = Spent::of(id)
            && spent.parent == process
        {
            sum += spent.own;
        }
    }
    Ok(sum)
}

/// A line of `/proc/PROCESS/status`, in bytes.
pub(crate) fn memory(process: u32, name: &str) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = line.context("no such line")?.trim().trim_end_matches(" kB");
    Ok(kibibytes.parse::<u64>()? * 1024)
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
