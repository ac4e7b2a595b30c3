//! Asking the gateway by its API: the one that runs on this workspace, or one started for this.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use axum::{
    body::{Body, BodyDataStream, Bytes, to_bytes},
    http::{Request, StatusCode, header},
};
use drawbridge_core::secret::Secret;
use futures_util::StreamExt;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::address;
use crate::{
    app::App,
    door::{Answers, Doors},
    identify::PERSON_HEADER,
    workspace::Workspace,
};

/// The largest answer, in bytes.
const MOST_BYTES: usize = 200 << 20;
/// How long the running gateway may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// How long an answer may take that does not come piece by piece.
const LONGEST: Duration = Duration::from_secs(120);

pub(super) struct Client {
    to: To,
    token: Secret<String>,
    person: Option<String>,
}

enum To {
    Running { http: reqwest::Client, url: String },
    Here { app: Arc<App>, doors: Doors },
}

/// The variable with a person's own token, in the place of the local one.
const TOKEN: &str = "DRAWBRIDGE_TOKEN";

impl Client {
    /// A client of a gateway elsewhere, where the environment names one.
    pub(super) fn elsewhere(person: Option<String>) -> anyhow::Result<Option<Self>> {
        let Some(url) = super::variable("DRAWBRIDGE_URL") else {
            return Ok(None);
        };
        let token = super::variable(TOKEN);
        let token = token.context("set `DRAWBRIDGE_TOKEN` too: that gateway must know who asks")?;
        let (http, url) = (http()?, url.expose().trim_end_matches('/').to_owned());
        Ok(Some(Self {
            to: To::Running { http, url },
            token,
            person,
        }))
    }

    /// A client of the gateway that runs on this workspace, or of one that is started for this.
    pub(super) async fn connect(
        workspace: &Workspace,
        person: Option<String>,
    ) -> anyhow::Result<Self> {
        let own = super::variable(TOKEN);
        let state = workspace.state();
        if let Some(address) = address::told(&state) {
            let http = http()?;
            let token = match own {
                Some(token) => token,
                None => Secret::new(std::fs::read_to_string(state.join("local-token")).context(
                    "the token of the running gateway cannot be read; use the same account",
                )?),
            };
            let url = format!("http://{address}");
            return Ok(Self {
                to: To::Running { http, url },
                token,
                person,
            });
        }
        let app = super::start(workspace).await?;
        let local = || Secret::new(app.identify.local().expose().clone());
        let token = own.unwrap_or_else(local);
        let doors = Doors::new(&app, &CancellationToken::new());
        Ok(Self {
            to: To::Here { app, doors },
            token,
            person,
        })
    }

    /// Whether a secret may be sent to the gateway: here, or protected on its way.
    pub(super) fn keeps_secrets(&self) -> anyhow::Result<()> {
        match &self.to {
            To::Running { url, .. } if !is_protected(url) => {
                anyhow::bail!(
                    "the way to that gateway is not protected, and a secret would be readable on it; \
                     use https, or run this on its machine"
                )
            }
            To::Running { .. } | To::Here { .. } => Ok(()),
        }
    }

    /// Whether a gateway runs on this workspace.
    pub(super) fn is_running(workspace: &Workspace) -> bool {
        address::told(&workspace.state()).is_some()
    }

    pub(super) fn person(&self) -> Option<&str> {
        self.person.as_deref()
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.json("GET", path, None).await
    }

    pub(super) async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.json("DELETE", path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.json("POST", path, Some(body)).await
    }

    /// Calls a tool for the text an AI would get; the code says how it ended.
    pub(super) async fn read(
        &self,
        tool: &str,
        body: &Value,
    ) -> anyhow::Result<(StatusCode, String)> {
        let path = format!("/tools/{tool}");
        let (code, bytes) = self
            .send("POST", &path, (Some(body), "text/markdown"))
            .await?;
        Ok((code, String::from_utf8(bytes.into())?))
    }

    async fn json(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let (_, bytes) = self.send(method, path, (body, "application/json")).await?;
        serde_json::from_slice(&bytes).context("the gateway's answer is no JSON")
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        asked: (Option<&Value>, &str),
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let whole = async {
            let answer = self.open(method, path, asked).await?;
            let code = answer.status();
            anyhow::Ok((code, answer.whole().await?))
        };
        tokio::time::timeout(LONGEST, whole)
            .await
            .with_context(|| {
                let seconds = LONGEST.as_secs();
                format!("the gateway has not answered for {seconds} s; look at its log, or stop it")
            })?
    }

    /// Asks for an answer that is read as it comes.
    pub(super) async fn stream(&self, path: &str) -> anyhow::Result<Incoming> {
        self.open("GET", path, (None, "*/*")).await
    }

    async fn open(
        &self,
        method: &str,
        path: &str,
        (body, accept): (Option<&Value>, &str),
    ) -> anyhow::Result<Incoming> {
        let text = body.map(Value::to_string).unwrap_or_default();
        let authorization = format!("Bearer {}", self.token.expose().trim_end());
        Ok(match &self.to {
            To::Running { http, url } => {
                let url = format!("{url}/api/v1{path}");
                let mut request = http
                    .request(method.parse()?, url)
                    .header(header::AUTHORIZATION, authorization);
                if let Some(person) = &self.person {
                    request = request.header(PERSON_HEADER, person);
                }
                let request = request
                    .header(header::ACCEPT, accept)
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(text);
                Incoming::Running(request.send().await?)
            }
            To::Here { doors, .. } => {
                let mut request = Request::builder()
                    .method(method)
                    .uri(format!("/api/v1{path}"))
                    .header(header::HOST, "localhost")
                    .header(header::AUTHORIZATION, authorization)
                    .header(header::ACCEPT, accept)
                    .header(header::CONTENT_TYPE, "application/json");
                if let Some(person) = &self.person {
                    request = request.header(PERSON_HEADER, person);
                }
                let response = doors.answer(request.body(Body::from(text))?).await;
                Incoming::Here(response.status(), response.into_body().into_data_stream())
            }
        })
    }

    pub(super) async fn close(self) {
        if let To::Here { app, .. } = self.to {
            app.close().await;
        }
    }
}

fn is_protected(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let address: Option<std::net::IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let here = host == "localhost" || address.is_some_and(|address| address.is_loopback());
    url.scheme() == "https" || here
}

fn http() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .build()
}

/// An answer of which only the head is there yet.
pub(super) enum Incoming {
    Running(reqwest::Response),
    Here(StatusCode, BodyDataStream),
}

impl Incoming {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Running(response) => response.status(),
            Self::Here(status, _) => *status,
        }
    }

    /// The next bytes; none at the end.
    pub(super) async fn chunk(&mut self) -> anyhow::Result<Option<Bytes>> {
        match self {
            Self::Running(response) => Ok(response.chunk().await?),
            Self::Here(_, body) => Ok(body.next().await.transpose()?),
        }
    }

    pub(super) async fn whole(self) -> anyhow::Result<Bytes> {
        Ok(match self {
            Self::Running(response) => response.bytes().await?,
            Self::Here(_, body) => to_bytes(Body::from_stream(body), MOST_BYTES).await?,
        })
    }

    pub(super) async fn text(self) -> anyhow::Result<String> {
        Ok(String::from_utf8(self.whole().await?.into())?)
    }
}
