//! A MariaDB server of our own, on a free port, in a folder that goes away.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context;

use crate::postgres::{owner, run_as};

/// How long the server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
#[derive(Debug)]
pub(crate) struct MariaDb {
    child: Child,
    socket: PathBuf,
    /// Where it listens.
    pub(crate) port: u16,
}

impl MariaDb {
    /// Starts a server with its defaults, which make each commit durable; none where it is not
    /// installed.
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Option<Self>> {
        let places = ["/usr/sbin/mariadbd", "/usr/bin/mariadbd"];
        let Some(program) = places.into_iter().map(Path::new).find(|one| one.is_file()) else {
            return Ok(None);
        };
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = folder.join("mariadb");
        fs::create_dir(&folder)?;
        let owner = owner("mysql")?;
        if let Some((user, group)) = owner {
            chown(&folder, Some(user), Some(group))?;
        }
        let data = format!("--datadir={}", folder.join("data").display());
        let trace = fs::File::create(folder.join("trace"))?;
        let mut install = run_as(owner, Path::new("mariadb-install-db"));
        install
            .args(["--no-defaults", "--skip-test-db", &data])
            .arg("--auth-root-authentication-method=normal")
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(trace.try_clone()?);
        anyhow::ensure!(install.status()?.success(), "{install:?} failed");
        let socket = folder.join("socket");
        let mut serve = run_as(owner, program);
        serve
            .args(["--no-defaults", "--bind-address=127.0.0.1", &data])
            .arg(format!("--port={port}"))
            .arg(format!("--socket={}", socket.display()))
            .arg(format!("--pid-file={}", folder.join("pid").display()))
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(trace);
        let server = Self {
            child: serve.spawn().context("cannot start MariaDB")?,
            socket,
            port,
        };
        let began = Instant::now();
        while server.run("SELECT 1").is_err() {
            anyhow::ensure!(began.elapsed() < PATIENCE, "MariaDB does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(Some(server))
    }

    /// The process that serves.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Runs statements as whoever may do anything.
    pub(crate) fn run(&self, text: &str) -> anyhow::Result<()> {
        let mut client = Command::new("mariadb");
        let mut client = client
            .args(["--no-defaults", "--user=root"])
            .arg(format!("--socket={}", self.socket.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        // Where the server is not there yet, nobody reads it.
        let written = client
            .stdin
            .take()
            .map(|mut input| input.write_all(text.as_bytes()));
        let done = client.wait_with_output()?;
        let told = String::from_utf8_lossy(&done.stderr);
        anyhow::ensure!(done.status.success(), "MariaDB: {told}");
        Ok(written.transpose().map(drop)?)
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
