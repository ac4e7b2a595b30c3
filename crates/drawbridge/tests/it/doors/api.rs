//! The API's description, against what the API does.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    clients::prepared,
    house::{House, answer},
};

async fn described(house: &House) -> Value {
    let (code, described) = answer(house.http.get(format!("{}/api/openapi.json", house.url))).await;
    assert_eq!(code, 200);
    described
}

/// The operations as the description lists them.
fn operations(described: &Value) -> Vec<(String, String)> {
    let paths = described["paths"].as_object().unwrap();
    let mut operations: Vec<_> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .keys()
                .map(|method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    operations.sort_by(|one, other| (&one.1, &one.0).cmp(&(&other.1, &other.0)));
    operations
}

#[tokio::test]
async fn the_description_is_valid_openapi() {
    let house = House::open("").await;
    let described = described(&house).await;
    assert!(described["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut validator = Command::new(prepared("DRAWBRIDGE_TEST_PYTHON"))
        .args(["-m", "openapi_spec_validator", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    validator
        .stdin
        .take()
        .unwrap()
        .write_all(described.to_string().as_bytes())
        .unwrap();
    let output = validator.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let trace = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told} {trace}");
    for operation in operations(&described) {
        let (method, path) = &operation;
        let described = &described["paths"][path][method.to_lowercase()];
        assert!(
            described["summary"].is_string() || described["description"].is_string(),
            "{operation:?} says nothing of itself"
        );
        assert!(described["responses"]["200"].is_object(), "{operation:?}");
        assert!(described["responses"]["401"].is_object(), "{operation:?}");
    }
    house.close().await;
}

/// The list is here so that a change of it is seen in review.
#[tokio::test]
async fn what_the_api_offers_is_what_it_describes() {
    let house = House::open("").await;
    let described = described(&house).await;
    let operations = operations(&described);
    let list: Vec<String> = operations
        .iter()
        .map(|(method, path)| format!("{method} {path}"))
        .collect();
    insta::assert_snapshot!(list.join("\n"));
    let olga = house.token("olga@x.example").await;
    let validator = validator(&described);
    for (method, path) in &operations {
        // These two stream, and have tests of their own.
        if path.ends_with("/follow") || path.ends_with("/export") {
            continue;
        }
        let filled = path
            .replace("{name}", "nothing")
            .replace("{id}", "nothing")
            .replace("{tool}", "nothing")
            .replace("{hash}", "nothing");
        let url = format!("{}{filled}", house.url);
        let request = house
            .http
            .request(method.parse().unwrap(), &url)
            .bearer_auth(&olga);
        let (code, told) = answer(request).await;
        let unknown = told["message"] == "there is nothing at this address";
        assert!(
            code != 405 && !unknown,
            "{method} {path} is described and not there: {told}"
        );
        assert!(code < 500, "{method} {path}: {told}");
        let responses = &described["paths"][path][method.to_lowercase()]["responses"];
        assert!(
            responses[code.to_string()].is_object(),
            "{method} {path} answers {code}, which is not described"
        );
        let faults: Vec<String> = validator(code == 200, &told);
        assert!(faults.is_empty(), "{method} {path}: {told} {faults:?}");
        // What no operation is described for is not there.
        let item = described["paths"][path].as_object().unwrap();
        for other in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if !item.contains_key(&other.to_lowercase()) {
                let request = house
                    .http
                    .request(other.parse().unwrap(), &url)
                    .bearer_auth(&olga);
                let (code, told) = answer(request).await;
                assert_eq!(
                    code, 405,
                    "{other} {path} is there and not described: {told}"
                );
            }
        }
    }
    house.close().await;
}

/// What is wrong with an answer, or with a refusal, under the description's own schemas.
fn validator(described: &Value) -> impl Fn(bool, &Value) -> Vec<String> + use<> {
    let schema = |name: &str| {
        let schema = json!({
            "$ref": format!("#/components/schemas/{name}"),
            "components": described["components"],
        });
        jsonschema::draft202012::new(&schema).unwrap()
    };
    let (answer, refusal) = (schema("Answer"), schema("Refusal"));
    move |good, told| {
        let validator = if good { &answer } else { &refusal };
        validator
            .iter_errors(told)
            .map(|error| error.to_string())
            .collect()
    }
}

#[tokio::test]
async fn every_refusal_says_what_is_wrong_and_what_to_do() {
    let house = House::open("").await;
    let ann = house.token("ann@x.example").await;
    let validator = validator(&described(&house).await);
    let url = |path: &str| format!("{}{path}", house.url);
    let get = |path: &str| house.http.get(url(path)).bearer_auth(&ann);
    let post = |path: &str, body: &'static str| {
        let request = house.http.post(url(path)).bearer_auth(&ann);
        request
            .header("Content-Type", "application/json")
            .body(body)
    };
    for (request, code, status) in [
        (house.http.get(url("/api/v1/me")), 401, "denied"),
        (
            house.http.get(url("/api/v1/me")).bearer_auth("x"),
            401,
            "denied",
        ),
        (get("/api/v1/none"), 404, "not_found"),
        (get("/none"), 404, "not_found"),
        (get("/api/v1/explain"), 405, "invalid"),
        (
            get("/api/v1/me").header("Host", "evil.example"),
            403,
            "denied",
        ),
        (
            get("/api/v1/me").header("Origin", "https://evil.example"),
            403,
            "denied",
        ),
        (get("/metrics"), 403, "denied"),
        (get("/api/v1/records/none"), 404, "not_found"),
        (get("/api/v1/records?limit=x"), 400, "invalid"),
        (post("/api/v1/tools/none_such", "{}"), 403, "denied"),
        (post("/api/v1/tools/none_such", "{"), 400, "invalid"),
        (post("/api/v1/explain", "{\"tol\": 1}"), 400, "invalid"),
        (
            post("/api/v1/connectors/none/pause", "{\"reason\": \"x\"}"),
            403,
            "denied",
        ),
        (
            house
                .http
                .post(url("/api/v1/explain"))
                .bearer_auth(&ann)
                .body("{}"),
            415,
            "invalid",
        ),
    ] {
        let (found, told) = answer(request).await;
        assert_eq!((found, &told["status"]), (code, &json!(status)), "{told}");
        assert!(validator(false, &told).is_empty(), "{told}");
        assert!(
            !told["message"].as_str().unwrap().is_empty()
                && !told["mend"].as_str().unwrap().is_empty(),
            "{told}"
        );
    }
    house.close().await;
}

/// Over HTTP/2 a body after `HEAD` would break the connection, whoever refuses the request.
#[tokio::test]
async fn an_answer_to_head_has_no_body_over_http_2() {
    let house = House::open("").await;
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .no_proxy()
        .build()
        .unwrap();
    for (path, origin, code) in [
        ("/mcp", None, 401),
        ("/api/v1/connectors", None, 401),
        ("/nothing", None, 404),
        ("/mcp", Some("https://elsewhere.example"), 403),
    ] {
        let mut request = client
            .head(format!("{}{path}", house.url))
            .header("accept", "text/markdown");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), code, "{path}");
        assert_eq!(answer.version(), reqwest::Version::HTTP_2);
        assert!(answer.bytes().await.unwrap().is_empty(), "{path}");
    }
    house.close().await;
}
