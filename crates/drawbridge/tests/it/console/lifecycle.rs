//! A connector's life at the console, from a wish to an end.

use serde_json::json;

use super::office::{NOTES, Office};

#[tokio::test]
async fn a_connector_is_asked_for_reviewed_stopped_and_retired() {
    let office = Office::open().await;
    // Wider: more may be read. Narrower: no deletes.
    let file = NOTES
        .replace("include: [\"**/*.md\"]", "include: [\"**/*\"]")
        .replace(
            "access: [read, search, draft, write, update, delete]",
            "access: [read, search, draft, write, update]",
        )
        .replace(
            "may: [read, search, draft, write, update, delete]",
            "may: [read, search, draft, write, update]",
        )
        .replace(
            "  - {when: {power: delete}, ask: [\"group:owners\", \"group:leads\"], quorum: 2}\n",
            "",
        );
    office.site.write("connectors/notes.yaml", &file);
    let shown = office.site.json(&["diff", "notes"]);
    assert!(!shown["data"]["waiting"].is_null(), "{shown:#}");
    let told = json!({
        "url": office.gate.url,
        "ann": office.link("ann"), "rita": office.link("rita"), "olga": office.link("olga"),
    });
    let story = super::told("lifecycle", told).await;
    for (name, words) in [
        ("asked", "Your request is kept"),
        ("asked", "Look up what a customer ordered"),
        ("answered", "taken"),
        ("answered", "next week"),
        ("needs", "notes"),
        ("in force", "in force"),
        ("all stopped", "stopped at the console"),
        ("going on", "Started again"),
        ("stopped", "stocktaking"),
        ("started", "all counted"),
        ("retired", "there is a better one"),
        ("trail", "stocktaking"),
        ("trail", "retire"),
    ] {
        let seen = story.saw(name);
        assert!(seen.to_string().contains(words), "{name}: {seen:#}");
    }
    let sides = story.saw("sides");
    let (wider, narrower) = (sides[0].to_string(), sides[1].to_string());
    assert!(wider.contains("include"), "{wider}");
    assert!(
        narrower.contains("delete") && !wider.contains("delete"),
        "{sides:#}"
    );
    assert_eq!(story.saw("going on")["bad"], 0);
    assert_eq!(
        story.saw("no reason"),
        true,
        "starting again needs a reason"
    );
    let status = office.gate.status(&office.ann, "notes_search").await;
    assert_ne!(status, "ok");
}
