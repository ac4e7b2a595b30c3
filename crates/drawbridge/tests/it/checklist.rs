//! The checklist on a live gateway, and what a file must not bring about by itself.

use serde_json::{Value, json};

use crate::gate::{GATEWAY, Site, connector, wait_for};

const ANN: &str = "ann@acme.example";

fn area<'a>(checked: &'a Value, connector: &str, area: &str) -> &'a Value {
    let connectors = checked["data"]["connectors"].as_array().unwrap();
    let one = connectors
        .iter()
        .find(|one| one["connector"] == connector)
        .unwrap_or_else(|| panic!("{checked}"));
    let areas = one["areas"].as_array().unwrap();
    areas.iter().find(|one| one["name"] == area).unwrap()
}

#[tokio::test]
async fn check_tells_facts_of_a_live_gateway_and_names_what_it_cannot_see_without_one() {
    let site = Site::new(GATEWAY);
    site.write("notes-files/hello.md", "# Hello\n\nlanterns\n");
    site.write("notes-files/odd.md", "---\nlabel: secret\n---\n# Odd\n");
    site.write("connectors/notes.yaml", &connector("notes"));
    let checked = site.json(&["check"]);
    assert_eq!(checked["data"]["facts"], false);
    let unseen = &area(&checked, "notes", "Scope")["unseen"];
    assert!(unseen.to_string().contains("how fresh it is"), "{checked}");
    assert!(
        !site.path(".drawbridge").exists(),
        "looking makes no gateway"
    );

    site.ok(&["approve-revision", "notes", "--reason", "first"]);
    let token = site.token(ANN, "claude");
    let gate = site.serve();
    gate.until(&token, "notes_search", "ok").await;
    let checked = site.json(&["check", "notes"]);
    assert_eq!(checked["data"]["facts"], true);
    let scope = area(&checked, "notes", "Scope");
    assert_eq!(scope["colour"], "amber", "{scope}");
    let said = scope.to_string();
    assert!(
        said.contains("its label `secret`") && said.contains("odd.md"),
        "{said}"
    );
    assert!(said.contains("calls of the last 7 days failed"), "{said}");
    let purpose = area(&checked, "notes", "Purpose").to_string();
    assert!(
        purpose.contains("`olga@acme.example` reviewed it on"),
        "{purpose}"
    );

    // By the API too, for those who look after it and for nobody else.
    let url = format!("{}/api/v1/connectors/notes/check", gate.url);
    for (person, code) in [("bob@acme.example", 200), (ANN, 403)] {
        let token = site.token(person, "claude");
        let answer = gate.http.get(&url).bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), code, "{person}");
    }
}

#[tokio::test]
async fn a_red_area_stops_approving_and_resuming_and_says_which() {
    let site = Site::new(GATEWAY);
    let missing = |name: &str| {
        connector(name).replace("account: gateway", "account: gateway, credential: gone")
    };
    for name in ["notes", "wiki"] {
        site.write(&format!("{name}-files/hello.md"), "# Hello\n\nlanterns\n");
    }
    site.write("gone.txt", "a secret");
    let held = format!("{GATEWAY}credentials: {{gone: {{from: file:gone.txt}}}}\n");
    site.write("drawbridge.yaml", &held);
    site.write("connectors/notes.yaml", &missing("notes"));
    site.ok(&["approve-revision", "notes", "--reason", "it is there"]);
    site.ok(&["pause", "notes", "--reason", "later"]);
    std::fs::remove_file(site.path("gone.txt")).unwrap();
    site.write("connectors/wiki.yaml", &missing("wiki"));
    for arguments in [
        ["approve-revision", "wiki", "--reason", "second"],
        ["resume", "notes", "--reason", "again"],
    ] {
        let refused = site.line(&arguments);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(
            said.contains("Identity: its credential cannot be had"),
            "{said}"
        );
    }
    assert_eq!(site.line(&["check"]).status.code(), Some(1), "red");
    site.write("gone.txt", "a secret");
    site.write("connectors/wiki.yaml", &connector("wiki"));
    site.ok(&["approve-revision", "wiki", "--reason", "its own"]);
    site.ok(&["resume", "notes", "--reason", "again"]);
    assert_eq!(site.line(&["check"]).status.code(), Some(0));
}

