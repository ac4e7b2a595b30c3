//! A secret that a program prints. What else it says is never read, so that it can stand nowhere.

use std::{path::Path, process::Stdio, time::Duration};

use drawbridge_core::{credential::Version, secret::Secret};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
};

/// How long a program may take, unless the file says otherwise.
pub(super) const LONGEST: Duration = Duration::from_secs(10);

/// Why a program gave no secret. Nothing here comes from what it printed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("the program `{program}` cannot be started: {source}; check its path and its rights")]
    Start {
        program: String,
        source: std::io::Error,
    },
    #[error("the program `{program}` has not ended after {} ms; run it by hand to see why", .limit.as_millis())]
    Slow { program: String, limit: Duration },
    #[error(
        "the program `{program}` prints more than {} bytes; it must print the secret alone",
        Version::MOST_BYTES
    )]
    TooMuch { program: String },
    #[error("the program `{program}` failed ({status}); run it by hand to see why")]
    Failed { program: String, status: String },
    #[error("what the program `{program}` prints cannot be read: {source}")]
    Broken {
        program: String,
        source: std::io::Error,
    },
}

/// Ends a program with all that it started, unless it ended by itself.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// What a program prints, at most as much as a secret may have.
///
/// # Errors
/// When it cannot be started, fails, prints too much or takes too long; then nothing of it goes on.
pub(super) async fn printed(
    line: &[String],
    environment: &[(String, Secret<String>)],
    (folder, limit): (&Path, Duration),
) -> Result<Vec<u8>, CommandError> {
    let program = line.first().cloned().unwrap_or_default();
    let mut command = Command::new(&program);
    command
        .args(line.get(1..).unwrap_or_default())
        .env_clear()
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .process_group(0);
    for (name, value) in environment {
        command.env(name, value.expose());
    }
    let started = command.spawn();
    let mut child = started.map_err(|source| CommandError::Start {
        program: program.clone(),
        source,
    })?;
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let mut group = Group(id.and_then(Pid::from_raw));
    let ended = tokio::time::timeout(limit, ended(&mut child, &program)).await;
    let bytes = ended.map_err(|_| CommandError::Slow { program, limit })??;
    // It ended by itself and was waited for: its number may be another's by now.
    group.0 = None;
    Ok(bytes)
}

async fn ended(child: &mut Child, program: &str) -> Result<Vec<u8>, CommandError> {
    let program = || program.to_owned();
    let broken = |source| CommandError::Broken {
        program: program(),
        source,
    };
    let mut bytes = Vec::new();
    // A line break at the end is left out later.
    let most = Version::MOST_BYTES as u64 + 2;
    if let Some(output) = child.stdout.take() {
        let read = output.take(most + 1).read_to_end(&mut bytes).await;
        read.map_err(broken)?;
    }
    if bytes.len() as u64 > most {
        return Err(CommandError::TooMuch { program: program() });
    }
    let status = child.wait().await.map_err(broken)?;
    if status.success() {
        return Ok(bytes);
    }
    Err(CommandError::Failed {
        program: program(),
        status: status.to_string(),
    })
}
