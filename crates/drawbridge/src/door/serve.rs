//! Connections: a fair share of them for each source, bounded in time, and drained at the end.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, http, response::Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use super::{front::routed, shares::Shares, stall::Taken};
use crate::{identify::network, telemetry};

/// Connections at the same time, where the system lets the process have as many.
const MOST_CONNECTIONS: usize = 4_096;
/// Connections that any source may have, as long as there are any left.
const LEAST_CONNECTIONS: usize = 16;
/// File descriptors that are kept for files, the store and children.
const OTHER_FILES: usize = 256;
/// How many headers a request may have.
const MOST_HEADERS: usize = 100;
/// Bytes of a request's head.
const HEAD_BYTES: usize = 64 << 10;
/// Requests at the same time on one HTTP/2 connection.
const MOST_STREAMS: u32 = 64;
/// HTTP/2 requests that were taken back before they were looked at; with more of them the
/// connection ends (CVE-2023-44487, "rapid reset").
const MOST_RESETS: usize = 20;
/// HTTP/2 streams that ended for a fault of the client's; with more of them the connection ends.
const MOST_FAULTS: usize = 256;
/// How long running requests may take to end once the gateway stops.
const DRAIN: Duration = Duration::from_secs(10);
/// How long to wait when the system has no more file descriptors.
const BREATHE: Duration = Duration::from_millis(100);

/// The two ends of the connection a request came by.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Where the request came from.
    pub from: SocketAddr,
    /// Where it arrived; none when the system does not say.
    pub to: Option<SocketAddr>,
}

impl Peer {
    /// Whether the other end is on this machine: nothing else sends from an address of its own.
    pub(super) fn is_here(&self) -> bool {
        let from = self.from.ip().to_canonical();
        from.is_loopback() || self.to.is_some_and(|to| to.ip().to_canonical() == from)
    }
}

/// What answers requests. It is cloned for each of them.
pub trait Answers: Clone + Send + Sync + 'static {
    /// The answer to a request.
    fn answer(&self, request: Request) -> impl Future<Output = Response> + Send;
}

impl Answers for Router {
    fn answer(&self, request: Request) -> impl Future<Output = Response> + Send {
        routed(self, request)
    }
}

/// How many connections there may be, and how long they may take.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections at the same time.
    pub connections: usize,
    /// How long the head of a request may take, and how long a connection may idle between two.
    pub head: Duration,
    /// How long the other end may take nothing of an answer.
    pub stall: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: connections(),
            head: Duration::from_secs(30),
            stall: Duration::from_secs(30),
        }
    }
}

/// As many as the system lets this process have. Its soft limit is for programs that use `select`;
/// this one does not, so it takes the hard one.
fn connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        warn!("cannot raise the limit of open files: {error}");
    }
    let files = getrlimit(Resource::Nofile).current;
    let files = files.map_or(usize::MAX, |files| {
        usize::try_from(files).unwrap_or(usize::MAX)
    });
    MOST_CONNECTIONS
        .min(files.saturating_sub(OTHER_FILES))
        .max(LEAST_CONNECTIONS)
}

/// Serves HTTP/1.1, and HTTP/2 to clients that know it beforehand, until `stop`; then lets running
/// requests end for some seconds.
///
/// # Errors
/// When the listener is no listener any more.
pub async fn serve(
    listener: TcpListener,
    answers: impl Answers,
    stop: CancellationToken,
) -> std::io::Result<()> {
    serve_within(Bounds::default(), listener, answers, stop).await
}

/// Serves within other bounds than the usual ones.
///
/// # Errors
/// When the listener is no listener any more.
pub async fn serve_within(
    bounds: Bounds,
    listener: TcpListener,
    answers: impl Answers,
    stop: CancellationToken,
) -> std::io::Result<()> {
    listener.local_addr()?;
    let shares = Shares::new(bounds.connections, LEAST_CONNECTIONS);
    let connections = TaskTracker::new();
    let ending = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!("cannot accept a connection: {error}");
                sleep(BREATHE).await;
                continue;
            }
        };
        // A connection too many is closed at once. Left in the system's queue, it would stand before
        // those of others.
        let mut share = shares.open(network(address.ip()));
        if !share.grow(1) {
            telemetry::refused("connections");
            continue;
        }
        telemetry::connections(shares.total());
        let (shares, ending) = (shares.clone(), ending.clone());
        let work = connection(bounds, stream, address, (answers.clone(), stop.clone()));
        connections.spawn(async move {
            tokio::select! {
                () = work => {}
                () = ending.cancelled() => {}
            }
            drop(share);
            telemetry::connections(shares.total());
        });
    }
    drop(listener);
    connections.close();
    if timeout(DRAIN, connections.wait()).await.is_err() {
        warn!("{} connections were cut off", connections.len());
        ending.cancel();
        connections.wait().await;
    }
    Ok(())
}

async fn connection(
    bounds: Bounds,
    stream: TcpStream,
    address: SocketAddr,
    (answers, stop): (impl Answers, CancellationToken),
) {
    // With Nagle's algorithm a streamed answer waits 40 ms for nothing.
    if let Err(error) = stream.set_nodelay(true) {
        debug!("cannot set TCP_NODELAY: {error}");
    }
    let peer = Peer {
        from: address,
        to: stream.local_addr().ok(),
    };
    let asked = Arc::new(AtomicBool::new(false));
    let first = asked.clone();
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        first.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(peer);
        let (answers, request) = (answers.clone(), request.map(Body::new));
        async move { Ok::<_, Infallible>(answers.answer(request).await) }
    });
    let builder = builder(bounds);
    let stream = TokioIo::new(Taken::new(stream, bounds.stall));
    let served = builder.serve_connection(stream, service);
    let mut served = pin!(served);
    let result = tokio::select! {
        result = served.as_mut() => result,
        () = silent(bounds.head, &asked) => return,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = result {
        debug!("a connection ended early: {error}");
    }
}

/// Ends when a connection has asked nothing at all in time. Until it is known which HTTP it speaks,
/// nothing else looks at the clock.
async fn silent(longest: Duration, asked: &AtomicBool) {
    sleep(longest).await;
    if asked.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

fn builder(bounds: Bounds) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .max_headers(MOST_HEADERS)
        .max_buf_size(HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .max_pending_accept_reset_streams(MOST_RESETS)
        .max_local_error_reset_streams(MOST_FAULTS)
        .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
        .keep_alive_interval(bounds.head)
        .keep_alive_timeout(bounds.head);
    builder
}

#[cfg(test)]
mod tests {
    use super::Peer;

    #[test]
    fn here_is_loopback_or_an_address_of_this_machine() {
        for (from, to, here) in [
            ("127.0.0.1:1", Some("127.0.0.1:7300"), true),
            ("[::ffff:127.0.0.1]:1", Some("[::1]:7300"), true),
            ("[::1]:1", None, true),
            ("192.0.2.7:1", Some("192.0.2.7:7300"), true),
            ("[::ffff:192.0.2.7]:1", Some("192.0.2.7:7300"), true),
            ("192.0.2.8:1", Some("192.0.2.7:7300"), false),
            ("192.0.2.7:1", None, false),
        ] {
            let peer = Peer {
                from: from.parse().unwrap(),
                to: to.map(|to| to.parse().unwrap()),
            };
            assert_eq!(peer.is_here(), here, "{from} {to:?}");
        }
    }
}
