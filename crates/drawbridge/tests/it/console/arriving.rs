//! Coming to the console in a browser: by a link of the command line, and by the organisation.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use serde_json::json;

use super::{
    Story,
    office::{Office, Visitor},
};
use crate::{bridge::Bridge, house::House, sign_in::Issuer};

#[tokio::test]
async fn a_link_lets_its_person_in_once_until_they_sign_out() {
    let bridge = Bridge::start().await;
    let made = bridge.line(&["--json", "--person", "ingrid@lindqvist.example", "console"]);
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let link = &made["data"]["link"];
    let story = Story::tell("visit", &json!({"url": bridge.url(), "link": link}));
    assert_eq!(
        story.saw("signed in")["at"],
        "/",
        "the link is not left in the address"
    );
    let cookies = json!({"cookies": [{"httpOnly": true, "sameSite": "Lax"}], "seen": ""});
    assert_eq!(story.saw("cookies"), &cookies, "no script sees the session");
    let pages = story.saw("pages").to_string();
    assert!(
        pages.contains("\"/\"") && pages.contains("/approvals"),
        "{pages}"
    );
    assert_eq!(story.saw("signed out"), "/sign-in");
    assert_eq!(
        story.saw("with what was kept"),
        "/sign-in",
        "the session itself has ended"
    );
    let again = story.saw("the link again");
    assert_eq!(again["status"], 403);
    assert!(
        again["told"].as_str().unwrap().contains("used already"),
        "{again}"
    );
}

#[tokio::test]
async fn where_the_gateway_died_the_command_opens_the_console_itself() {
    let office = Office::open().await;
    crate::gate::signal("KILL", office.gate.process());
    let console = ["--json", "--person", "olga@acme.example", "console"];
    let mut console = office.site.command(&console);
    let mut child = console
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut told = String::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    while !told.contains("\"link\"") {
        told.clear();
        assert!(
            lines.read_line(&mut told).unwrap() > 0,
            "it ended without a link"
        );
    }
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let link = told["data"]["link"].as_str().unwrap();
    let (url, _) = link.split_once("/sign-in").unwrap();
    let olga = Visitor::by(url, link).await;
    assert!(olga.page("/").await.contains("notes"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn the_organisations_sign_in_lets_its_people_in() {
    let issuer = Issuer::start();
    let oidc = format!(
        "oidc: {{issuer: \"{}\", claims: {{person: email}}, \
         console: {{client_id: drawbridge-console}}}}\n",
        issuer.url
    );
    let house = House::open_with("olga@x.example: {subject: s-olga}", &oidc).await;
    let olga = json!({"claims": {"sub": "s-olga"}, "public": true});
    issuer.post("/user", olga).await;
    let told = json!({"url": house.url, "issuer": issuer.url});
    let running = tokio::task::spawn_blocking(move || Story::tell("organisation", &told));
    let story = running.await.unwrap();
    assert_eq!(story.saw("asked to sign in"), "/sign-in");
    let signed_in = story.saw("signed in");
    assert_eq!(signed_in["away"], 1, "{signed_in}");
    assert!(
        signed_in["said"]
            .as_str()
            .unwrap()
            .contains("olga@x.example"),
        "{signed_in}"
    );
    assert_eq!(story.saw("home"), "/");
    house.close().await;
}
