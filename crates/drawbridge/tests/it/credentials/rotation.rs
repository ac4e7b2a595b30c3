//! A rotation costs no call: workers connect to a real PostgreSQL all the time while its password is
//! replaced, by the way that kinds take.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use drawbridge_core::{
    answer::{Failure, Status},
    credential::{Admission, Credential, admitted},
    secret::Secret,
};
use serde_json::Value;
use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::task::JoinSet;

use crate::{bridge::PROGRAM, gate::wait_for, house::House, log::server::Server};

/// PostgreSQL's word for a wrong password.
const WRONG: &str = "28P01";

async fn connect(port: u16, user: &str, secret: Secret<String>) -> Admission<PgConnection> {
    let options = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username(user)
        .password(secret.expose())
        .database("postgres")
        .ssl_mode(PgSslMode::Disable);
    match PgConnection::connect_with(&options).await {
        Ok(connection) => Admission::LetIn(connection),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(WRONG) => {
            Admission::Refused(Failure::new(Status::Unavailable, "the password is wrong"))
        }
        Err(error) => Admission::Failed(Failure::new(Status::Unavailable, error.to_string())),
    }
}

/// What is counted while calls go on.
#[derive(Default)]
struct Counts {
    done: AtomicUsize,
    failed: AtomicUsize,
    stop: AtomicBool,
}

async fn call(port: u16, credential: Arc<dyn Credential>, counts: Arc<Counts>) {
    while !counts.stop.load(Ordering::Acquire) {
        match admitted(&*credential, |secret| connect(port, "crm", secret)).await {
            Ok(mut connection) => {
                connection.execute("SELECT 1").await.unwrap();
                connection.close().await.unwrap();
                counts.done.fetch_add(1, Ordering::AcqRel);
            }
            Err(failure) => {
                println!("a call failed: {failure}");
                counts.failed.fetch_add(1, Ordering::AcqRel);
            }
        }
    }
}

fn line(house: &House, arguments: &[&str], input: &str) -> (bool, String) {
    let mut child = std::process::Command::new(PROGRAM)
        .arg("--dir")
        .arg(house.app.workspace.folder())
        .arg("--json")
        .args(arguments)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.success(), text)
}

fn newest(house: &House) -> Value {
    let (_, text) = line(house, &["secret", "show", "crm"], "");
    let known: Value = serde_json::from_str(&text).unwrap();
    known["data"]["versions"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_costs_no_call() {
    let server = Server::new(Some("owner"));
    let house = House::open("").await;
    let owner = Secret::new("owner".to_owned());
    let Admission::LetIn(mut owner) = connect(server.port, "drawbridge", owner).await else {
        panic!("the owner is let in");
    };
    owner
        .execute("CREATE ROLE crm LOGIN PASSWORD 'p0'")
        .await
        .unwrap();
    assert!(line(&house, &["secret", "set", "crm"], "p0").0);
    let credential = house.app.credentials.lend("crm");
    let counts = Arc::new(Counts::default());
    let mut workers = JoinSet::new();
    for _ in 0..8 {
        workers.spawn(call(server.port, credential.clone(), counts.clone()));
    }
    let more = async |by: usize| {
        let before = counts.done.load(Ordering::Acquire);
        wait_for("calls go on", || {
            counts.done.load(Ordering::Acquire) >= before + by
        })
        .await;
    };
    for round in 1..=3 {
        more(50).await;
        let secret = format!("p{round}");
        assert!(line(&house, &["secret", "set", "crm"], &secret).0);
        // Both are in force, and the target knows the old one.
        more(50).await;
        let (done, told) = line(&house, &["secret", "retire", "crm"], "");
        assert!(!done && told.contains("no target has let in"), "{told}");
        wait_for("it is told that the newest is refused", || {
            newest(&house)["refused"].is_string()
        })
        .await;
        let switch = AssertSqlSafe(format!("ALTER ROLE crm PASSWORD '{secret}'"));
        owner.execute(switch).await.unwrap();
        wait_for("the newest is let in", || {
            newest(&house)["accepted"].is_string()
        })
        .await;
        let (done, told) = line(&house, &["secret", "retire", "crm"], "");
        assert!(done, "{told}");
        more(50).await;
    }
    counts.stop.store(true, Ordering::Release);
    workers.join_all().await;
    let done = counts.done.load(Ordering::Acquire);
    assert_eq!(counts.failed.load(Ordering::Acquire), 0, "of {done}");
    println!("{done} connections over three rotations, none failed");

    // A secret that is the only one, and wrong, is tried once.
    owner
        .execute("ALTER ROLE crm PASSWORD 'another'")
        .await
        .unwrap();
    let tries = AtomicUsize::new(0);
    let counted = |secret| {
        tries.fetch_add(1, Ordering::AcqRel);
        connect(server.port, "crm", secret)
    };
    assert!(admitted(&*credential, counted).await.is_err());
    assert_eq!(tries.load(Ordering::Acquire), 1);
    // So is a target that cannot be reached, though there are two.
    assert!(line(&house, &["secret", "set", "crm"], "another").0);
    let tries = AtomicUsize::new(0);
    let counted = |secret| {
        tries.fetch_add(1, Ordering::AcqRel);
        connect(1, "crm", secret)
    };
    let ended =
        tokio::time::timeout(Duration::from_secs(20), admitted(&*credential, counted)).await;
    assert!(ended.unwrap().is_err());
    assert_eq!(tries.load(Ordering::Acquire), 1);
    house.close().await;
}
