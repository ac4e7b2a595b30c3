//! Requests that two servers may read differently, byte for byte: none becomes two here.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::house::House;

/// What a smuggler hides behind a request. Its answer ends with `ok`.
const HIDDEN: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Ways to write `Transfer-Encoding: chunked` that some server takes and another does not.
const ENCODINGS: [&str; 23] = [
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: Chunked",
    "Transfer-Encoding:chunked",
    "Transfer-Encoding:  chunked",
    "Transfer-Encoding:\tchunked",
    "Transfer-Encoding: chunked ",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunkedx",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: chunked;a=b",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: identity, chunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: \u{b}chunked",
    "Transfer-Encoding : chunked",
    " Transfer-Encoding: chunked",
    "Transfer-Encoding\t: chunked",
    "X: y\r\n Transfer-Encoding: chunked",
    "X: y\nTransfer-Encoding: chunked",
    "Transfer-Encoding:\r\n chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
];

/// Ways to write a length.
const LENGTHS: [&str; 12] = [
    "Content-Length: {}",
    "Content-Length: +{}",
    "Content-Length: -{}",
    "Content-Length: 0{}",
    "Content-Length: 0x{}",
    "Content-Length: {}, {}",
    "Content-Length: {}, 0",
    "Content-Length: {}\r\nContent-Length: 0",
    "Content-Length: 0\r\nContent-Length: {}",
    "Content-Length : {}",
    "Content-Length: {}a",
    "Content-Length: 99999999999999999999",
];

/// Chunked bodies that end where servers differ.
const CHUNKS: [&str; 10] = [
    "0\r\n\r\n",
    "0;x=y\r\n\r\n",
    "00000000000000000\r\n\r\n",
    "0x0\r\n\r\n",
    "-0\r\n\r\n",
    "0\n\n",
    "0\r\nHost: evil\r\n\r\n",
    "ffffffffffffffff1\r\n\r\n",
    "2\r\n{}\r\n0\r\n\r\n",
    "2;\n{}\r\n0\r\n\r\n",
];

/// Heads that are wrong by themselves.
const HEADS: [&str; 26] = [
    "GET /healthz HTTP/1.1\r\n\r\n",
    "GET  /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: localhost\r\n evil.example\r\n\r\n",
    "GET /api/v1/me HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    "GET /api/v1/me HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    "GET http://evil.example/api/v1/me HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET /api/v1/me HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost\r\n\r\n",
    "GET /api/v1/me HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
    "GET /api/v1/me HTTP/1.1\r\nHost: localhost\r\nX\0: b\r\n\r\n",
    "GET /api/v1/me HTTP/1.1\r\nHost: localhost\r\n: b\r\n\r\n",
    "GET /api/v1/me HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
    "GET /api/v1/me\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET /api/v1/m\te HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET /api/v1/me HTTP/1.2\r\nHost: localhost\r\n\r\n",
    "GET /api/v1/me HTTP/11\r\nHost: localhost\r\n\r\n",
    "GET /api/v1/me HTTP/0.9\r\n\r\n",
    "GET /api/v1/me\r\n\r\n",
    "G\u{e9}T /api/v1/me HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
    "GET evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TRACE /api/v1/me HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n\r\n",
    "POST /mcp HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "\r\n\r\n\r\nNONSENSE\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
];

/// All that a server says to some bytes, until it closes.
async fn say(address: &str, bytes: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    // It may close before it has read all.
    let _ = socket.write_all(bytes.as_bytes()).await;
    let _ = socket.shutdown().await;
    let mut told = Vec::new();
    let _ = socket.read_to_end(&mut told).await;
    String::from_utf8_lossy(&told).into_owned()
}

fn post(headers: &str, body: &str) -> String {
    format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n{body}")
}

/// Every request whose end two servers may see in different places, with a request hidden behind.
fn ambiguous() -> Vec<String> {
    let mut requests = Vec::new();
    let long = HIDDEN.len() + 5;
    for encoding in ENCODINGS {
        for length in [
            "Content-Length: 0".to_owned(),
            "Content-Length: 5".to_owned(),
            format!("Content-Length: {long}"),
        ] {
            let body = format!("0\r\n\r\n{HIDDEN}");
            requests.push(post(&format!("{length}\r\n{encoding}"), &body));
            requests.push(post(&format!("{encoding}\r\n{length}"), &body));
        }
    }
    for length in LENGTHS {
        let headers = length.replace("{}", &HIDDEN.len().to_string());
        requests.push(post(&headers, HIDDEN));
        requests.push(post(
            &format!("{headers}\r\nTransfer-Encoding: chunked"),
            &format!("0\r\n\r\n{HIDDEN}"),
        ));
    }
    requests
}

