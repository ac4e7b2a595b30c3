//! How programs end, and that nothing of them is left.

use std::os::unix::process::ExitStatusExt;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::*;

const KEEPER: &str = "launch::tests::ends::keeps";
/// Where the helper below is told its folder and its mark.
const MARK: &str = "DRAWBRIDGE_TEST_MARK";

/// Neither the end of its input nor a request ends it.
const STUBBORN: &str = "import signal, time\n\
    for each in [signal.SIGTERM, signal.SIGHUP]: signal.signal(each, signal.SIG_IGN)\n\
    print('ready', flush=True)\n\
    while True: time.sleep(1000)\n";

/// Starts another, which nothing but a signal ends either.
const FAMILY: &str = "import os, signal, time\n\
    for each in [signal.SIGTERM, signal.SIGHUP]: signal.signal(each, signal.SIG_IGN)\n\
    if os.fork() == 0: print('ready', flush=True)\n\
    while True: time.sleep(1000)\n";

/// Leaves two processes behind, of which one tries to be a daemon.
const DAEMON: &str = "import os, time\n\
    if os.fork() == 0:\n\
    \x20   try: os.setsid()\n\
    \x20   except OSError: pass\n\
    \x20   if os.fork() == 0: print('ready', flush=True)\n\
    \x20   while True: time.sleep(1000)\n\
    time.sleep(0.1)\n";

/// A word that no other process has on its command line.
fn mark(bench: &Bench) -> String {
    format!(
        "mark-of-{}",
        bench.folder.path().file_name().unwrap().display()
    )
}

/// A program in Python that has said it is ready.
async fn ready(bench: &Bench, script: &str) -> Started {
    let mark = mark(bench);
    let command = ["python3", "-c", script, &mark];
    let mut started = bench.start(&command, &bench.confinement());
    let mut lines = BufReader::new(started.stdout().unwrap()).lines();
    let said = async { while lines.next_line().await.unwrap().unwrap() != "ready" {} };
    tokio::time::timeout(LONG, said).await.unwrap();
    assert!(!alive(&mark).is_empty());
    started
}

#[tokio::test]
async fn a_program_ends_with_its_input() {
    let bench = Bench::new();
    let mut started = bench.start(&["sh", "-c", "cat; exit 7"], &bench.confinement());
    let mut output = started.stdout().unwrap();
    started
        .stdin()
        .unwrap()
        .write_all(b"asked\n")
        .await
        .unwrap();
    // The input is closed, for the whole of it was taken and dropped.
    let mut said = String::new();
    output.read_to_string(&mut said).await.unwrap();
    assert_eq!(said.strip_prefix(BEFORE), Some("asked\n"));
    assert_eq!(started.end().await.unwrap().code(), Some(7));
    let started = bench.start(&["sh", "-c", "cat; exit 8"], &bench.confinement());
    assert_eq!(started.end().await.unwrap().code(), Some(8));
}

#[tokio::test]
async fn a_program_that_is_asked_to_end_may_do_so_in_its_own_way() {
    let bench = Bench::new();
    let script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let mut started = bench.start(&["sh", "-c", script], &bench.confinement());
    let mut lines = BufReader::new(started.stdout().unwrap()).lines();
    while lines.next_line().await.unwrap().unwrap() != "ready" {}
    assert_eq!(started.end().await.unwrap().code(), Some(9));
}

#[tokio::test]
async fn a_stubborn_program_is_killed() {
    if found("python3").is_none() {
        return;
    }
    let bench = Bench::new();
    let started = ready(&bench, STUBBORN).await;
    assert_eq!(started.end().await.unwrap().signal(), Some(9));
    assert_eq!(alive(&mark(&bench)), Vec::<String>::new());
}

#[tokio::test]
async fn nothing_outlives_the_end_of_a_program_that_left_daemons() {
    if found("python3").is_none() {
        return;
    }
    let bench = Bench::new();
    let started = ready(&bench, DAEMON).await;
    // They are there though the first process is gone.
    tokio::time::timeout(LONG, started.ended()).await.unwrap();
    assert_eq!(alive(&mark(&bench)).len(), 2);
    assert!(started.end().await.unwrap().success());
    gone(&mark(&bench)).await;
}

#[tokio::test]
async fn a_program_that_is_dropped_is_killed_and_waited_for() {
    if found("python3").is_none() {
        return;
    }
    let bench = Bench::new();
    for script in [STUBBORN, DAEMON] {
        let started = ready(&bench, script).await;
        let id = started.child.id().unwrap();
        drop(started);
        gone(&mark(&bench)).await;
        let wait = async {
            while Path::new(&format!("/proc/{id}")).exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LONG, wait).await.unwrap();
    }
}

#[tokio::test]
#[ignore = "the test below runs it in a process of its own, and kills it"]
async fn keeps() {
    let bench = Bench::new();
    let mark = std::fs::read_to_string("/proc/self/environ").unwrap();
    let mark = mark
        .split('\0')
        .find_map(|word| word.strip_prefix(MARK)?.strip_prefix('='));
    let command = ["python3", "-c", FAMILY, mark.unwrap()];
    let mut started = bench.start(&command, &bench.confinement());
    let mut lines = BufReader::new(started.stdout().unwrap()).lines();
    while lines.next_line().await.unwrap().unwrap() != "ready" {}
    println!("\nready");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_program_and_what_it_started_end_with_the_gateway_that_is_killed() {
    if found("python3").is_none() {
        return;
    }
    let bench = Bench::new();
    let mark = mark(&bench);
    let mut gateway = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", KEEPER, "--nocapture"])
        .env(MARK, &mark)
        .env("TMPDIR", bench.folder.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(gateway.stdout.take().unwrap()).lines();
    let said = async { while lines.next_line().await.unwrap().unwrap() != "ready" {} };
    tokio::time::timeout(LONG, said).await.unwrap();
    assert_eq!(alive(&mark).len(), 2);
    gateway.kill().await.unwrap();
    gone(&mark).await;
}
