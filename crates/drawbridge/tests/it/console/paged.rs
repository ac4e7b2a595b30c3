//! Lists that are longer than a page: all of them can be reached, and no page is heavy.

use std::collections::BTreeSet;

use super::office::{NOTES, Office, PEOPLE, Visitor};

/// Follows the links of this text from a page on; the pages.
async fn followed(visitor: &Visitor, path: &str, link: &str) -> Vec<String> {
    let mut pages = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let page = visitor.page(&path).await;
        assert!(page.len() < 200_000, "{path}: {} bytes", page.len());
        assert!(pages.len() < 100, "it goes on without end");
        let before = page.split(&format!("\">{link}")).next().unwrap();
        next = (before.len() < page.len()).then(|| {
            let (_, address) = before.rsplit_once("href=\"").unwrap();
            address.replace("&#38;", "&")
        });
        pages.push(page);
    }
    pages
}

/// What stands between these in the pages, and how often there was something.
fn between(pages: &[String], begin: &str, end: &str) -> (BTreeSet<String>, usize) {
    let parts = pages.iter().flat_map(|page| page.split(begin).skip(1));
    let found: Vec<&str> = parts.map(|part| part.split(end).next().unwrap()).collect();
    let once: BTreeSet<String> = found.iter().map(|one| (*one).to_owned()).collect();
    (once, found.len())
}

#[tokio::test]
async fn all_requests_are_reached_however_long_they_are() {
    let office = Office::open().await;
    let hidden = "\u{202e}<b>".repeat(480);
    for person in ["olga", "lena", "ann"] {
        let visitor = office.visitor(person).await;
        for at in 0..20 {
            let fields = [
                ("task", hidden.as_str()),
                ("system", &format!("system-{person}-{at}.")),
                ("power.read", "1"),
                ("data", &hidden),
                ("why", &hidden),
            ];
            let sent = visitor.post("/lifecycle/requests", &fields).await;
            assert_eq!(sent.code, 303, "{}", sent.text);
        }
    }
    let rita = office.visitor("rita").await;
    let pages = followed(&rita, "/lifecycle", "Further requests").await;
    let (systems, times) = between(&pages, "<dd>system-", ".</dd>");
    assert_eq!((systems.len(), times), (60, 60), "each one once");
    assert!(pages.len() > 5);
}

#[tokio::test]
async fn all_retired_connectors_are_reached() {
    let office = Office::open().await;
    for at in 0..60 {
        let name = format!("old{at}");
        let notes = NOTES.replace("connector: notes", &format!("connector: {name}"));
        office
            .site
            .write(&format!("connectors/{name}.yaml"), &notes);
    }
    for at in 0..60 {
        let name = format!("old{at}");
        let site = &office.site;
        site.ok(&["approve-revision", &name, "--reason", "as agreed"]);
        site.ok(&["retire", &name, "--reason", "not needed"]);
    }
    let olga = office.visitor("olga").await;
    let pages = followed(&olga, "/lifecycle", "Further retired ones").await;
    let (names, times) = between(&pages, "href=\"/connectors/old", "/revisions\"");
    assert_eq!((names.len(), times), (60, 60), "each one once");
    assert_eq!(pages.len(), 2);
}

#[tokio::test]
async fn all_documents_that_could_not_be_read_are_reached() {
    let all = NOTES.replace("include: [\"**/*.md\"]", "include: [\"**/*\"]");
    let office = Office::open_as(PEOPLE, &all).await;
    let long = "<b>".repeat(60);
    for at in 0..250 {
        let path = format!("notes-files/broken-{at}.{}.docx", long.replace('/', ""));
        office.site.write(&path, "this is no document");
    }
    let olga = office.visitor("olga").await;
    let end = std::time::Instant::now() + crate::acting::firm::PATIENCE;
    while !olga
        .page("/sources")
        .await
        .contains("250 could not be offered")
    {
        assert!(std::time::Instant::now() < end, "they are never met");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let first = olga.page("/sources").await;
    let (few, _) = between(&[first], ">broken-", ".");
    assert_eq!(few.len(), 10, "a few of each");
    let pages = followed(&olga, "/sources?connector=notes", "Further ones of notes").await;
    let (broken, times) = between(&pages, ">broken-", ".");
    assert_eq!((broken.len(), times), (250, 250), "each one once");
}