#[tokio::test]
async fn no_request_is_read_as_two() {
    let house = House::open("").await;
    let address = house.url.trim_start_matches("http://").to_owned();
    let requests = ambiguous();
    assert!(requests.len() >= 160, "{}", requests.len());
    for request in &requests {
        let told = say(&address, request).await;
        assert!(
            !told.contains("\r\n\r\nok"),
            "the hidden request was answered: {request:?}\n{told}"
        );
        assert!(
            told.matches("HTTP/1.1 ").count() <= 1,
            "{request:?}\n{told}"
        );
        assert!(
            told.is_empty() || told.starts_with("HTTP/1.1 4"),
            "{request:?}\n{told}"
        );
    }
    house.close().await;
}

/// RFC 9112, section 6.3: with both, the chunks count and the connection ends.
#[tokio::test]
async fn a_length_beside_chunks_ends_the_connection() {
    let house = House::open("").await;
    let address = house.url.trim_start_matches("http://").to_owned();
    let both = ["Content-Length: 5", "Transfer-Encoding: chunked"];
    for headers in [both.join("\r\n"), [both[1], both[0]].join("\r\n")] {
        let mut socket = TcpStream::connect(&address).await.unwrap();
        socket
            .write_all(post(&headers, "0\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut told = Vec::new();
        // Nothing ends the connection from this side.
        socket.read_to_end(&mut told).await.unwrap();
        let told = String::from_utf8(told).unwrap().to_lowercase();
        assert!(
            told.starts_with("http/1.1 401") && told.contains("connection: close"),
            "{told}"
        );
    }
    house.close().await;
}

#[tokio::test]
async fn chunks_that_servers_read_differently_hide_nothing() {
    let house = House::open("").await;
    let token = house.token("ann@x.example").await;
    let address = house.url.trim_start_matches("http://").to_owned();
    for chunks in CHUNKS {
        let headers = format!(
            "Authorization: Bearer {token}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked"
        );
        let told = say(&address, &post(&headers, &format!("{chunks}{HIDDEN}"))).await;
        let answers = told.matches("HTTP/1.1 ").count();
        // What ends by the rules is followed by a second request, which is then no secret.
        let plain = matches!(
            chunks,
            "0\r\n\r\n"
                | "0;x=y\r\n\r\n"
                | "0\r\nHost: evil\r\n\r\n"
                | "2\r\n{}\r\n0\r\n\r\n"
                | "00000000000000000\r\n\r\n"
        );
        assert!(
            plain || (answers <= 1 && !told.contains("\r\n\r\nok")),
            "{chunks:?}\n{told}"
        );
    }
    house.close().await;
}

#[tokio::test]
async fn heads_that_are_wrong_are_refused() {
    let house = House::open("").await;
    let address = house.url.trim_start_matches("http://").to_owned();
    for head in HEADS {
        let told = say(&address, &format!("{head}{HIDDEN}")).await;
        let first = told.split("\r\n").next().unwrap_or_default();
        let refused =
            told.is_empty() || first.starts_with("HTTP/1.1 4") || first.starts_with("HTTP/1.0 4");
        // Health is open under every name, and says nothing of anyone.
        let health = head.starts_with("GET /healthz") && first == "HTTP/1.1 200 OK";
        assert!(refused || health, "{head:?}\n{told}");
    }
    let many = format!(
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
        "A: b\r\n".repeat(101)
    );
    assert!(say(&address, &many).await.starts_with("HTTP/1.1 431"));
    let large = format!(
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nA: {}\r\n\r\n",
        "b".repeat(1 << 20)
    );
    let told = say(&address, &large).await;
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{told}");
    let long = format!(
        "GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "a".repeat(1 << 20)
    );
    let told = say(&address, &long).await;
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{told}");
    house.close().await;
}
