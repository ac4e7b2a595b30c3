//! The doors: MCP over HTTP and stdio, the HTTP API, health.

pub mod api;
mod guard;
pub mod json;
pub mod mcp;
mod serve;

use std::sync::Arc;

use axum::{
    Router, extract::State, http::StatusCode, middleware, response::IntoResponse, routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// Every door behind one address.
pub fn router(app: &Arc<App>, stop: &CancellationToken) -> Router {
    let calls = mcp::router(app, stop)
        .merge(api::router(app))
        .layer(middleware::from_fn_with_state(app.clone(), guard::identify));
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready).with_state(app.clone()))
        .merge(calls)
        .layer(middleware::from_fn_with_state(app.clone(), guard::origin))
        .layer(tower_http::limit::RequestBodyLimitLayer::new(
            guard::MOST_BYTES,
        ))
        .layer(tower_http::catch_panic::CatchPanicLayer::new())
}

async fn ready(State(app): State<Arc<App>>) -> impl IntoResponse {
    match app.store.ready().await {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
    }
}

/// Serves until `stop`, then lets running requests end.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) -> std::io::Result<()> {
    use axum::serve::ListenerExt;
    // With Nagle's algorithm a streamed answer waits 40 ms for nothing.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router)
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await
}
