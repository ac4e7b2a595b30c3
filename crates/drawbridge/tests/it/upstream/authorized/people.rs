//! Each person with an account of their own: connected by themselves, and never anybody else's.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    super::setup::{ASK, until},
    setup::{ALL, CLIENT, Guarded, WHOAMI, nothing, user},
};
use crate::acting::firm::{ANN, BOB, LENA, Person};

const CODE: &str = "grant: authorization_code";
const EACH: &str = "  acts_for: person\n";
const SERVICE: &str =
    "grant: client_credentials, client_id: service, client_secret: up-client, issuer: \"ISSUER\"";
const EXCHANGE: &str =
    "grant: token_exchange, client_id: service, client_secret: up-client, issuer: \"ISSUER\"";

/// With an account of the one who wrote the file, who looked at the server with it.
async fn each(tools: &'static [(&'static str, &'static str)]) -> Guarded {
    let guarded = Guarded::new(CODE);
    guarded
        .connect(&["secret", "connect", "up-account"], "olga-there")
        .await;
    guarded.added(tools, EACH);
    guarded
}

async fn joins(guarded: &Guarded, person: &str, user: &str) -> Value {
    guarded
        .connect(&["--person", person, "connect", "up"], user)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_connected_is_told_what_to_run_and_gets_nobody_elses_answer() {
    let guarded = each(WHOAMI).await;
    let open = guarded.open();
    let ann = guarded.client(&open, ANN);
    for _ in 0..3 {
        let answer = ann.call("up_whoami", nothing()).await;
        assert_eq!(answer["status"], "denied", "{answer:#}");
        assert!(
            answer.to_string().contains("drawbridge connect up"),
            "{answer:#}"
        );
        assert!(!answer.to_string().contains("olga-there"), "{answer:#}");
    }
    let told = joins(&guarded, ANN, "ann-there").await;
    assert_eq!(told["data"]["person"], ANN, "{told:#}");
    // At once: nobody waits for what had nothing to do with the server.
    let answer = ann.call("up_whoami", nothing()).await;
    assert_eq!(user(&answer), "ann-there", "{answer:#}");
    let bob = guarded.client(&open, BOB);
    assert_eq!(bob.call("up_whoami", nothing()).await["status"], "denied");
    let shown = guarded
        .upstream
        .firm
        .line(&["secret", "show", "up-account"]);
    assert_eq!(shown["data"]["people_connected"], 1, "{shown:#}");

    // Another account takes the place of the first with the next call; and then there is none.
    joins(&guarded, ANN, "ann-elsewhere").await;
    assert_eq!(
        user(&ann.call("up_whoami", nothing()).await),
        "ann-elsewhere"
    );
    let told = guarded
        .upstream
        .firm
        .line(&["--person", ANN, "disconnect", "up"]);
    assert_eq!(told["status"], "ok", "{told:#}");
    assert_eq!(ann.call("up_whoami", nothing()).await["status"], "denied");
    guarded.nowhere(open);
}

/// Whoever looks after a credential ends anybody's access by it, also where it cannot be opened any more.
#[tokio::test(flavor = "multi_thread")]
async fn an_owner_ends_anybodys_access_also_what_cannot_be_opened() {
    let guarded = each(WHOAMI).await;
    let firm = &guarded.upstream.firm;
    joins(&guarded, ANN, "ann-there").await;
    joins(&guarded, BOB, "bob-there").await;
    let open = guarded.open();
    let (ann, bob) = (guarded.client(&open, ANN), guarded.client(&open, BOB));
    assert_eq!(user(&ann.call("up_whoami", nothing()).await), "ann-there");
    let end = json!({"person": ANN, "reason": "mine to end?"});
    for asks in [&bob, &open.person(firm, BOB)] {
        let told = asks.post("/secrets/up-account/disconnect", end.clone());
        let told = told.await;
        assert_eq!(told["status"], "denied", "{told:#}");
    }
    let ending = ["secret", "disconnect", "up-account", "--reason", "left"];
    let told = firm.line(&[&ending[..], &["--of", ANN]].concat());
    assert_eq!(told["data"]["accounts"], 1, "{told:#}");
    assert_eq!(told["data"]["person"], ANN, "{told:#}");
    assert_eq!(ann.call("up_whoami", nothing()).await["status"], "denied");
    assert_eq!(user(&bob.call("up_whoami", nothing()).await), "bob-there");
    let records = guarded.upstream.records();
    assert!(records.contains("\"disconnect\""), "{records}");

    // The key is lost: nothing is opened, and nothing can be sealed beside it.
    std::fs::write(firm.house.state().join("keys/sealing"), [7; 32]).unwrap();
    let why = guarded.connecting(&["--person", ANN, "connect", "up"]);
    let why = why.err().unwrap();
    assert!(why.contains("secret disconnect NAME --all"), "{why}");
    let why = guarded.connecting(&["secret", "connect", "up-account"]);
    let why = why.err().unwrap();
    assert!(why.contains("secret disconnect up-account --all"), "{why}");
    let told = firm.line(&[&ending[..], &["--all"]].concat());
    assert_eq!(told["data"]["accounts"], 2, "{told:#}");
    let told = firm.line(&[&ending[..], &["--all"]].concat());
    assert_eq!(told["status"], "not_found", "{told:#}");
    joins(&guarded, ANN, "ann-again").await;
    let answer = until(&ann, ("up_whoami", nothing()), "ok").await;
    assert_eq!(user(&answer), "ann-again", "{answer:#}");
    guarded.nowhere(open);
}

/// The gateway's own access is ended like a person's, and got anew with the next call.
#[tokio::test(flavor = "multi_thread")]
async fn access_that_nobody_agreed_to_is_ended_like_any_other() {
    let guarded = Guarded::new(SERVICE);
    guarded.secret("up-client", CLIENT);
    guarded.added(WHOAMI, "");
    let firm = &guarded.upstream.firm;
    let ending = ["secret", "disconnect", "up-account", "--reason", "leaked"];
    let told = firm.line(&ending);
    assert_eq!(told["data"]["accounts"], 1, "{told:#}");
    let told = firm.line(&ending);
    assert_eq!(told["status"], "not_found", "{told:#}");
    let open = guarded.open();
    let ann = guarded.client(&open, ANN);
    let answer = until(&ann, ("up_whoami", nothing()), "ok").await;
    assert_eq!(user(&answer), "service-account", "{answer:#}");
    assert_eq!(guarded.issuer.asked("client_credentials").await, 2);
    guarded.nowhere(open);
}

/// Two people at once, with tokens that are renewed all the time.
#[tokio::test(flavor = "multi_thread")]
async fn two_people_are_never_mixed() {
    let guarded = each(WHOAMI).await;
    guarded.issuer.control(json!({"lifetime": 2})).await;
    joins(&guarded, ANN, "ann-there").await;
    joins(&guarded, BOB, "bob-there").await;
    let open = guarded.open();
    let people = [(ANN, "ann-there"), (BOB, "bob-there")];
    let mut work = JoinSet::new();
    for (person, own) in people {
        let client = guarded.client(&open, person);
        for _ in 0..4 {
            let client: Person = client.clone();
            work.spawn(async move {
                for _ in 0..40 {
                    let answer = client.call("up_whoami", nothing()).await;
                    assert_eq!(answer["status"], "ok", "{answer:#}");
                    assert_eq!(user(&answer), own, "{answer:#}");
                }
            });
        }
    }
    work.join_all().await;
    assert_eq!(guarded.issuer.seen().await["reused"], 0);
    guarded.nowhere(open);
}

/// An effect that somebody else lets through is done with the account of the person it is for.
#[tokio::test(flavor = "multi_thread")]
async fn an_effect_is_done_as_the_person_it_was_planned_for() {
    let guarded = each(ALL).await;
    let path = guarded.upstream.path();
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once("approval:\n").unwrap();
    let (_, tail) = rest.split_once("recovery:").unwrap();
    let ask = ASK.replace("EFFECTS", "write");
    std::fs::write(&path, format!("{head}approval:\n{ask}recovery:{tail}")).unwrap();
    guarded.upstream.firm.review("up");
    joins(&guarded, ANN, "ann-there").await;
    joins(&guarded, LENA, "lena-there").await;
    let open = guarded.open();
    let ann = guarded.client(&open, ANN);
    let plan = ann.asks("up_note", json!({"text": "hello"})).await;
    let lena = open.person(&guarded.upstream.firm, LENA);
    lena.approve(&plan).await;
    let own = open.person(&guarded.upstream.firm, ANN);
    own.until(&plan, &["applied"]).await;
    let answer = ann.call("up_whoami", nothing()).await;
    let by = &answer["data"]["structuredContent"]["notes"];
    assert_eq!(*by, json!(["ann-there"]), "{answer:#}");
    guarded.nowhere(open);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_connects_for_somebody_else_or_by_an_ai_client() {
    let guarded = each(WHOAMI).await;
    let open = guarded.open();
    let (ann, bob) = (
        guarded.client(&open, ANN),
        open.person(&guarded.upstream.firm, BOB),
    );
    let begin = json!({"port": 9});
    let told = ann.post("/connectors/up/connect", begin.clone()).await;
    assert_eq!(told["status"], "denied", "{told:#}");
    // What Ann began is not Bob's to end, and neither is it hers twice.
    let own = open.person(&guarded.upstream.firm, ANN);
    let began = own.post("/connectors/up/connect", begin.clone()).await;
    let address = began["data"]["url"].as_str().unwrap();
    let back = guarded.issuer.browse("ann-there", address).await;
    let came = json!({"address": back});
    let told = bob.post("/connectors/up/connected", came.clone()).await;
    assert_eq!(told["status"], "not_found", "{told:#}");
    let told = own.post("/connectors/up/connected", came.clone()).await;
    assert_eq!(told["status"], "ok", "{told:#}");
    let told = own.post("/connectors/up/connected", came).await;
    assert_eq!(told["status"], "not_found", "{told:#}");
    assert_eq!(user(&ann.call("up_whoami", nothing()).await), "ann-there");
    guarded.nowhere(open);
}

/// A link that somebody sends leads to the account of whoever follows it, on their own machine only.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_was_sent_connects_nobody_elses_account() {
    let guarded = each(WHOAMI).await;
    let open = guarded.open();
    let connecting = guarded
        .connecting(&["--person", BOB, "connect", "up"])
        .unwrap();
    // Ann follows it, and her browser goes to her own machine, where nobody listens at that port.
    let back = guarded
        .issuer
        .browse("ann-there", &connecting.address)
        .await;
    assert!(back.starts_with("http://127.0.0.1:"), "{back}");
    connecting.give_up();
    // Even with what came back, Ann's own command line ends nothing of Bob's.
    let own = open.person(&guarded.upstream.firm, ANN);
    let told = own
        .post("/connectors/up/connected", json!({"address": back}))
        .await;
    assert_eq!(told["status"], "not_found", "{told:#}");
    let bob = guarded.client(&open, BOB);
    assert_eq!(bob.call("up_whoami", nothing()).await["status"], "denied");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_states_for_whom_it_asks_and_the_server_gives_that_persons_token() {
    // Somebody must look at the server first, whoever they are there.
    let guarded = each(WHOAMI).await;
    guarded.declare(EXCHANGE);
    guarded.secret("up-client", CLIENT);
    let path = guarded.upstream.firm.house.folder.join("drawbridge.yaml");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace(
        "address: 127.0.0.1:0",
        &format!("address: 127.0.0.1:{port}"),
    );
    std::fs::write(&path, text).unwrap();
    let open = guarded.open();
    let own = open.served.caller.url.clone();
    let (ann, bob) = (guarded.client(&open, ANN), guarded.client(&open, BOB));
    // Nobody there trusts it yet.
    let answer = ann.call("up_whoami", nothing()).await;
    assert_eq!(answer["status"], "unavailable", "{answer:#}");
    assert!(!answer.to_string().contains("eyJ"), "{answer:#}");
    let keys = format!("{own}/oauth/keys.json");
    guarded
        .issuer
        .control(json!({"trusts": {&own: keys}}))
        .await;
    for (client, person) in [(&ann, ANN), (&bob, BOB), (&ann, ANN)] {
        let answer = until(client, ("up_whoami", nothing()), "ok").await;
        assert_eq!(user(&answer), person, "{answer:#}");
    }
    let seen = guarded.issuer.seen().await;
    assert!(!seen.to_string().contains(&ann.token) && !seen.to_string().contains("dbr_"));
    guarded.nowhere(open);
}
