//! What doors do by themselves: who is let in, under which names, with what kind of body.

mod api;
mod limits;
mod mcp;
mod raw;
mod stdio;
mod traces;

use serde_json::json;

use crate::house::{House, answer};

#[tokio::test]
async fn nobody_gets_in_without_a_token_that_is_in_force() {
    let house = House::open("").await;
    let good = house.token("ann@x.example").await;
    let (code, me) = house.get("/api/v1/me", &good).await;
    assert_eq!(
        (code, &me["data"]["person"]),
        (200, &json!("ann@x.example"))
    );
    let response = house
        .http
        .get(format!("{}/api/v1/me", house.url))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(
        response.headers()["www-authenticate"],
        "Bearer realm=\"drawbridge\""
    );
    assert_eq!(response.headers()["cache-control"], "no-store");
    let id = good.split('_').nth(1).unwrap();
    let gone = house.token("nobody@x.example").await;
    let wrong = format!("dbr_{id}_wrong");
    for bad in [
        "",
        "x",
        "dbr_",
        "dbr__",
        &wrong,
        &good[..good.len() - 1],
        &format!("{good}x"),
        &gone,
        "dbl_wrong",
        "eyJhbGciOiJub25lIn0.e30.",
    ] {
        let response = house
            .http
            .post(format!("{}/mcp", house.url))
            .bearer_auth(bad);
        let response = response.send().await.unwrap();
        assert_eq!(response.status(), 401, "{bad}");
        let challenge = response.headers()["www-authenticate"].to_str().unwrap();
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    }
    for path in ["/mcp/handbook", "/metrics", "/api/v1/me", "/api/v1/none"] {
        let request = house.http.post(format!("{}{path}", house.url));
        assert_eq!(answer(request).await.0, 401, "{path}");
    }
    // Ended tokens are refused by the next call.
    let now = house.app.clock.now();
    assert!(
        house
            .app
            .store
            .revoke_token(id, "olga@x.example", now)
            .await
            .unwrap()
    );
    assert_eq!(house.get("/api/v1/me", &good).await.0, 401);
    let (code, told) = house
        .get("/.well-known/oauth-protected-resource/mcp", "")
        .await;
    assert_eq!((code, &told["status"]), (404, &json!("not_found")));
    house.close().await;
}

#[tokio::test]
async fn anonymous_callers_get_in_only_where_the_file_says_so() {
    let house = House::open("anonymous: true\n").await;
    let (code, me) = answer(house.http.get(format!("{}/api/v1/me", house.url))).await;
    assert_eq!((code, &me["data"]["person"]), (200, &json!("anonymous")));
    assert_eq!(house.get("/api/v1/me", "dbr_wrong").await.0, 401);
    house.close().await;
}

#[tokio::test]
async fn guesses_slow_nobody_else_down() {
    let house = House::open("").await;
    let good = house.token("ann@x.example").await;
    let guess = || house.get("/api/v1/me", "dbr_0123456789ab_guess");
    futures_util::future::join_all((0..15).map(|_| guess())).await;
    let began = tokio::time::Instant::now();
    let (slow, fast) = tokio::join!(
        async {
            guess().await;
            began.elapsed()
        },
        async {
            for _ in 0..5 {
                assert_eq!(house.get("/api/v1/me", &good).await.0, 200);
            }
            began.elapsed()
        }
    );
    assert!(slow > fast, "a guess took {slow:?}, five calls {fast:?}");
    house.close().await;
}

#[tokio::test]
async fn other_names_and_origins_are_refused() {
    let house = House::open("public_url: https://ai.acme.example\n").await;
    let good = house.token("ann@x.example").await;
    let port = house.url.rsplit(':').next().unwrap();
    for (name, value, code) in [
        ("Host", "evil.example", 403),
        ("Host", &format!("localhost:{port}"), 200),
        ("Host", "ai.acme.example", 200),
        ("Origin", "http://evil.example", 403),
        ("Origin", "null", 403),
        ("Origin", "http://localhost:1", 403),
        ("Origin", &house.url, 200),
        ("Origin", "https://ai.acme.example", 200),
    ] {
        let request = house.http.get(format!("{}/api/v1/me", house.url));
        let (found, _) = answer(request.bearer_auth(&good).header(name, value)).await;
        assert_eq!(found, code, "{name}: {value}");
    }
    house.close().await;
}

