//! Pages that stay as things are, for two people at once; and a decision by keyboard alone.

use serde_json::{Value, json};

use super::{Story, office::Office};

fn says(story: &Story, name: &str, words: &str) {
    let seen = story.saw(name);
    assert!(seen.to_string().contains(words), "{name}: {seen:#}");
}

async fn write(office: &Office, path: &str) -> String {
    let change: Value = json!({"path": path, "content": "one line\n"});
    office.asks("notes_write", &change).await
}

#[tokio::test]
async fn each_sees_what_the_other_does_without_loading_it_again() {
    let office = Office::open().await;
    let delete = json!({"path": "team.md"});
    let told = json!({
        "url": office.gate.url, "ann": office.ann,
        "lena": office.link("lena"), "olga": office.link("olga"),
        "delete": office.asks("notes_delete", &delete).await,
        "update": office.asks_for_longer_hours().await,
        "write": write(&office, "new.md").await,
    });
    let story = super::told("meanwhile", told).await;
    says(&story, "olga sees the first yes", "lena@acme.example");
    let done = story.saw("lena sees it done");
    assert_eq!(done["buttons"], 0, "{done}");
    says(&story, "too late", "It changed meanwhile");
    assert_eq!(story.saw("what lena wrote"), "half a sen");
    says(&story, "olga sees the call", "notes search");
    says(&story, "lena sees the stop", "stopped");
    assert_eq!(story.saw("sessions of lena"), 1);
    assert_eq!(story.saw("lena is out"), "/sign-in");
    assert!(!office.site.path("notes-files/team.md").exists());
}

#[tokio::test]
async fn a_decision_needs_no_mouse() {
    let office = Office::open().await;
    write(&office, "one.md").await;
    write(&office, "two.md").await;
    let told = json!({"url": office.gate.url, "lena": office.link("lena")});
    let story = super::told("keys", told).await;
    says(&story, "first", "Skip to the page");
    assert_eq!(story.saw("skipped to"), "#main");
    says(&story, "the first in the list", "Create two.md");
    says(&story, "approve", "Approve");
    let approved = story.saw("approved");
    assert_eq!(approved["same"], true, "{approved}");
    says(&story, "approved", "Approved");
    says(&story, "reject", "TEXTAREA");
    let closed = story.saw("closed");
    assert_eq!(
        (&closed["open"], &closed["at"]),
        (&json!(0), &json!("Reject…"))
    );
    says(&story, "rejected", "we plan on paper");
    let files = office.site.path("notes-files");
    assert!(files.join("two.md").exists() && !files.join("one.md").exists());
}
