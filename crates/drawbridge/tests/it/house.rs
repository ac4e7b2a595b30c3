//! A gateway in this process, on a real socket, with no connectors: for what doors do by themselves.

use std::{path::PathBuf, sync::Arc};

use drawbridge::{
    app::App,
    door::{self, Doors},
    identify::mint,
    workspace::Workspace,
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub(crate) struct House {
    pub(crate) app: Arc<App>,
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
    stop: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
    _keep: tempfile::TempDir,
}

impl House {
    /// Opens on a workspace whose `drawbridge.yaml` ends with these lines.
    pub(crate) async fn open(extra: &str) -> Self {
        Self::open_within(extra, door::Bounds::default()).await
    }

    /// Opens with another line for the owner under `people`.
    pub(crate) async fn open_with(owner: &str, extra: &str) -> Self {
        Self::open_as((owner, extra), door::Bounds::default()).await
    }

    /// Opens with other bounds on connections than the usual ones.
    pub(crate) async fn open_within(extra: &str, bounds: door::Bounds) -> Self {
        Self::open_as(("olga@x.example: {}", extra), bounds).await
    }

    async fn open_as((owner, extra): (&str, &str), bounds: door::Bounds) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let keep = tempfile::tempdir().unwrap();
        let file = format!(
            "gateway: house\noperator: olga@x.example\npeople:\n  {owner}\n  \
             ann@x.example: {{groups: [staff]}}\n\
             roles:\n  auditor: [olga@x.example]\n{extra}"
        );
        std::fs::write(keep.path().join("drawbridge.yaml"), file).unwrap();
        let workspace = Workspace::new(keep.path().to_owned());
        let program = PathBuf::from(crate::bridge::PROGRAM);
        let app = App::start(workspace, program, (None, |_| None))
            .await
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let doors = Doors::new(&app, &stop);
        #[expect(clippy::disallowed_methods, reason = "`close` joins it")]
        let serving = tokio::spawn(door::serve_within(bounds, listener, doors, stop.clone()));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            app,
            url,
            http,
            stop,
            serving,
            _keep: keep,
        }
    }

    /// A token for a person.
    pub(crate) async fn token(&self, person: &str) -> String {
        let now = self.app.clock.now();
        let (kept, shown) = mint((person, "claude", "test"), now, None).unwrap();
        self.app.store.add_token(&kept).await.unwrap();
        shown.expose().clone()
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> (u16, Value) {
        let request = self.http.get(format!("{}{path}", self.url));
        answer(request.bearer_auth(token)).await
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        token: &str,
        body: impl Into<String>,
    ) -> (u16, Value) {
        let request = self
            .http
            .post(format!("{}{path}", self.url))
            .bearer_auth(token)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .body(body.into());
        answer(request).await
    }

    pub(crate) async fn close(self) {
        self.stop.cancel();
        self.serving.await.unwrap().unwrap();
        self.app.close().await;
    }
}

pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let code = response.status().as_u16();
    let text = response.text().await.unwrap();
    (
        code,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}
