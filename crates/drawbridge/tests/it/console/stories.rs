//! What people do at the console, told in a browser.

use serde_json::{Value, json};

use super::{Story, office::Office};

const PEOPLE: [&str; 5] = ["olga", "lena", "rita", "adam", "ann"];

/// Tells a story at the office.
async fn told(office: &Office, name: &'static str, more: Value) -> Story {
    let links: serde_json::Map<String, Value> = PEOPLE
        .iter()
        .map(|person| ((*person).to_owned(), office.link(person).into()))
        .collect();
    let mut told = json!({
        "url": office.gate.url, "links": links, "ann": office.ann,
        "files": office.site.path("notes-files"),
    });
    for (name, value) in more.as_object().unwrap() {
        told[name] = value.clone();
    }
    let running = tokio::task::spawn_blocking(move || Story::tell(name, &told));
    running.await.unwrap()
}

fn says(story: &Story, name: &str, words: &str) {
    let saw = story.saw(name);
    assert!(saw.to_string().contains(words), "{name}: {saw:#}");
}

#[tokio::test]
async fn what_waits_is_decided_from_the_link_of_a_notice() {
    let (office, hook) = Office::told_of_notices().await;
    let made = office.site.json(&[
        "--person",
        "lena@acme.example",
        "token",
        "new",
        "--personal",
    ]);
    let token = &made["data"]["token"];
    let story = told(&office, "deciding", json!({"hook": hook, "token": token})).await;
    assert_eq!(story.saw("told")["link"], true, "{}", story.saw("told"));
    assert_eq!(story.saw("asked to sign in"), "/sign-in");
    assert_eq!(story.saw("back at"), true);
    says(&story, "before and after", "Saturday 10-14Saturday 10-16");
    says(&story, "receipt", "can be taken back until");
    says(&story, "on the disk", "Saturday 10-16");
    says(
        &story,
        "why she may not",
        "you are not among the people who are asked",
    );
    says(&story, "as it was", "Saturday 10-14");
    says(&story, "Ann's client is told", "we plan on paper");
    says(&story, "edited, not done yet", "Saturday 10-14");
    says(&story, "edited, done", "Saturday 10-15");
    assert_eq!(story.saw("one of two")["there"], true);
    says(
        &story,
        "one of two",
        "You have said yes. It waits for 1 more.",
    );
    says(&story, "not hers yet", "not among the people who are asked");
    says(&story, "Throw away", "withdrawn");
    says(&story, "Send it on", "waits for a decision");
    says(&story, "the draft", "# A draft");
}

#[tokio::test]
async fn what_one_does_the_others_see_at_once() {
    let office = Office::open().await;
    let again = office.link("olga");
    let story = told(&office, "live", json!({"again": again})).await;
    for name in ["stop seen after", "call seen after", "ended after"] {
        let took = story.saw(name).as_u64().unwrap();
        assert!(took < 3_000, "{name} {took} ms");
    }
    assert_eq!(story.saw("while hidden"), 0, "nobody looked");
    let decided = story.saw("decided");
    assert!(decided["took"].as_u64().unwrap() < 3_000, "{decided}");
    assert_eq!(decided["buttons"], 0, "nothing is left to decide");
    assert!(
        decided["told"].as_str().unwrap().contains("done"),
        "it is said to those who do not see it: {decided}"
    );
    says(&story, "too late", "It changed meanwhile");
    assert_eq!(story.saw("still typed"), "I would rather");
}

#[tokio::test]
async fn stopping_takes_two_clicks_and_no_words() {
    let office = Office::open().await;
    let story = told(&office, "stopping", json!({})).await;
    assert_eq!(
        story.saw("stopped"),
        &json!({"clicks": 2, "search": "unavailable"})
    );
    assert_eq!(
        story.saw("without a reason"),
        &json!({"started": 0, "search": "unavailable"})
    );
    assert_eq!(story.saw("started")["search"], "ok");
    let all = story.saw("all stopped");
    assert_eq!((&all["clicks"], &all["search"]), (&json!(2), &json!("ok")));
    assert_eq!(all["update"], "unavailable", "{all}");
    assert_eq!(story.saw("all go on")["update"], "approval_needed");
    assert_ne!(story.saw("retired")["search"], "ok");
}

#[tokio::test]
async fn all_is_done_by_keyboard_and_the_focus_is_always_seen() {
    let office = Office::open().await;
    let again = office.link("lena");
    let story = told(&office, "keyboard", json!({"again": again})).await;
    assert_eq!(story.saw("first of all"), "Skip to the page");
    says(&story, "j", "plan-");
    assert_eq!(story.saw("j"), story.saw("j, after another came"));
    assert_eq!(story.saw("a"), "Approve");
    assert_eq!(story.saw("closed"), &json!({"open": 0, "at": "Reject…"}));
    assert_eq!(story.saw("opened"), true);
    says(&story, "done", "Done");
    assert_eq!(story.saw("not lost"), true);
}

#[tokio::test]
async fn without_script_people_decide_and_stop_all_the_same() {
    let office = Office::open().await;
    let story = told(&office, "without-script", json!({})).await;
    says(&story, "times", "Z");
    assert_eq!(story.saw("stopped"), "unavailable");
}

#[tokio::test]
async fn on_a_telephone_everything_fits_and_is_large_enough_to_hit() {
    let office = Office::open().await;
    let story = told(&office, "narrow", json!({})).await;
    let pages = story.saw("pages").as_array().unwrap();
    assert!(pages.len() > 12, "{pages:?}");
    assert_eq!(story.saw("stopped"), "unavailable");
}

#[tokio::test]
async fn a_wish_is_answered_and_what_is_wider_waits_apart_from_what_is_narrower() {
    let office = Office::open().await;
    let file = office.site.path("connectors/notes.yaml");
    let story = told(&office, "lifecycle", json!({"connector": file})).await;
    says(&story, "asked", "look up what a customer ordered");
    says(&story, "wider", "*.txt");
    says(&story, "narrower", "delete");
    let wider = story.saw("wider").as_str().unwrap();
    assert!(!wider.contains("delete"), "{wider}");
    says(&story, "in force", "text files are notes too");
    says(&story, "in force", "No other revision waits");
}
