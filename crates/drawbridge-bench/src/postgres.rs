//! A PostgreSQL server of our own, on a free port, in a folder that goes away.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context;

/// A running server.
#[derive(Debug)]
pub(crate) struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    owner: Option<(u32, u32)>,
    /// A `postgres://` URL of it.
    pub(crate) url: String,
}

impl Postgres {
    /// Starts a server with its defaults, which make each commit durable; none where it is not
    /// installed.
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Option<Self>> {
        let Some(programs) = programs() else {
            return Ok(None);
        };
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = folder.join("postgres");
        fs::create_dir(&folder)?;
        let server = Self {
            programs,
            owner: owner("postgres")?,
            url: format!("postgres://drawbridge@127.0.0.1:{port}/postgres"),
            folder,
        };
        if let Some((user, group)) = server.owner {
            chown(&server.folder, Some(user), Some(group))?;
        }
        fs::set_permissions(&server.folder, fs::Permissions::from_mode(0o700))?;
        let data = server.folder.join("data");
        let data = data.to_str().context("the folder's name is not UTF-8")?;
        server.run("initdb", &["-D", data, "-U", "drawbridge", "--auth=trust"])?;
        let options =
            format!("-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''");
        server.run(
            "pg_ctl",
            &[
                "-D",
                data,
                "-w",
                "-l",
                &format!("{data}/trace"),
                "-o",
                &options,
                "start",
            ],
        )?;
        Ok(Some(server))
    }

    /// The process whose children serve.
    pub(crate) fn process(&self) -> anyhow::Result<u32> {
        let file = fs::read_to_string(self.folder.join("data/postmaster.pid"))?;
        Ok(file.lines().next().context("no process")?.parse()?)
    }

    /// Runs one of the server's programs, as the account of that name where we are root: it refuses
    /// to run as root.
    fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let program = self.programs.join(program);
        let mut command = run_as(self.owner, &program);
        command
            .current_dir(&self.folder)
            .stdout(Stdio::null())
            .args(arguments);
        anyhow::ensure!(command.status()?.success(), "{command:?} failed");
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.folder.join("data");
        let data = data.to_string_lossy();
        if let Err(error) = self.run("pg_ctl", &["-D", &data, "-m", "immediate", "stop"]) {
            eprintln!("PostgreSQL is left running: {error}");
        }
    }
}

fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let programs = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    programs
        .filter(|programs| programs.join("initdb").is_file())
        .max()
}

/// A program, run as the account of these numbers.
pub(crate) fn run_as(owner: Option<(u32, u32)>, program: &Path) -> Command {
    let Some((user, group)) = owner else {
        return Command::new(program);
    };
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={user}"))
        .arg(format!("--regid={group}"))
        .arg("--clear-groups")
        .arg(program);
    command
}

/// The account of this name, which a server must run as: none where it is our own.
pub(crate) fn owner(name: &str) -> anyhow::Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd")?;
    let own = format!("{name}:");
    let line = accounts.lines().find(|line| line.starts_with(&own));
    let mut fields = line
        .with_context(|| format!("there is no account `{name}`"))?
        .split(':')
        .skip(2);
    let mut next = || -> anyhow::Result<u32> { Ok(fields.next().context("short")?.parse()?) };
    Ok(Some((next()?, next()?)))
}
