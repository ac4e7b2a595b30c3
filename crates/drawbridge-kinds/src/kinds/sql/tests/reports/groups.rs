//! Exports of which only groups of people are told, and which say when a row was changed.

use drawbridge_core::answer::Status;

use super::{
    super::super::{fetch::fetched, query},
    *,
};

const PAID: &str = "id,person,team,pay,changed
1,ann,red,10,2026-01-01 00:00:00
2,ann,red,20,2026-01-02 00:00:00
3,bo,red,30,2026-01-03 00:00:00
4,cy,blue,40,2026-01-04 00:00:00
5,dee,blue,50,2026-01-05 00:00:00
6,ed,blue,60,2026-01-06 00:00:00
";

#[tokio::test]
async fn of_exports_too_only_groups_of_enough_people_are_told() {
    // Who it is nobody sees, and the column is loaded all the same.
    let desk = Desk::with(
        json!({"label": "internal", "query": true, "tables": {"paid": {
            "key": "id", "fields": ["id", "team", "pay"], "min_group": 3, "person": "person",
        }}}),
    );
    desk.write("paid.csv", PAID);
    let paid = desk.database.own.tables["paid"].clone();
    let seen = std::slice::from_ref(&paid);
    let asked = "SELECT team, sum(pay), count(*) FROM paid GROUP BY team ORDER BY team";
    let found = query::answer(&desk.database, asked, seen).await.unwrap();
    assert_eq!(found.data["rows"], json!([["blue", 150, 3]]));
    let asked = "SELECT count(*) FROM paid WHERE person = 'ann'";
    let refused = query::answer(&desk.database, asked, seen).await;
    assert_eq!(status(refused), Status::Invalid);
    let list = fetched(&desk.database, "list", (&paid, &json!({}))).await;
    assert_eq!(status(list), Status::Denied);
}

#[tokio::test]
async fn a_row_of_an_export_says_when_it_was_changed_and_an_empty_answer_when_the_file_was() {
    let desk = Desk::with(json!({"label": "internal", "tables": {"paid": {
        "key": "id", "fields": ["id", "changed"], "updated_at": "changed",
    }}}));
    desk.write("paid.csv", PAID);
    let paid = &desk.database.own.tables["paid"];
    let list = fetched(&desk.database, "list", (paid, &json!({"limit": 1}))).await;
    let first = list.unwrap().sources[0].modified.unwrap();
    assert_eq!(first.to_string(), "2026-01-01T00:00:00Z");
    let none = fetched(&desk.database, "list", (paid, &json!({"after": 9}))).await;
    let of_file = none.unwrap().sources[0].modified.unwrap();
    let file = desk.folder.path().join("exports/paid.csv");
    let written = fs::metadata(file).unwrap().modified().unwrap();
    assert_eq!(of_file, jiff::Timestamp::try_from(written).unwrap());
}
