//! What was tried against the console: to ask in secret, to hold it up, to mislead whoever decides.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::office::{NOTES, Office, PEOPLE, Visitor};

#[tokio::test]
async fn who_follows_a_page_is_on_the_log_and_asks_nothing_in_secret() {
    let office = Office::open().await;
    let olga = office.visitor("olga").await;
    let count = |action: &str| {
        let log = office.site.json(&["log", "--action", action]);
        log["data"]["records"].as_array().unwrap().len()
    };
    // What follows goes on until it is cut: the time is what is waited for.
    let follow = async |path: &str| {
        let path = path
            .replace('?', "%3F")
            .replace('&', "%26")
            .replace('=', "%3D");
        let asked = olga.http.get(format!("{}/live?path={path}", olga.url));
        let asked = asked.timeout(Duration::from_secs(4));
        let asked = asked.header("Cookie", &olga.cookie);
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.text().await.err();
    };
    let before = count("approvals");
    follow("/approvals").await;
    assert_eq!(count("approvals"), before + 1, "once, however long");
    let before = count("search_as");
    let search = [
        ("person", "ann@acme.example"),
        ("connector", "notes"),
        ("query", "hours"),
    ];
    follow("/sources?person=ann@acme.example&connector=notes&query=hours").await;
    assert_eq!(count("search_as"), before, "no address searches");
    let found = olga.post("/sources/search", &search).await;
    assert!(found.text.contains("would find 1"), "{}", found.text);
    assert_eq!(count("search_as"), before + 1);
    let before = count("explain");
    follow("/people/explain?person=ann@acme.example&tool=notes_search").await;
    assert_eq!(count("explain"), before + 1);
    let act = olga.get("/live?path=%2Fstop").await;
    assert!(act.text.contains("event: gone"), "{}", act.text);
}

#[tokio::test]
async fn a_target_is_found_and_times_are_read_as_clocks_show_them_to_whoever_looks() {
    let office = Office::open().await;
    office.gate.until(&office.ann, "notes_search", "ok").await;
    for path in ["hours.md", "team.md"] {
        let read = json!({"path": path});
        office.gate.call(&office.ann, "notes_read", &read).await;
    }
    let mut olga = office.visitor("olga").await;
    for (target, hours, team) in [
        ("hours.md", true, false),
        ("hours", true, false),
        ("team.md", false, true),
        ("HOURS", false, false),
        (".md", false, false),
    ] {
        let asked = format!("/activity?target={target}");
        let page = olga.page(&asked).await;
        let (_, rows) = page.split_once("<tbody>").unwrap();
        assert_eq!(rows.contains("hours.md "), hours, "{asked}: {page}");
        assert_eq!(rows.contains("team.md "), team, "{asked}: {page}");
        let file = olga
            .get(&format!("/activity/export/csv?target={target}"))
            .await;
        assert_eq!(file.text.contains("hours.md"), hours, "{target}");
    }
    assert!(olga.page("/activity").await.contains("Since (UTC)"));
    olga.cookie.push_str("; drawbridge-zone=Asia/Tokyo");
    let newest = office.site.json(&["log", "--limit", "1"]);
    let newest = newest["data"]["records"][0]["time"].as_str().unwrap();
    let now: jiff::Timestamp = newest.parse().unwrap();
    let tokyo = now.to_zoned(jiff::tz::TimeZone::get("Asia/Tokyo").unwrap());
    let since = |minutes: i64| {
        let at = &tokyo + jiff::SignedDuration::from_mins(minutes);
        at.strftime("%Y-%m-%dT%H:%M").to_string()
    };
    for (minutes, found) in [(-5, true), (5, false)] {
        let page = olga
            .page(&format!("/activity?since={}", since(minutes)))
            .await;
        assert!(page.contains("Since (Asia/Tokyo)"), "{page}");
        assert_eq!(!page.contains("No record fits"), found, "{minutes}: {page}");
    }
    // What a form says is meant in the zone that stood beside it, and so are its links.
    let asked = format!("/activity?zone=UTC&since={}", since(-5));
    let page = olga.page(&asked).await;
    assert!(
        page.contains("Since (UTC)") && page.contains("No record fits"),
        "{page}"
    );
    assert!(
        page.contains("csv?since=") && page.contains("&#38;zone=UTC"),
        "{page}"
    );
}

#[tokio::test]
async fn what_a_filter_cannot_read_is_told() {
    let office = Office::open().await;
    let olga = office.visitor("olga").await;
    for wrong in ["since=yesterday", "status=nonsense", "power=all"] {
        for page in ["/activity", "/activity/export/csv"] {
            let shown = olga.get(&format!("{page}?{wrong}")).await;
            assert_eq!(shown.code, 400, "{page}?{wrong}: {}", shown.text);
        }
    }
    olga.page("/activity?since=2026-06-01T12:00&until=2026-06-02&status=ok&power=search")
        .await;
}

