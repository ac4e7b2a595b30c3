//! The console where there is little: no script, a small screen.

use serde_json::json;

use super::office::Office;

#[tokio::test]
async fn deciding_and_stopping_need_no_script() {
    let office = Office::open().await;
    let plan = office.asks_for_longer_hours().await;
    let told = json!({
        "url": office.gate.url, "plan": plan,
        "approver": office.link("lena"), "owner": office.link("olga"),
    });
    let story = super::told("plain", told).await;
    let before = story.saw("before").as_str().unwrap();
    assert!(
        before.contains("10-14") && before.contains("10-16"),
        "{before}"
    );
    let approved = story.saw("approved");
    assert_eq!(approved["at"], format!("/approvals/{plan}"));
    assert!(
        approved["told"].as_str().unwrap().contains("Approved"),
        "{approved}"
    );
    let stopped = story.saw("stopped").as_str().unwrap();
    assert!(stopped.contains("stopped"), "{stopped}");
    let status = office.gate.status(&office.ann, "notes_search").await;
    assert_eq!(status, "unavailable");
    let path = office.site.path("notes-files/hours.md");
    let hours = std::fs::read_to_string(path).unwrap();
    assert!(hours.contains("10-16"), "{hours}");
}

#[tokio::test]
async fn a_phone_is_wide_enough_and_stopping_takes_two_touches() {
    let office = Office::open().await;
    let plan = office.asks_for_longer_hours().await;
    let pages = json!([
        "/",
        "/approvals",
        format!("/approvals/{plan}"),
        "/activity",
        "/connectors/notes",
        "/connectors/notes/access",
        "/connectors/notes/revisions",
        "/connectors/notes/usage",
        "/lifecycle",
        "/people",
        "/people/explain",
        "/sources",
    ]);
    let told = json!({
        "url": office.gate.url, "pages": pages,
        "approver": office.link("lena"), "owner": office.link("olga"),
    });
    let story = super::told("narrow", told).await;
    assert_eq!(story.saw("stopped")["touches"], 2);
    let stopped = story.saw("while stopped").as_str().unwrap();
    assert!(stopped.contains("stopped"), "{stopped}");
}
