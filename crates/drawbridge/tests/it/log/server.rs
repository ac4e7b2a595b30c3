//! A PostgreSQL of one test alone, so that it can be stopped or run out of room.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::disk::SmallDisk;

pub(crate) struct Server {
    tools: PathBuf,
    folder: tempfile::TempDir,
    pub(crate) port: u16,
}

impl Server {
    /// One that believes everybody, or asks the account `drawbridge` for this password.
    pub(crate) fn new(password: Option<&str>) -> Self {
        let mut tools: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
            .expect("`./test` installs PostgreSQL")
            .map(|entry| entry.unwrap().path().join("bin"))
            .collect();
        tools.sort();
        let folder = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let server = Self {
            tools: tools.pop().unwrap(),
            folder,
            port,
        };
        give(server.folder.path());
        let file = server.folder.path().join("password");
        std::fs::write(&file, password.unwrap_or("none")).unwrap();
        let auth = password.map_or("--auth=trust", |_| "--auth=scram-sha-256");
        let file = format!("--pwfile={}", file.display());
        server.run("initdb", &["-U", "drawbridge", "-N", auth, &file]);
        server.start();
        server
    }

    pub(crate) fn start(&self) {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''",
            self.port
        );
        let log = self.folder.path().join("log");
        let log = log.to_str().unwrap();
        self.run("pg_ctl", &["-w", "-l", log, "-o", &options, "start"]);
    }

    pub(crate) fn database(&self, name: &str) -> String {
        format!("postgres://drawbridge@127.0.0.1:{}/{name}", self.port)
    }

    /// A database whose files lie on a disk with room for so many MiB; the server's own lie elsewhere.
    pub(crate) async fn on_small_disk(&self, size: usize) -> (SmallDisk, String) {
        let disk = SmallDisk::mount(self.folder.path().join("small"), size);
        give(disk.at());
        let mut connection = PgConnection::connect(&self.database("postgres"))
            .await
            .unwrap();
        let tablespace = format!("CREATE TABLESPACE small LOCATION '{}'", disk.at().display());
        for statement in [&tablespace, "CREATE DATABASE small TABLESPACE small"] {
            let statement = AssertSqlSafe(statement.to_owned());
            connection.execute(statement).await.unwrap();
        }
        (disk, self.database("small"))
    }

    pub(crate) fn crash(&self) {
        self.run("pg_ctl", &["-m", "immediate", "stop"]);
    }

    fn run(&self, tool: &str, arguments: &[&str]) {
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
            command.arg(self.tools.join(tool));
            command
        } else {
            Command::new(self.tools.join(tool))
        };
        let data = self.folder.path().join("data");
        let log = std::fs::File::create(self.folder.path().join("tool")).unwrap();
        let done = command
            .arg("-D")
            .arg(data)
            .args(arguments)
            .current_dir(self.folder.path())
            .stdout(log)
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(done.success(), "{tool} {arguments:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.folder.path().join("data");
        if let Ok(text) = std::fs::read_to_string(data.join("postmaster.pid"))
            && let Some(id) = text.lines().next()
        {
            let _ = Command::new("kill").args(["-QUIT", id]).status();
        }
    }
}

/// PostgreSQL does not run as root: its folders are its own user's.
fn give(folder: &Path) {
    if is_root() {
        let given = Command::new("chown").arg("postgres").arg(folder).status();
        assert!(given.unwrap().success());
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}
