//! Connections and bodies: bounded in number, memory and time, and shared fairly.

use std::time::{Duration, Instant};

use drawbridge::door::Bounds;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::house::{House, answer};

/// Whether the long forms run.
fn long() -> bool {
    std::env::var_os("DRAWBRIDGE_LONG").is_some()
}

/// Memory of this process, in which the gateway runs too, in MiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: u64 = line
        .split_ascii_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    kib >> 10
}

fn address(house: &House) -> String {
    house.url.trim_start_matches("http://").to_owned()
}

/// A connection from another address of this machine.
async fn from(source: &str, address: &str) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(format!("{source}:0").parse().unwrap())?;
    socket.connect(address.parse().unwrap()).await
}

/// Whether a connection gets an answer.
async fn answered(mut socket: TcpStream) -> bool {
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut told = String::new();
    socket.write_all(request).await.is_ok()
        && socket.read_to_string(&mut told).await.is_ok()
        && told.starts_with("HTTP/1.1 200")
}

#[tokio::test]
async fn connections_that_say_too_little_end() {
    let bounds = Bounds {
        head: Duration::from_millis(500),
        ..Bounds::default()
    };
    let house = House::open_within("", bounds).await;
    let whole = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for said in [
        "",
        "P",
        "PRI * HTTP/2.0\r\n\r\nSM",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /healthz HT",
        "GET / HTTP/1.1\r\nHost: localho",
        whole,
    ] {
        let mut socket = TcpStream::connect(address(&house)).await.unwrap();
        socket.write_all(said.as_bytes()).await.unwrap();
        let mut told = Vec::new();
        let ended = timeout(Duration::from_secs(10), socket.read_to_end(&mut told)).await;
        assert!(ended.is_ok(), "{said:?} holds its connection for ever");
    }
    // One byte at a time does not help.
    let mut socket = TcpStream::connect(address(&house)).await.unwrap();
    let began = Instant::now();
    let dripping = async {
        for byte in whole.bytes().cycle() {
            if socket.write_all(&[byte; 1]).await.is_err()
                || began.elapsed() > Duration::from_secs(10)
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    dripping.await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "it drips for ever"
    );
    house.close().await;
}

#[tokio::test]
async fn a_greedy_source_leaves_connections_for_others() {
    let bounds = Bounds {
        connections: 120,
        ..Bounds::default()
    };
    let house = House::open_within("", bounds).await;
    let address = address(&house);
    let mut held = Vec::new();
    for _ in 0..200 {
        held.push(from("127.0.0.1", &address).await.unwrap());
    }
    // Closed ones are told apart by reading: they are at their end.
    let mut open = 0;
    for socket in &mut held {
        let mut byte = [0];
        match timeout(Duration::from_millis(20), socket.read(&mut byte)).await {
            Err(_) => open += 1,
            Ok(read) => assert!(!matches!(read, Ok(1..)), "nobody asked"),
        }
    }
    assert_eq!(open, 60, "one source gets half");
    for other in ["127.0.0.2", "127.0.0.3", "127.0.0.4"] {
        assert!(
            answered(from(other, &address).await.unwrap()).await,
            "{other} gets nothing"
        );
    }
    assert!(
        !answered(from("127.0.0.1", &address).await.unwrap()).await,
        "the greedy one gets more"
    );
    drop(held);
    let end = Instant::now() + Duration::from_secs(10);
    while !answered(from("127.0.0.1", &address).await.unwrap()).await {
        assert!(Instant::now() < end, "what was let go is not given again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    house.close().await;
}

/// A request whose body does not end.
async fn unfinished(house: &House, token: &str, (length, sent): (usize, &[u8])) -> TcpStream {
    let mut socket = TcpStream::connect(address(house)).await.unwrap();
    let head = format!(
        "POST /api/v1/tools/x_y HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    // It may be refused before all of it is there.
    let _ = socket.write_all(sent).await;
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_bodies_cost_little_and_slow_nobody_down() {
    let house = House::open("").await;
    let (ann, olga) = (
        house.token("ann@x.example").await,
        house.token("olga@x.example").await,
    );
    house.get("/api/v1/me", &olga).await;
    let before = resident();
    let count = if long() { 1_000 } else { 200 };
    let mut slow = Vec::new();
    for _ in 0..count {
        slow.push(unfinished(&house, &ann, (1_000, b"{")).await);
    }
    let began = Instant::now();
    for _ in 0..3 {
        for socket in &mut slow {
            socket.write_all(b" ").await.unwrap();
        }
        let (code, _) = house.get("/api/v1/me", &olga).await;
        assert_eq!(code, 200);
    }
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    let grown = resident().saturating_sub(before);
    assert!(grown < 64, "{grown} MiB for {count} slow bodies");
    if long() {
        let mut told = String::new();
        slow.remove(0).read_to_string(&mut told).await.unwrap();
        assert!(told.starts_with("HTTP/1.1 408"), "{told}");
    }
    drop(slow);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_for_bodies_is_bounded_and_shared() {
    let house = House::open("").await;
    let (ann, olga) = (
        house.token("ann@x.example").await,
        house.token("olga@x.example").await,
    );
    // One that is announced too large is refused before it is sent.
    let mut socket = unfinished(&house, &ann, (64 << 20, b"")).await;
    let mut told = vec![0; 12];
    socket.read_exact(&mut told).await.unwrap();
    assert_eq!(told, b"HTTP/1.1 413");
    // One that is not announced is refused when it has become too large.
    let mut socket = TcpStream::connect(address(&house)).await.unwrap();
    let head = format!(
        "POST /api/v1/tools/x_y HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ann}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(1 << 16));
    for _ in 0..1_024 {
        // It may end before all is sent.
        if socket.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    let mut told = [0; 12];
    if socket.read_exact(&mut told).await.is_ok() {
        assert_eq!(&told, b"HTTP/1.1 413");
    }
    // One caller's bodies that never end leave room for another's.
    let before = resident();
    let block = vec![b' '; 3 << 20];
    let mut held = Vec::new();
    for _ in 0..40 {
        held.push(unfinished(&house, &ann, (4 << 20, &block)).await);
    }
    let mut refused = 0;
    for socket in &mut held {
        let mut told = [0; 12];
        if let Ok(Ok(_)) = timeout(Duration::from_millis(100), socket.read_exact(&mut told)).await {
            assert_eq!(&told, b"HTTP/1.1 503");
            refused += 1;
        }
    }
    assert!(refused >= 25, "only {refused} of 40 bodies were refused");
    let grown = resident().saturating_sub(before);
    assert!(grown < 128, "{grown} MiB");
    let large = json!({"x": "y".repeat(3 << 20)}).to_string();
    let (code, told) = house.post("/api/v1/tools/x_y", &olga, large).await;
    assert_eq!(
        (code, &told["status"]),
        (403, &json!("denied")),
        "another caller's body is not read"
    );
    drop(held);
    house.close().await;
}

/// An HTTP/2 frame: length, type, flags, stream.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

/// `GET /api/v1/me` to `localhost`, from the static table and in literals (RFC 7541).
fn head() -> Vec<u8> {
    let mut head = vec![0x82, 0x86];
    for (name, value) in [(0x04, &b"/api/v1/me"[..]), (0x01, b"localhost")] {
        head.extend([name, u8::try_from(value.len()).unwrap()]);
        head.extend(value);
    }
    head
}

async fn http2(address: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    socket.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    socket
}

/// Whether the gateway ends the connection, rather than going on.
async fn ends(mut socket: TcpStream) -> bool {
    let mut told = Vec::new();
    let read = timeout(Duration::from_secs(10), socket.read_to_end(&mut told)).await;
    let mut rest = told.as_slice();
    let mut away = false;
    while let [a, b, c, kind, ..] = rest {
        let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap();
        away |= *kind == GOAWAY;
        rest = rest.get(9 + length..).unwrap_or_default();
    }
    away || read.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_floods_end_their_own_connection_only() {
    let house = House::open("").await;
    let ann = house.token("ann@x.example").await;
    let address = address(&house);
    let before = resident();
    // CVE-2023-44487: requests that are taken back at once.
    let rapid = async {
        let mut socket = http2(&address).await;
        for number in 0..20_000_u32 {
            let stream = 2 * number + 1;
            let mut both = frame(HEADERS, 0b101, stream, &head());
            both.extend(frame(RESET, 0, stream, &8_u32.to_be_bytes()));
            if socket.write_all(&both).await.is_err() {
                return true;
            }
        }
        ends(socket).await
    };
    // CVE-2024-27316: a head that never ends.
    let endless = async {
        let mut socket = http2(&address).await;
        if socket
            .write_all(&frame(HEADERS, 0, 1, &head()))
            .await
            .is_err()
        {
            return true;
        }
        let mut more = vec![0x00, 0x01, b'x', 0x7f, 0x80, 0x7e];
        more.resize(16_000, b'y');
        for _ in 0..2_000 {
            if socket
                .write_all(&frame(CONTINUATION, 0, 1, &more))
                .await
                .is_err()
            {
                return true;
            }
        }
        ends(socket).await
    };
    // Settings that ask for answers nobody reads: they may go on, and must not pile up.
    let settings = async {
        let mut socket = http2(&address).await;
        let many = frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]).repeat(100);
        for _ in 0..2_000 {
            match timeout(Duration::from_secs(2), socket.write_all(&many)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => break,
            }
        }
    };
    let others = async {
        for _ in 0..20 {
            let began = Instant::now();
            assert_eq!(house.get("/api/v1/me", &ann).await.0, 200);
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "others wait {:?}",
                began.elapsed()
            );
        }
    };
    let (rapid, endless, (), ()) = tokio::join!(rapid, endless, settings, others);
    assert!(rapid, "rapid resets go on");
    assert!(endless, "an endless head goes on");
    let grown = resident().saturating_sub(before);
    assert!(grown < 64, "{grown} MiB");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_on_the_log_in_few_records_and_slow_nobody_down() {
    let house = House::open("").await;
    let olga = house.token("olga@x.example").await;
    let known = olga.split('_').nth(1).unwrap().to_owned();
    house.get("/api/v1/me", &olga).await;
    let guesses = if long() { 100_000 } else { 600 };
    let guessing = async {
        let guess = |number: usize| {
            let token = format!("dbr_{known}_{number:043}");
            let request = house
                .http
                .get(format!("{}/api/v1/me", house.url))
                .bearer_auth(token);
            async move { answer(request).await.0 }
        };
        let many = futures_util::stream::iter((0..guesses).map(guess));
        let codes = futures_util::StreamExt::buffer_unordered(many, 200);
        let wrong = futures_util::StreamExt::filter(codes, |code| std::future::ready(*code != 401));
        futures_util::StreamExt::count(wrong).await
    };
    let others = async {
        let mut longest = Duration::ZERO;
        for _ in 0..30 {
            let began = Instant::now();
            assert_eq!(house.get("/api/v1/me", &olga).await.0, 200);
            longest = longest.max(began.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        longest
    };
    let (wrong, longest) = tokio::join!(guessing, others);
    assert_eq!(wrong, 0, "a guess was not refused");
    assert!(
        longest < Duration::from_secs(1),
        "a right token waited {longest:?}"
    );
    let end = Instant::now() + Duration::from_secs(10);
    let records = loop {
        let (_, told) = house.get("/api/v1/records?action=sign_in", &olga).await;
        let records = told["data"]["records"].as_array().unwrap().clone();
        if !records.is_empty() {
            break records;
        }
        assert!(Instant::now() < end, "{told}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(records.len() < 10, "{} records", records.len());
    assert!(
        !json!(records).to_string().contains("_0000"),
        "a guess is on the log"
    );
    house.close().await;
}