#[tokio::test]
async fn what_takes_effect_without_a_reviewer_is_on_the_log() {
    let site = Site::with(&["notes", "wiki"]);
    let token = site.token(ANN, "claude");
    let gate = site.serve();
    gate.until(&token, "notes_search", "ok").await;
    let narrower =
        connector("notes").replace("[read, search]}", "[read, search], only: {label: public}}");
    let acts = || {
        let log = site.json(&["log"]);
        let records = log["data"]["records"].as_array().unwrap().clone();
        records
            .iter()
            .filter(|record| record["person"] == "drawbridge")
            .map(|record| format!("{} {}", record["action"], record["connector"]))
            .collect::<Vec<_>>()
            .join(", ")
    };
    // Another grant is gone and a narrower one is there: the new grant is what widens.
    site.write("connectors/notes.yaml", &narrower);
    wait_for("the changed grant waits", || {
        site.ok(&["diff", "notes"]).contains("Waits for review")
    })
    .await;
    assert_eq!(acts(), "");
    let fewer = connector("notes")
        .replace("access: [read, search]", "access: [search]")
        .replace("may: [read, search]", "may: [search]");
    site.write("connectors/notes.yaml", &fewer);
    site.write(
        "drawbridge.yaml",
        &GATEWAY.replace("department: sales", "department: support"),
    );
    wait_for("the gateway's file is taken up", || {
        acts().contains("configure")
    })
    .await;
    let only_access = connector("notes").replace("keep: 400d", "keep: 500d");
    site.write("connectors/notes.yaml", &only_access);
    wait_for("the narrower file is in force", || {
        acts().contains("\"narrow\" \"notes\"")
    })
    .await;
    std::fs::remove_file(site.path("connectors/wiki.yaml")).unwrap();
    wait_for("the file that is gone is told", || {
        acts().contains("\"withdraw\" \"wiki\"")
    })
    .await;
    assert!(site.ok(&["log", "verify"]).contains("verified"));
}

#[tokio::test]
async fn an_approved_file_that_no_longer_fits_is_not_replaced_without_review() {
    let site = Site::with(&["notes"]);
    let token = site.token(ANN, "claude");
    let gate = site.serve();
    gate.until(&token, "notes_search", "ok").await;
    // The owner is no longer known, so the approved revision cannot be in force; the new one,
    // which reaches everything, was seen by nobody.
    site.write(
        "connectors/notes.yaml",
        &connector("notes")
            .replace("owner: bob@acme.example", "owner: olga@acme.example")
            .replace("*.md", "*"),
    );
    site.write(
        "drawbridge.yaml",
        &GATEWAY.replace("  bob@acme.example: {groups: [staff]}\n", ""),
    );
    gate.until(&token, "notes_search", "denied").await;
    let diff = site.ok(&["diff", "notes"]);
    assert!(diff.contains("no longer fits"), "{diff}");
    site.ok(&["approve-revision", "notes", "--reason", "looked at it"]);
    gate.until(&token, "notes_search", "ok").await;
}

#[tokio::test]
async fn explain_says_what_a_view_admits_in_words() {
    let site = Site::with(&["notes"]);
    let own = connector("notes").replace(
        "[read, search]}",
        "[read, search], only: {department: person.department, label: {up_to: internal}}}",
    );
    site.write("connectors/notes.yaml", &own);
    site.ok(&["approve-revision", "notes", "--reason", "narrow"]);
    let text = site.ok(&["--person", ANN, "explain", "notes_search"]);
    assert!(
        text.contains("sees department sales (the person's own) and label up to internal"),
        "{text}"
    );
    let none = site.ok(&["--person", "bob@acme.example", "explain", "notes_search"]);
    assert!(
        none.contains("none, because the person has no `department`"),
        "{none}"
    );
    let told = site.json(&["explain", "notes_search", "--client", "other"]);
    assert_eq!(
        told["data"]["view"]["hides"],
        json!("all that none of these admits")
    );
    let denied = site.line(&["explain", "notes_write"]);
    assert_eq!(denied.status.code(), Some(4), "{denied:?}");
}

/// One that is refused keeps no other from being approved, and each has a record of its own.
#[test]
fn several_revisions_are_approved_by_one_command_each_by_itself() {
    let site = Site::new(GATEWAY);
    for name in ["notes", "wiki", "lost"] {
        site.write(&format!("connectors/{name}.yaml"), &connector(name));
        if name != "lost" {
            site.write(&format!("{name}-files/hello.md"), "# Hello\n");
        }
    }
    let lost = connector("lost").replace("  - {who", "  - {why");
    site.write("connectors/lost.yaml", &lost);
    let several = ["approve-revision", "notes", "lost", "wiki", "--reason", "x"];
    let done = site.line(&several);
    assert!(!done.status.success(), "{done:?}");
    let told = String::from_utf8(done.stdout).unwrap();
    assert_eq!(told, "notes is active.\nwiki is active.\n");
    assert!(!done.stderr.is_empty());
    let log = site.json(&["log"]);
    let records = log["data"]["records"].as_array().unwrap();
    let approved = records
        .iter()
        .filter(|one| one["action"] == "approve_revision");
    let of: Vec<&str> = approved
        .filter(|one| one["status"] == "ok")
        .map(|one| one["connector"].as_str().unwrap())
        .collect();
    assert_eq!(of.len(), 2, "{log:#}");
    assert!(of.contains(&"notes") && of.contains(&"wiki"));
    // A hash is of one connector.
    let shown = site.json(&["diff", "notes"]);
    let hash = shown["data"]["in_force"].as_str().unwrap();
    let wrong = [
        "approve-revision",
        "notes",
        "wiki",
        "--hash",
        &hash[..8],
        "--reason",
        "x",
    ];
    assert_eq!(site.line(&wrong).status.code(), Some(2));
    site.ok(&[
        "approve-revision",
        "notes",
        "--hash",
        &hash[..8],
        "--reason",
        "again",
    ]);
}
