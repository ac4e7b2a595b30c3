//! Who sees what at the console, and whose forms do something.

use super::office::Office;

/// A form that changes something: its address, its fields, and who of the people below may send it.
type Form = (
    &'static str,
    &'static [(&'static str, &'static str)],
    [bool; 5],
);

const FORMS: &[Form] = &[
    // olga (owner), lena (may pause it), rita (reviewer), adam (auditor), ann (member)
    ("/stop", &[], [true, false, false, false, false]),
    (
        "/start",
        &[("reason", "found it")],
        [true, false, false, false, false],
    ),
    (
        "/connectors/notes/pause",
        &[],
        [true, true, false, false, false],
    ),
    (
        "/connectors/notes/resume",
        &[("reason", "all well")],
        [true, true, false, false, false],
    ),
    (
        "/connectors/notes/approve",
        &[("reason", "looked at it"), ("hash", "HASH")],
        [true, false, true, false, false],
    ),
];

const PEOPLE: [&str; 5] = ["olga", "lena", "rita", "adam", "ann"];

#[tokio::test]
async fn each_does_what_their_role_lets_them() {
    let office = Office::open().await;
    let shown = office.site.json(&["diff", "notes"]);
    let hash = shown["data"]["in_force"].as_str().unwrap();
    let mut visitors = Vec::new();
    for person in PEOPLE {
        visitors.push(office.visitor(person).await);
    }
    for (path, fields, allowed) in FORMS {
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (*name, if *value == "HASH" { hash } else { value }))
            .collect();
        for (at, person) in PEOPLE.iter().enumerate() {
            let may = allowed[at];
            // Whoever must not, tries first: nothing happens.
            if may {
                continue;
            }
            let shown = visitors[at].post(path, &fields).await;
            assert_eq!(shown.code, 403, "{person} at {path}: {}", shown.text);
        }
        let may = PEOPLE.iter().enumerate().filter(|(at, _)| allowed[*at]);
        for (again, (at, person)) in may.enumerate() {
            let shown = visitors[at].post(path, &fields).await;
            let first = again > 0 && shown.code == 409;
            assert!(
                shown.code == 303 || first,
                "{person} at {path}: {}",
                shown.text
            );
        }
    }
}

#[tokio::test]
async fn an_auditor_sees_what_happened_and_not_what_was_in_it() {
    let office = Office::open().await;
    let id = office.asks_for_longer_hours().await;
    let (adam, lena, ann) = (
        office.visitor("adam").await,
        office.visitor("lena").await,
        office.visitor("ann").await,
    );
    let whole = lena.page(&format!("/approvals/{id}")).await;
    assert!(
        whole.contains("Saturday 10-16") && whole.contains(">Approve<"),
        "{whole}"
    );
    let told = adam.page(&format!("/approvals/{id}")).await;
    assert!(
        told.contains("waits for a decision") && told.contains("not yours to see"),
        "{told}"
    );
    assert!(
        !told.contains("10-16") && !told.contains("hours.md"),
        "{told}"
    );
    let own = ann.page(&format!("/approvals/{id}")).await;
    assert!(own.contains("10-16") && !own.contains(">Approve<"), "{own}");
    assert!(own.contains("Withdraw"), "{own}");
    let activity = adam.page("/activity").await;
    assert!(activity.contains("notes") && activity.contains("approval_needed"));
    for path in [
        "/connectors/notes",
        "/connectors/notes/access",
        "/connectors/notes/revisions",
    ] {
        let page = adam.page(path).await;
        assert!(!page.contains("/connectors/notes/pause"), "{path}");
        assert_eq!(ann.get(path).await.code, 403, "{path} of a member");
    }
    let people = ann.page("/people").await;
    assert!(people.contains("ann@acme.example") && !people.contains("lena@acme.example"));
    let home = ann.page("/").await;
    assert!(
        home.contains("notes") && !home.contains("Stop all effects"),
        "{home}"
    );
}

#[tokio::test]
async fn a_reviewer_sees_what_they_put_into_force() {
    let office = Office::open().await;
    let (rita, ann) = (office.visitor("rita").await, office.visitor("ann").await);
    for path in ["", "/access", "/revisions", "/usage"] {
        let path = format!("/connectors/notes{path}");
        rita.page(&path).await;
        assert_eq!(ann.get(&path).await.code, 403, "{path} of a member");
    }
    let page = rita.page("/connectors/notes").await;
    assert!(!page.contains("/connectors/notes/pause"), "{page}");
}
