//! How a request is sent that the SDK does not send: over plain HTTP as it is, since what `reqwest` does for
//! proxies, redirects and TLS costs as much as the request itself; to all else by `reqwest`.

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

/// How long a connection is kept that nobody uses: as `reqwest` does.
const IDLE: Duration = Duration::from_secs(90);

type Plain = Box<legacy::Client<HttpConnector, Full<Bytes>>>;

/// Where requests go, and what sends them.
pub(super) enum Post {
    /// As they are.
    Plain(Plain, Uri),
    /// By whatever stands between.
    Other(reqwest::Client, Url),
}

impl Post {
    /// What sends to this address; `reqwest` where anything stands between.
    pub(super) fn to(url: Url, other: reqwest::Client) -> Self {
        match plain(&url) {
            Some(uri) => Self::Plain(client(), uri),
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
            Self::Plain(client, uri) => {
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

/// The address, where plain HTTP is all that it takes.
fn plain(url: &Url) -> Option<Uri> {
    let uri = Uri::try_from(url.as_str()).ok()?;
    let is_plain = url.scheme() == "http" && url.username().is_empty();
    (is_plain && Matcher::from_system().intercept(&uri).is_none()).then_some(uri)
}

fn client() -> Plain {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_WITHIN));
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
    fn only_plain_http_is_sent_as_it_is() {
        for (url, is_plain) in [
            ("http://127.0.0.1:9/mcp", true),
            ("https://127.0.0.1:9/mcp", false),
            ("http://somebody@127.0.0.1:9/mcp", false),
        ] {
            assert_eq!(plain(&url.parse().unwrap()).is_some(), is_plain, "{url}");
        }
    }

    #[tokio::test]
    async fn what_reached_nobody_was_not_sent() {
        let sent = async |address: std::net::SocketAddr| {
            let uri = format!("http://{address}/mcp").parse().unwrap();
            let post = Post::Plain(client(), uri);
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
