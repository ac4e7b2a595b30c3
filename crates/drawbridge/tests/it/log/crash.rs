//! Crashes under load: every answered call is on the log, and the log verifies.

use std::process::Command;

use super::{
    disk::SmallDisk,
    served::{House, Load, long},
};

/// Calls at the same time.
const CALLERS: usize = 16;

/// Kills of one engine in one run; `DRAWBRIDGE_KILLS` makes it more.
fn kills() -> usize {
    let wanted = std::env::var_os("DRAWBRIDGE_KILLS");
    let wanted = wanted.and_then(|kills| kills.to_str()?.parse().ok());
    wanted.unwrap_or(if long() { 100 } else { 4 })
}

async fn killed_again_and_again(house: House) {
    let mut answered = Vec::new();
    for round in 0..kills() {
        let mut served = house.serve();
        let load = Load::of(&served.caller, CALLERS);
        load.reach(20 + round * 37 % 150).await;
        assert!(load.count() > 0, "the gateway answers in round {round}");
        served.kill();
        answered.extend(load.end().await);
        house.verify();
    }
    house.holds(&answered).await;
    println!(
        "{} kills, {} answered calls, all on the log",
        kills(),
        answered.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answered_call_survives_a_kill_on_sqlite() {
    killed_again_and_again(House::on_sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answered_call_survives_a_kill_on_postgresql() {
    killed_again_and_again(House::on_postgres().await).await;
}

/// The gateway is killed by the kernel just as it enters the Nth system call of a kind: in the
/// middle of a commit, not between two calls.
#[tokio::test(flavor = "multi_thread")]
async fn every_answered_call_survives_a_kill_at_each_write_and_sync() {
    assert!(
        strace_works(),
        "strace cannot trace here; `./test` installs it when root"
    );
    let house = House::on_sqlite();
    house.serve().terminate();
    let last = if long() { 40 } else { 3 };
    let (mut answered, mut killed) = (Vec::new(), 0);
    // From the first one after the start, as each thread counts them.
    for (call, first, step) in [
        ("fsync,fdatasync", 3, 1),
        ("pwrite64", 25, 7),
        ("rename", 3, 2),
    ] {
        for when in (first..).step_by(step).take(last) {
            let Some(mut served) = house.serve_until(call, when) else {
                killed += 1;
                house.verify();
                continue;
            };
            let load = Load::of(&served.caller, 4);
            let end = std::time::Instant::now() + std::time::Duration::from_secs(8);
            while served.child.try_wait().unwrap().is_none() && std::time::Instant::now() < end {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            let ended = served.child.try_wait().unwrap().is_some();
            killed += usize::from(ended);
            println!("{call} {when}: {ended}, {} answered", load.count());
            served.kill();
            answered.extend(load.end().await);
            house.verify();
        }
    }
    house.holds(&answered).await;
    println!(
        "{killed} of {} killed in a system call, {} answered",
        3 * last,
        answered.len()
    );
    assert!(killed > last, "{killed} were killed");
}

fn strace_works() -> bool {
    let tried = Command::new("strace")
        .args(["-D", "-f", "-qqq", "-o", "/dev/null", "true"])
        .status();
    tried.is_ok_and(|status| status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_calls_and_heals_by_itself() {
    let house = House::on_sqlite();
    let disk = SmallDisk::mount(house.state(), 3);
    let served = house.serve();
    served.caller.until_answered().await;
    for _ in 0..3 {
        disk.fill();
        let load = Load::of(&served.caller, 8);
        let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
        let refused = loop {
            let (code, answer) = served
                .caller
                .send("drawbridge_connectors", "{}".to_owned())
                .await
                .unwrap();
            if code != 200 {
                break (code, answer);
            }
            assert!(
                std::time::Instant::now() < end,
                "the disk is full and calls are answered"
            );
        };
        assert_eq!(refused.0, 503, "{}", refused.1);
        assert_eq!(refused.1["status"], "unavailable", "{}", refused.1);
        disk.make_room();
        let back = served.caller.until_answered().await;
        let mut answered = load.end().await;
        answered.push(back);
        house.verify();
        house.holds(&answered).await;
    }
    drop(served);
    house.verify();
}

/// A store that is moved away takes records that nobody can find; so calls are refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_moved_away_refuses_calls_until_it_is_back() {
    let house = House::on_sqlite();
    let served = house.serve();
    served.caller.until_answered().await;
    let aside = house.folder.join("aside.db");
    let file = house.state().join("drawbridge.db");
    std::fs::rename(&file, &aside).unwrap();
    let ask = || served.caller.send("drawbridge_connectors", "{}".to_owned());
    assert_eq!(ask().await.unwrap().0, 503, "the store is away");
    std::fs::rename(&aside, &file).unwrap();
    served.caller.until_answered().await;
    house.verify();
}
