//! How a call is sent that is asked directly: over plain HTTP as it is, since what `reqwest` does for proxies,
//! redirects and TLS costs as much as the request itself; to all else by `reqwest`.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::Full;
use hyper_util::{
    client::{
        legacy::{self, connect::HttpConnector},
        proxy::matcher::Matcher,
    },
    rt::{TokioExecutor, TokioTimer},
};
use reqwest::{Body, Url};

use super::{connect::CONNECT_WITHIN, http::Failed};

/// How long a connection is kept that nobody uses. This and what follows are as `reqwest` has them.
const IDLE: Duration = Duration::from_secs(90);
/// How long nothing is heard before the other end is asked for a sign of life, and again after that.
const SILENT: Duration = Duration::from_secs(15);
/// How often it is asked.
const ASKS: u32 = 3;
/// How long what is sent may arrive nowhere.
const UNHEARD: Duration = Duration::from_secs(30);

type Bare = Box<legacy::Client<HttpConnector, Full<Bytes>>>;

/// Where requests go, and what sends them.
pub(super) enum Post {
    /// As they are.
    Bare(Bare, Uri),
    /// By whatever stands between.
    Other(reqwest::Client, Url),
}

impl Post {
    /// What sends to this address; `reqwest` where anything stands between.
    pub(super) fn to(url: Url, other: reqwest::Client) -> Self {
        match bare(&url, &Matcher::from_system()) {
            Some(uri) => Self::Bare(client(), uri),
            None => Self::Other(other, url),
        }
    }

    /// Sends a request; the answer's head, with its body to come.
    pub(super) async fn send(
        &self,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Response<Body>, Failed> {
        match self {
            Self::Bare(client, uri) => {
                let mut request = Request::new(Full::from(body));
                *request.method_mut() = Method::POST;
                *request.uri_mut() = uri.clone();
                *request.headers_mut() = headers;
                let response = client.request(request).await.map_err(io::Error::other)?;
                Ok(response.map(Body::wrap))
            }
            Self::Other(client, url) => {
                let request = client.post(url.clone()).headers(headers).body(body);
                Ok(request.send().await?.into())
            }
        }
    }
}

/// The address, where plain HTTP without a proxy is all that it takes.
fn bare(url: &Url, proxies: &Matcher) -> Option<Uri> {
    let uri = Uri::try_from(url.as_str()).ok()?;
    let names_nobody = url.username().is_empty() && url.password().is_none();
    let is_bare = url.scheme() == "http" && names_nobody && proxies.intercept(&uri).is_none();
    is_bare.then_some(uri)
}

fn client() -> Bare {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_WITHIN));
    connector.set_keepalive(Some(SILENT));
    connector.set_keepalive_interval(Some(SILENT));
    connector.set_keepalive_retries(Some(ASKS));
    connector.set_tcp_user_timeout(Some(UNHEARD));
    let client = legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(connector);
    Box::new(client)
}

/// Whether nothing was sent, because there was no connection.
pub(super) fn is_unsent(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    error.is_some_and(legacy::Error::is_connect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_without_a_proxy_is_sent_as_it_is() {
        let proxies = Matcher::builder()
            .http("http://127.0.0.1:3128")
            .no("127.0.0.1")
            .build();
        for (url, is_bare) in [
            ("http://127.0.0.1:9/mcp", true),
            ("http://crm.example/mcp", false),
            ("https://127.0.0.1:9/mcp", false),
            ("http://somebody@127.0.0.1:9/mcp", false),
            ("http://:word@127.0.0.1:9/mcp", false),
        ] {
            let url: Url = url.parse().unwrap();
            assert_eq!(bare(&url, &proxies).is_some(), is_bare, "{url}");
        }
    }

    #[tokio::test]
    async fn what_reached_nobody_was_not_sent() {
        let sent = async |address: std::net::SocketAddr| {
            let uri = format!("http://{address}/mcp").parse().unwrap();
            let post = Post::Bare(client(), uri);
            match post.send(HeaderMap::new(), Vec::new()).await {
                Err(Failed::Io(error)) => is_unsent(&error),
                other => panic!("{other:?}"),
            }
        };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // Who hangs up may have read what it does not answer.
        let hangs_up = std::thread::spawn(move || drop(listener.accept()));
        assert!(!sent(address).await);
        hangs_up.join().unwrap();
        assert!(sent(address).await, "nobody listens any more");
    }
}
