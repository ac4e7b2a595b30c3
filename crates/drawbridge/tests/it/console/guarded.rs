//! What keeps others out of somebody's console: sessions, forms, headers, links.

use std::time::Duration;

use serde_json::json;

use super::office::{Office, Visitor, form};

/// A page of each sort.
const PAGES: [&str; 9] = [
    "/",
    "/approvals",
    "/activity",
    "/connectors/notes",
    "/connectors/notes/access",
    "/connectors/notes/revisions",
    "/connectors/notes/usage",
    "/people",
    "/people/explain",
];

#[tokio::test]
async fn every_page_says_what_browsers_may_do_with_it() {
    let office = Office::open().await;
    let olga = office.visitor("olga").await;
    let stranger = Visitor {
        http: olga.http.clone(),
        url: olga.url.clone(),
        cookie: String::new(),
    };
    for path in PAGES {
        let away = stranger.get(path).await;
        assert_eq!(away.code, 303, "{path}");
        assert!(away.header("location").starts_with("/sign-in"), "{path}");
        let page = olga.get(path).await;
        assert_eq!(page.code, 200, "{path}: {}", page.text);
        assert!(page.text.len() < 200_000, "{path}: {}", page.text.len());
        let policy = page.header("content-security-policy");
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(page.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(page.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
    }
    let style = olga.get("/console/style.css").await;
    assert!(style.header("cache-control").contains("immutable"));
}

#[tokio::test]
async fn no_form_but_the_sessions_own_is_taken() {
    let office = Office::open().await;
    let (olga, lena) = (office.visitor("olga").await, office.visitor("lena").await);
    let lenas = lena.form_token().await;
    for (fields, what) in [
        (vec![("reason", "x")], "no token"),
        (vec![("csrf", ""), ("reason", "x")], "an empty one"),
        (
            vec![("csrf", lenas.as_str()), ("reason", "x")],
            "another session's",
        ),
    ] {
        for path in ["/stop", "/connectors/notes/pause", "/sign-out"] {
            let refused = olga.post_as_is(path, &fields).await;
            assert_eq!(refused.code, 403, "{path} with {what}: {}", refused.text);
        }
    }
    let token = olga.form_token().await;
    for (header, value) in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        let asked = olga.http.post(format!("{}/stop", olga.url));
        let asked = form(asked.header(header, value), &[("csrf", token.as_str())]);
        assert_eq!(olga.send(asked).await.code, 403, "{header}: {value}");
    }
    let status = office.gate.status(&office.ann, "notes_search").await;
    assert_eq!(status, "ok", "nothing was stopped");
    let done = olga.post("/connectors/notes/pause", &[]).await;
    assert_eq!(done.code, 303, "{}", done.text);
    assert_eq!(
        office.gate.status(&office.ann, "notes_search").await,
        "unavailable"
    );
}

#[tokio::test]
async fn a_link_lets_in_once_and_only_who_follows_it() {
    let office = Office::open().await;
    let link = office.link("ann");
    let path = link.strip_prefix(&office.gate.url).unwrap();
    let nobody = Visitor {
        http: office.gate.http.clone(),
        url: office.gate.url.clone(),
        cookie: String::new(),
    };
    for (header, value) in [
        ("Sec-Purpose", "prefetch"),
        ("Sec-Fetch-Site", "cross-site"),
    ] {
        let asked = nobody.http.get(&link).header(header, value);
        let refused = nobody.send(asked).await;
        assert_eq!(refused.code, 403, "{header}");
        assert_eq!(refused.header("set-cookie"), "");
    }
    let ann = Visitor::by(&office.gate.url, &link).await;
    assert!(ann.page("/").await.contains("ann@acme.example"));
    let again = nobody.get(path).await;
    assert_eq!(again.code, 403);
    assert!(again.text.contains("used already"), "{}", again.text);
    let wrong = nobody.get("/sign-in?code=dbr_0123456789ab_guessed").await;
    assert_eq!(wrong.code, 403);
    let log = office.site.json(&["log", "--text", "sign_in"]);
    let log = log.to_string();
    assert!(
        log.contains("sign_in_link") && log.contains("by a link"),
        "{log}"
    );
}

#[tokio::test]
async fn no_token_is_taken_for_another() {
    let office = Office::open().await;
    let olga = office.visitor("olga").await;
    let session = olga.cookie.split_once('=').unwrap().1.to_owned();
    let name = olga.cookie.split_once('=').unwrap().0.to_owned();
    // A session is no bearer token, at no door.
    for path in ["/api/v1/connectors", "/metrics"] {
        let asked = olga.http.get(format!("{}{path}", olga.url));
        let code = asked.bearer_auth(&session).send().await.unwrap().status();
        assert_eq!(code.as_u16(), 401, "{path}");
    }
    let personal = office.site.json(&["token", "new", "--personal"]);
    let personal = personal["data"]["token"].as_str().unwrap().to_owned();
    let local = std::fs::read_to_string(office.site.path(".drawbridge/local-token")).unwrap();
    let link = office.link("olga");
    let code = link.split_once("code=").unwrap().1.to_owned();
    // And no other token is a session.
    for other in [&office.ann, &personal, &local, &code, &session[..20]] {
        let visitor = Visitor {
            http: olga.http.clone(),
            url: olga.url.clone(),
            cookie: format!("{name}={other}"),
        };
        assert_eq!(visitor.get("/").await.code, 303, "{}", &other[..8]);
    }
    let twice = Visitor {
        http: olga.http.clone(),
        url: olga.url.clone(),
        cookie: format!("{name}={session}; {name}={session}"),
    };
    assert_eq!(twice.get("/").await.code, 303, "two cookies of one name");
    // The form takes a person's own token alone.
    for (token, code) in [
        (&office.ann, 403),
        (&local, 403),
        (&session, 403),
        (&personal, 303),
    ] {
        let fields = [("token", token.as_str()), ("to", "//evil.example")];
        let shown = olga.post_as_is("/sign-in", &fields).await;
        assert_eq!(shown.code, code, "{}", shown.text);
        if code == 303 {
            assert_eq!(shown.header("location"), "/");
        }
    }
    // No client may call itself what only the gateway does.
    for name in ["console", "console-link"] {
        let made = office.site.line(&["token", "new", "--client", name]);
        assert!(!made.status.success(), "{name}");
    }
}

#[tokio::test]
async fn a_session_ends_with_what_it_came_of() {
    let office = Office::open().await;
    let made = office.site.json(&[
        "token",
        "new",
        "--personal",
        "--person",
        "lena@acme.example",
    ]);
    let (id, token) = (&made["data"]["id"], made["data"]["token"].as_str().unwrap());
    let mut lena = Visitor {
        http: office.visitor("lena").await.http,
        url: office.gate.url.clone(),
        cookie: String::new(),
    };
    let arrived = lena
        .post_as_is("/sign-in", &[("token", token), ("to", "/approvals")])
        .await;
    assert_eq!(
        (arrived.code, arrived.header("location")),
        (303, "/approvals")
    );
    let cookie = arrived.header("set-cookie").to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    lena.cookie = cookie.split(';').next().unwrap().to_owned();
    lena.page("/approvals").await;
    office.site.ok(&["token", "revoke", id.as_str().unwrap()]);
    assert_eq!(
        lena.get("/").await.code,
        303,
        "the token it came of was ended"
    );

    let ann = office.visitor("ann").await;
    let out = ann.post("/sign-out", &[]).await;
    assert_eq!(out.header("location"), "/sign-in");
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(
        ann.get("/").await.code,
        303,
        "what was kept of it is worth nothing"
    );

    let rita = office.visitor("rita").await;
    let file = std::fs::read_to_string(office.site.path("drawbridge.yaml")).unwrap();
    let without = file.replace("  rita@acme.example: {name: Rita}\n", "");
    let without = without.replace("reviewer: [rita@acme.example]", "reviewer: []");
    office.site.write("drawbridge.yaml", &without);
    for _ in 0..100 {
        if rita.get("/").await.code == 303 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("somebody who left is still let in");
}

#[tokio::test]
async fn a_yes_counts_after_signing_out_and_not_after_a_revocation() {
    let office = Office::open().await;
    for (act, file, applied) in [("out", "team.md", true), ("revoked", "hours.md", false)] {
        let id = office.asks("notes_delete", &json!({"path": file})).await;
        let (lena, olga) = (office.visitor("lena").await, office.visitor("olga").await);
        super::approve(&lena, &id).await;
        if act == "out" {
            lena.post("/sign-out", &[]).await;
        } else {
            let tokens = office.site.json(&["token", "list"]);
            let all = tokens["data"]["tokens"].as_array().unwrap();
            let hers = |token: &&serde_json::Value| {
                token["person"] == "lena@acme.example" && token["client"] == "console"
            };
            let session = all.iter().find(hers).unwrap()["id"].as_str().unwrap();
            olga.post(&format!("/tokens/{session}/revoke"), &[]).await;
        }
        super::approve(&olga, &id).await;
        let there = office.site.path(&format!("notes-files/{file}"));
        let mut gone = false;
        for _ in 0..50 {
            gone = !there.exists();
            if gone {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(gone, applied, "{act}");
    }
}

#[tokio::test]
async fn who_made_a_link_for_another_stays_with_the_session() {
    let office = Office::open().await;
    let local = std::fs::read_to_string(office.site.path(".drawbridge/local-token")).unwrap();
    let url = &office.gate.url;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let made = http
        .post(format!("{url}/api/v1/console/links"))
        .bearer_auth(local.trim())
        .header(drawbridge::identify::PERSON_HEADER, "olga@acme.example")
        .json(&json!({"person": "lena@acme.example"}));
    let made: serde_json::Value = made.send().await.unwrap().json().await.unwrap();
    let lena = Visitor::by(url, made["data"]["link"].as_str().unwrap()).await;
    let people = lena.page("/people").await;
    let told = "by a link that olga@acme.example made";
    assert!(people.contains(told), "{people}");
    let log = office.site.json(&["log", "--action", "sign_in"]);
    assert!(log["data"]["records"].to_string().contains(told), "{log:#}");
    let own = office.visitor("lena").await.page("/people").await;
    assert!(own.contains(">by a link<"), "{own}");
}
