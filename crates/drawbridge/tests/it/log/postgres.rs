//! Several gateways on one PostgreSQL, and a PostgreSQL that crashes under them.

use std::{path::PathBuf, process::Command};

use drawbridge::store::LogState;

use super::served::{House, Load, long};

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_append_to_one_log_and_verifying_meanwhile_finds_nothing() {
    let house = House::on_postgres().await;
    house.serve().terminate();
    let twin = house.twin();
    let (one, other) = (house.serve(), twin.serve());
    let loads = [Load::of(&one.caller, 12), Load::of(&other.caller, 12)];
    let most = if long() { 5_000 } else { 400 };
    let mut looks = 0;
    while loads.iter().any(|load| load.count() < most) {
        house.verify();
        twin.verify();
        looks += 2;
    }
    let mut answered = Vec::new();
    for load in loads {
        answered.extend(load.end().await);
    }
    let verified = house.verify();
    twin.verify();
    let records = verified["data"]["records"].as_u64().unwrap() as usize;
    assert!(records >= answered.len(), "{records} of {}", answered.len());
    let checkpoints = verified["data"]["checkpoints"].as_u64().unwrap() as usize;
    assert!(checkpoints * 2 < records, "many records share a sync");
    house.holds(&answered).await;
    println!(
        "{records} records in {checkpoints} batches of two gateways; verified {looks} times meanwhile"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn verifying_while_sqlite_is_written_finds_nothing() {
    let house = House::on_sqlite();
    let served = house.serve();
    let load = Load::of(&served.caller, 12);
    for _ in 0..if long() { 100 } else { 8 } {
        house.verify();
    }
    assert!(load.count() > 0);
    house.holds(&load.end().await).await;
}

/// A PostgreSQL of this test alone, so that it can be stopped.
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
        if is_root() {
            let given = Command::new("chown")
                .arg("postgres")
                .arg(server.folder.path())
                .status();
            assert!(given.unwrap().success());
        }
        let file = server.folder.path().join("password");
        std::fs::write(&file, password.unwrap_or("none")).unwrap();
        let auth = password.map_or("--auth=trust", |_| "--auth=scram-sha-256");
        let file = format!("--pwfile={}", file.display());
        server.run("initdb", &["-U", "drawbridge", "-N", auth, &file]);
        server.start();
        server
    }

    fn start(&self) {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''",
            self.port
        );
        let log = self.folder.path().join("log");
        let log = log.to_str().unwrap();
        self.run("pg_ctl", &["-w", "-l", log, "-o", &options, "start"]);
    }

    fn crash(&self) {
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

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_postgresql_loses_nothing_and_heals_by_itself() {
    let server = Server::new(None);
    let url = format!("postgres://drawbridge@127.0.0.1:{}/postgres", server.port);
    let house = House::new(Some(url));
    let served = house.serve();
    let mut answered = Vec::new();
    for round in 0..if long() { 20 } else { 2 } {
        let load = Load::of(&served.caller, 12);
        load.reach(100 + round * 13).await;
        server.crash();
        let before = load.count();
        server.start();
        served.caller.until_answered().await;
        load.reach(before + 20).await;
        answered.extend(load.end().await);
        house.verify();
    }
    house.holds(&answered).await;
    println!(
        "{} answered calls over crashes of PostgreSQL, all on the log",
        answered.len()
    );
}

#[tokio::test]
async fn a_second_gateway_takes_the_log_up_where_it_is() {
    let house = House::on_postgres().await;
    let served = house.serve();
    for _ in 0..5 {
        served.caller.until_answered().await;
    }
    let twin = house.twin();
    let (signer, store) = super::parts(&twin).await;
    let writer = store.journal(signer, twin.state().join("checkpoint"));
    assert_eq!(writer.opened().await, LogState::Ready);
    store.close().await;
}
