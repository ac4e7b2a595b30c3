//! Failed sign-ins are on the log, and cannot fill it.

use std::net::IpAddr;

use drawbridge::audit::WhyNot;
use drawbridge_core::call::Door;

use crate::house::House;

#[tokio::test]
async fn failed_sign_ins_are_recorded_and_counted_together() {
    let house = House::open("").await;
    // How many attempts there were is kept content, which owners see at the command line.
    let olga = house.app.identify.local().expose().clone();
    let one = Some(IpAddr::from([10, 0, 0, 1]));
    for _ in 0..500 {
        house.app.sign_ins.failed(one, WhyNot::Invalid, Door::Mcp);
    }
    for number in 0..10_000_u32 {
        let other = Some(IpAddr::V4((0x0b00_0000 + number).into()));
        house.app.sign_ins.failed(other, WhyNot::Invalid, Door::Mcp);
    }
    let found = || async {
        let (code, page) = house
            .get("/api/v1/records?action=sign_in&limit=500", &olga)
            .await;
        assert_eq!(code, 200, "{page}");
        page["data"]["records"].as_array().unwrap().clone()
    };
    // Thirty-two sources have a record each, and all the others have one together.
    while found().await.len() < 33 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let records = found().await;
    assert_eq!(records.len(), 33);
    let attempts: u64 = records
        .iter()
        .map(|record| record["kept"]["arguments"]["attempts"].as_u64().unwrap())
        .sum();
    assert_eq!(attempts, 10_500, "every attempt is counted");
    assert_eq!(records[0]["status"], "denied");
    assert_eq!(records[0]["person"], "unknown");
    house.close().await;
}
