//! Several gateways on one PostgreSQL, and a PostgreSQL that crashes under them.

use drawbridge::store::LogState;

use super::{
    served::{House, Load, long},
    server::Server,
};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_postgresql_loses_nothing_and_heals_by_itself() {
    let server = Server::new(None);
    let house = House::new(Some(server.database("postgres")));
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
