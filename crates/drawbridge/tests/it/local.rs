//! The command line's own token: where it is sent, and from where it is taken.

use std::{
    io::{Read, Write},
    net::{IpAddr, TcpListener, UdpSocket},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;

use crate::gate::{GATEWAY, Site};

/// A program that answers whatever it is sent, and keeps it.
fn stranger(address: &str) -> Arc<Mutex<Vec<u8>>> {
    let listener = TcpListener::bind(address).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = heard.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(5)))
                .unwrap();
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).unwrap_or(0);
            kept.lock().unwrap().extend_from_slice(&bytes[..count]);
            let _ = stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\nConnection: close\r\n\r\n{\"status\":\"ok\"}",
            );
        }
    });
    heard
}

#[tokio::test]
async fn what_listens_where_a_killed_gateway_did_is_sent_nothing() {
    let site = Site::with(&["notes"]);
    let gate = site.serve();
    let address = std::fs::read_to_string(site.path(".drawbridge/address")).unwrap();
    assert_eq!(gate.url, format!("http://{address}"));
    // The command asks the gateway that runs: it may hold the folder to itself.
    let token = site.token("olga@acme.example", "claude");
    assert_eq!(
        gate.call(&token, "notes_list", &json!({})).await["status"],
        "ok"
    );
    // Dropped, it is killed and leaves its file.
    drop(gate);
    let heard = stranger(&address);
    assert!(site.path(".drawbridge/address").exists());
    let listed = site.ok(&["connectors"]);
    assert!(listed.contains("notes"), "{listed}");
    site.ok(&["pause", "notes", "--reason", "x"]);
    let heard = String::from_utf8_lossy(&heard.lock().unwrap()).into_owned();
    assert_eq!(heard, "");
}

/// An address of this machine that others on its network see.
fn outward() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the system only picks the address that it would send from.
    socket.connect("198.51.100.1:9").ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}

#[tokio::test]
async fn a_gateway_on_the_network_is_changed_from_its_own_machine() {
    let Some(ip) = outward() else {
        // The decision itself is a unit test of `door/serve`.
        println!("this machine has no address but loopback");
        return;
    };
    let site = Site::new(&GATEWAY.replace("127.0.0.1:0", &format!("{ip}:0")));
    site.fill(&["notes"]);
    let gate = site.serve();
    assert!(gate.url.contains(&ip.to_string()), "{}", gate.url);
    site.ok(&["pause", "notes", "--reason", "x"]);
    let token = site.token("olga@acme.example", "claude");
    assert_eq!(
        gate.call(&token, "notes_list", &json!({})).await["status"],
        "unavailable",
        "the gateway that runs was told"
    );
    site.ok(&["resume", "notes", "--reason", "x"]);
}

#[tokio::test]
async fn a_person_stops_from_elsewhere_what_they_look_after_and_starts_nothing() {
    let site = Site::with(&["notes"]);
    let (bob, ann) = (
        site.token("bob@acme.example", "claude"),
        site.token("ann@acme.example", "claude"),
    );
    let olga = site.token("olga@acme.example", "claude");
    let gate = site.serve();
    let act = async |token: &str, act: &str| {
        let url = format!("{}/api/v1/connectors/notes/{act}", gate.url);
        let sent = gate.http.post(url).bearer_auth(token);
        let sent = sent.json(&json!({"reason": "x"})).send().await.unwrap();
        sent.status().as_u16()
    };
    assert_eq!(act(&ann, "pause").await, 403, "she does not look after it");
    assert_eq!(gate.status(&ann, "notes_search").await, "ok");
    assert_eq!(act(&bob, "pause").await, 200, "its owner");
    assert_eq!(gate.status(&ann, "notes_search").await, "unavailable");
    // Not even the operator's token loosens.
    for (token, loosens) in [(&bob, "resume"), (&olga, "resume"), (&olga, "retire")] {
        assert_eq!(act(token, loosens).await, 403, "{loosens}");
    }
    let shown = site.json(&["diff", "notes"]);
    let hash = shown["data"]["in_force"].as_str().unwrap();
    assert_eq!(act(&olga, &format!("revisions/{hash}/approve")).await, 403);
    assert_eq!(gate.status(&ann, "notes_search").await, "unavailable");
    site.ok(&["resume", "notes", "--reason", "x"]);
    assert_eq!(act(&olga, "pause").await, 200, "in `recovery.pause`");
}