#[tokio::test]
async fn bodies_that_must_not_be_parsed_are_refused_and_recorded() {
    let house = House::open("").await;
    let good = house.token("ann@x.example").await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in ["{", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", &deep] {
        let (code, told) = house.post("/api/v1/tools/x_y", &good, body).await;
        assert_eq!((code, &told["status"]), (400, &json!("invalid")));
        let record = told["record"].as_str().unwrap();
        let (code, kept) = house.get(&format!("/api/v1/records/{record}"), &good).await;
        assert_eq!(
            (code, &kept["data"]["status"]),
            (200, &json!("invalid")),
            "{kept}"
        );
        let (code, told) = house.post("/mcp", &good, body).await;
        assert_eq!((code, &told["error"]["code"]), (400, &json!(-32700)));
    }
    let (code, _) = house
        .post("/api/v1/tools/x_y", &good, " ".repeat(5 << 20))
        .await;
    assert_eq!(code, 413);
    let (code, told) = house.post("/api/v1/explain", &good, "{\"tol\": 1}").await;
    assert_eq!((code, told["record"].is_string()), (400, true), "{told}");
    let (code, told) = house.get("/api/v1/records?limit=many", &good).await;
    assert_eq!((code, &told["status"]), (400, &json!("invalid")));
    let plain = house
        .http
        .post(format!("{}/api/v1/tools/x_y", house.url))
        .bearer_auth(&good);
    assert_eq!(plain.body("{}").send().await.unwrap().status(), 415);
    house.close().await;
}

#[tokio::test]
async fn health_is_open_and_metrics_are_the_owners() {
    let house = House::open("").await;
    let (ann, olga) = (
        house.token("ann@x.example").await,
        house.token("olga@x.example").await,
    );
    assert_eq!(
        answer(house.http.get(format!("{}/healthz", house.url)))
            .await
            .0,
        200
    );
    let (code, ready) = answer(house.http.get(format!("{}/readyz", house.url))).await;
    assert_eq!(
        (code, &ready["ready"], &ready["impaired"]),
        (200, &json!(true), &json!([]))
    );
    house.post("/api/v1/tools/made_up_by_ann", &ann, "{}").await;
    assert_eq!(house.get("/metrics", &ann).await.0, 403);
    let (code, text) = house.get("/metrics", &olga).await;
    let text = text.as_str().unwrap();
    assert!(
        code == 200 && text.contains("drawbridge_calls_total"),
        "{text}"
    );
    for hidden in ["ann@x.example", "made_up", "claude"] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
    let (code, told) = answer(house.http.get(format!("{}/nothing", house.url))).await;
    assert_eq!((code, &told["status"]), (404, &json!("not_found")));
    house.close().await;
}

#[tokio::test]
async fn the_log_is_followed_as_it_grows() {
    let house = House::open("").await;
    let (ann, olga) = (
        house.token("ann@x.example").await,
        house.token("olga@x.example").await,
    );
    let url = format!("{}/api/v1/records/follow", house.url);
    let mut followed = house.http.get(&url).bearer_auth(&ann).send().await.unwrap();
    assert_eq!(followed.headers()["content-type"], "text/event-stream");
    house.get("/api/v1/tokens", &olga).await;
    let (_, told) = house.post("/api/v1/tools/none_such", &ann, "{}").await;
    let record = told["record"].as_str().unwrap();
    let mut text = String::new();
    while !text.contains(record) {
        let chunk = tokio::time::timeout(std::time::Duration::from_secs(10), followed.chunk());
        text.push_str(std::str::from_utf8(&chunk.await.unwrap().unwrap().unwrap()).unwrap());
    }
    assert!(
        text.contains("event: record") && !text.contains("olga"),
        "{text}"
    );
    house.close().await;
}
