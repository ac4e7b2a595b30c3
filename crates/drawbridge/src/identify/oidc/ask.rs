//! Asking an issuer: in bounded time, for a bounded answer, and no further than it was asked.

use std::{net::IpAddr, time::Duration};

use futures_util::future::BoxFuture;
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::{Client, Url, redirect::Policy};
use serde_json::Value;

/// How long one question to the issuer may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The largest answer, in bytes.
const MOST_BYTES: usize = 512 << 10;

/// A client for one issuer.
pub(super) struct Ask(Client);

/// Why there is no answer, for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unanswered(String);

impl Ask {
    pub(super) fn new() -> reqwest::Result<Self> {
        // A second call finds the provider installed, and that is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(TIMEOUT)
            .timeout(TIMEOUT)
            .user_agent(concat!("drawbridge/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self(client))
    }

    /// What is at an address.
    pub(super) async fn json(&self, url: Url) -> Result<Value, String> {
        let shown = url.to_string();
        let request = reqwest::Request::new(http::Method::GET, url);
        let answer = self.send(request).await.map_err(|error| error.0)?;
        if !answer.status().is_success() {
            return Err(format!("{shown} answers {}", answer.status()));
        }
        serde_json::from_slice(answer.body())
            .map_err(|_| format!("{shown} does not answer with JSON"))
    }

    /// What is answered to a request, whatever its status.
    pub(super) async fn send(
        &self,
        request: reqwest::Request,
    ) -> Result<http::Response<Vec<u8>>, Unanswered> {
        let shown = request.url().to_string();
        let wrong = |error: reqwest::Error| {
            Unanswered(format!("{shown} does not answer: {}", error.without_url()))
        };
        let mut response = self.0.execute(request).await.map_err(wrong)?;
        let mut answer = http::Response::builder().status(response.status());
        for (name, value) in response.headers() {
            answer = answer.header(name, value);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(wrong)? {
            if body.len() + chunk.len() > MOST_BYTES {
                let fault = format!("{shown} answers with more than {MOST_BYTES} bytes");
                return Err(Unanswered(fault));
            }
            body.extend_from_slice(&chunk);
        }
        let broken = |_| Unanswered(format!("{shown} does not answer with HTTP"));
        answer.body(body).map_err(broken)
    }
}

impl<'c> AsyncHttpClient<'c> for Ask {
    type Error = Unanswered;
    type Future = BoxFuture<'c, Result<HttpResponse, Unanswered>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let unsent = |error: reqwest::Error| {
                Unanswered(format!(
                    "what is asked is no request: {}",
                    error.without_url()
                ))
            };
            self.send(request.try_into().map_err(unsent)?).await
        })
    }
}

/// Where an issuer's metadata may be: OpenID Connect Discovery, then RFC 8414.
pub(super) fn places(issuer: &str) -> Result<Vec<Url>, String> {
    let base = checked(issuer)?;
    let path = base.path().trim_end_matches('/').to_owned();
    let at = |path: String| {
        let mut url = base.clone();
        url.set_path(&path);
        url
    };
    Ok(vec![
        at(format!("{path}/.well-known/openid-configuration")),
        at(format!("/.well-known/oauth-authorization-server{path}")),
    ])
}

/// A URL that may be asked: `https`, or a server on this machine.
pub(super) fn checked(url: &str) -> Result<Url, String> {
    let parsed = Url::parse(url).map_err(|_| format!("`{url}` is no URL"))?;
    let host = parsed.host_str().unwrap_or_default();
    let here = host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    let good = parsed.scheme() == "https" || (parsed.scheme() == "http" && here);
    let bare = parsed.username().is_empty() && parsed.password().is_none();
    if good && bare {
        Ok(parsed)
    } else {
        Err(format!("`{url}` must be `https`, and hold no password"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_looked_for_in_both_places() {
        let found: Vec<String> = places("https://id.example/realms/acme")
            .unwrap()
            .into_iter()
            .map(Into::into)
            .collect();
        assert_eq!(
            found,
            [
                "https://id.example/realms/acme/.well-known/openid-configuration",
                "https://id.example/.well-known/oauth-authorization-server/realms/acme",
            ]
        );
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        for good in [
            "https://id.example",
            "http://127.0.0.1:9",
            "http://[::1]:9",
            "http://localhost",
        ] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for bad in [
            "http://id.example",
            "http://10.0.0.1",
            "ftp://localhost",
            "file:///etc/passwd",
            "https://me:secret@id.example",
            "localhost",
            "http://127.0.0.1.evil.example",
        ] {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }
}