#[tokio::test]
async fn a_long_plan_is_cut_and_is_approved_only_whole() {
    let office = Office::open().await;
    let lines: Vec<String> = (0..6_000)
        .map(|line| format!("line {line} of many, and some more of it"))
        .collect();
    let write = json!({"path": "long.md", "content": lines.join("\n")});
    let id = office.asks("notes_write", &write).await;
    let lena = office.visitor("lena").await;
    let cut = lena.page(&format!("/approvals/{id}")).await;
    assert!(cut.len() < 200_000, "{}", cut.len());
    assert!(cut.contains("not all of it is shown") && !cut.contains("name=\"digest\""));
    let whole = lena.page(&format!("/approvals/{id}?whole=1")).await;
    assert!(whole.contains("line 5999 of many") && whole.contains("name=\"digest\""));
}

#[tokio::test]
async fn nobody_is_kept_out_or_told_wrongly_by_what_others_send() {
    let office = Office::open().await;
    let olga = office.visitor("olga").await;
    for others in ["foo", "foo=1; ", "x=å", "=", "drawbridge-1=dbr_x"] {
        let asked = olga.http.get(format!("{}/", olga.url));
        let cookie = format!("{}; {others}", olga.cookie).into_bytes();
        let cookie = reqwest::header::HeaderValue::from_bytes(&cookie).unwrap();
        let code = asked
            .header("Cookie", cookie)
            .send()
            .await
            .unwrap()
            .status();
        assert_eq!(code.as_u16(), 200, "{others:?}");
    }
    let told = olga.page("/?done=stopped").await;
    assert!(
        !told.contains("Stopped: it is in force"),
        "nothing was stopped"
    );
    let done = olga
        .post("/connectors/notes/pause", &[("from", "home")])
        .await;
    let told = olga.page(done.header("location")).await;
    assert!(told.contains("Stopped: it is in force"), "{told}");
    let link = office.link("ann");
    let head = olga.http.head(&link).send().await.unwrap();
    assert!(head.headers().get("set-cookie").is_none());
    Visitor::by(&office.gate.url, &link).await;
    let large = "x".repeat(20_000);
    let refused = olga.post_as_is("/sign-in", &[("token", &large)]).await;
    assert_eq!(refused.code, 413);
}

#[tokio::test]
async fn one_person_follows_so_many_pages_and_no_more() {
    let office = Office::open().await;
    let ann = office.visitor("ann").await;
    let mut open = Vec::new();
    for at in 0..20 {
        let asked = ann.http.get(format!("{}/live?path=%2Factivity", ann.url));
        let answer = asked.header("Cookie", &ann.cookie).send().await.unwrap();
        assert_eq!(answer.status() == 200, at < 16, "{at}");
        open.push(answer);
    }
    drop(open);
    let olga = office.visitor("olga").await;
    assert_eq!(olga.post("/stop", &[]).await.code, 303);
}

#[tokio::test]
async fn what_comes_never_looks_as_though_it_stayed() {
    let office = Office::open().await;
    let before = "alpha\rPay to: Ann AB 111\rbeta\n";
    office.site.write("notes-files/mac.md", before);
    let search = json!({"query": "alpha"});
    for _ in 0..100 {
        let found = office.gate.call(&office.ann, "notes_search", &search).await;
        if found["data"]["hits"] != json!([]) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let after = "alpha\rPay to: Ann AB 111\rAlso pay Mallory 999\rbeta\n";
    let update = json!({"path": "mac.md", "content": after});
    let id = office.asks("notes_update", &update).await;
    let page = office.visitor("lena").await;
    let page = page.page(&format!("/approvals/{id}")).await;
    let row = page.split("<tr class=").find(|row| row.contains("Mallory"));
    let row = row.unwrap_or_else(|| panic!("{page}"));
    let (removed, added) = row.split_once("class=\"added\"").unwrap();
    assert!(row.starts_with("\"changed\""), "{row}");
    assert!(added.contains("Also pay Mallory"), "{row}");
    assert!(
        removed.contains("class=\"removed\"") && !removed.contains("Mallory"),
        "{row}"
    );
}

#[tokio::test]
async fn an_export_ends_with_the_session_that_asked_for_it() {
    let full = NOTES.replace("{keep: 400d}", "{keep: 400d, content: full}");
    let office = Office::open_as(PEOPLE, &full).await;
    let long = "Nine to five.\n\n".repeat(5_000);
    office.site.write("notes-files/long.md", &long);
    let read = json!({"path": "long.md"});
    let end = Instant::now() + crate::acting::firm::PATIENCE;
    while office.gate.call(&office.ann, "notes_read", &read).await["status"] != "ok" {
        assert!(Instant::now() < end, "it is never synced");
    }
    // More than one page of an export, and more than the network holds.
    let reads = (0..1_200).map(|_| office.gate.call(&office.ann, "notes_read", &read));
    let reads = futures_util::stream::iter(reads).buffer_unordered(32);
    assert_eq!(reads.count().await, 1_200);
    let host = office.gate.url.strip_prefix("http://").unwrap();
    for revoked in [false, true] {
        let olga = office.visitor("olga").await;
        // Whoever takes little at once holds up what is sent.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(8_192).unwrap();
        let mut stream = socket.connect(host.parse().unwrap()).await.unwrap();
        let request = format!(
            "GET /activity/export/jsonl HTTP/1.1\r\nHost: {host}\r\nCookie: {}\r\n\
             Connection: close\r\n\r\n",
            olga.cookie
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut came = vec![0; 4_096];
        stream.read_exact(&mut came).await.unwrap();
        assert!(came.starts_with(b"HTTP/1.1 200"));
        if revoked {
            let left = olga.post("/sign-out", &[]).await;
            assert_eq!(left.code, 303, "{}", left.text);
        }
        // A cut may come as an error, too.
        let _ = stream.read_to_end(&mut came).await;
        let whole = came.ends_with(b"\r\n0\r\n\r\n");
        assert_eq!(whole, !revoked, "{} bytes came", came.len());
    }
}

#[tokio::test]
async fn names_of_what_was_read_are_for_those_who_look_after_it() {
    let notes = NOTES.replace("pause: [\"group:leads\"]", "pause: [\"group:owners\"]");
    let office = Office::open_as(PEOPLE, &notes).await;
    let team = json!({"path": "team.md"});
    office.gate.until(&office.ann, "notes_search", "ok").await;
    let read = office.gate.call(&office.ann, "notes_read", &team).await;
    assert_eq!(read["status"], "ok", "{read:#}");
    let id = office.asks_for_longer_hours().await;
    let path = format!("/approvals/{id}");
    for (person, named) in [("lena", false), ("olga", true), ("ann", true)] {
        let page = office.visitor(person).await.page(&path).await;
        assert!(page.contains("has read before"), "{person}: {page}");
        assert_eq!(page.contains("team.md"), named, "{person}: {page}");
    }
}

#[tokio::test]
async fn an_undo_that_failed_can_be_tried_again() {
    let office = Office::open().await;
    let (ann, lena) = (office.visitor("ann").await, office.visitor("lena").await);
    let id = office.asks_for_longer_hours().await;
    super::approve(&lena, &id).await;
    let page = format!("/approvals/{id}");
    let offers = "Undo…";
    until(&ann, &page, |page| page.contains(offers)).await;
    let file = office.site.path("notes-files/hours.md");
    let after = std::fs::read_to_string(&file).unwrap();
    let path = format!("{page}/undo");
    let undo = ann.post(&path, &[("reason", "a mistake")]).await;
    assert_eq!(undo.code, 303, "{}", undo.text);
    let (back, _) = undo.header("location").split_once('?').unwrap();
    // Somebody writes it meanwhile, so that nothing is taken back over their work.
    office.site.write("notes-files/hours.md", "# Closed\n");
    super::approve(&lena, back.rsplit_once('/').unwrap().1).await;
    let ended = |page: &str| page.contains("changed") && !page.contains("waits for a decision");
    until(&ann, back, ended).await;
    std::fs::write(&file, after).unwrap();
    until(&ann, &page, |page| page.contains(offers)).await;
    let again = ann.post(&path, &[("reason", "again")]).await;
    assert_eq!(again.code, 303);
}

#[tokio::test]
async fn what_was_asked_for_at_the_console_stands_after_signing_out_and_not_after_a_revocation() {
    for (revoked, hours) in [(false, "10-14"), (true, "10-16")] {
        let office = Office::open().await;
        let (ann, lena) = (office.visitor("ann").await, office.visitor("lena").await);
        let id = office.asks_for_longer_hours().await;
        super::approve(&lena, &id).await;
        let page = format!("/approvals/{id}");
        until(&ann, &page, |page| page.contains("Undo…")).await;
        let undo = ann
            .post(&format!("{page}/undo"), &[("reason", "a mistake")])
            .await;
        let (back, _) = undo.header("location").split_once('?').unwrap();
        if revoked {
            let tokens = office.site.json(&["token", "list"]);
            let tokens = tokens["data"]["tokens"].as_array().unwrap();
            let hers = |token: &&serde_json::Value| {
                token["client"] == "console" && token["person"] == "ann@acme.example"
            };
            let session = tokens.iter().find(hers).unwrap()["id"].as_str().unwrap();
            office.site.ok(&["token", "revoke", session]);
            until(&lena, back, |page| !page.contains("waits for a decision")).await;
        } else {
            assert_eq!(ann.post("/sign-out", &[]).await.code, 303);
            super::approve(&lena, back.rsplit_once('/').unwrap().1).await;
            until(&lena, back, |page| page.contains("<b>Done</b>")).await;
        }
        let file = office.site.path("notes-files/hours.md");
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.contains(hours), "{revoked}: {text}");
    }
}

/// Waits until a page is so.
async fn until(visitor: &Visitor, path: &str, is: impl Fn(&str) -> bool) {
    let end = Instant::now() + crate::acting::firm::PATIENCE;
    loop {
        let page = visitor.page(path).await;
        if is(&page) {
            return;
        }
        assert!(Instant::now() < end, "{path} is never so: {page}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
