//! Where a client that has no token may get one: RFC 9728.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

use super::guard::refuse;
use crate::{app::App, identify::base};

/// Where the metadata is; a resource's own path may follow.
pub(super) const PATH: &str = "/.well-known/oauth-protected-resource";

pub(super) fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route(PATH, get(metadata))
        .route(&format!("{PATH}/mcp"), get(metadata))
        .route(&format!("{PATH}/mcp/{{connector}}"), get(metadata))
        .with_state(app.clone())
}

/// MCP asks for at least one authorization server. Without an issuer there is none, and metadata
/// that names none would send clients on a search that cannot end well: so there is no metadata.
async fn metadata(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let gateway = app.gateway();
    let Some(oidc) = &gateway.oidc else {
        return refuse(
            StatusCode::NOT_FOUND,
            "not_found",
            "this gateway has no sign-in of its own; `drawbridge token new` makes a token, to be sent as `Authorization: Bearer …`",
        );
    };
    let mut metadata = json!({
        "resource": format!("{}/mcp", base(&gateway, &headers)),
        "resource_name": gateway.gateway,
        "authorization_servers": [oidc.issuer],
        "bearer_methods_supported": ["header"],
    });
    if let (Some(map), false) = (metadata.as_object_mut(), oidc.scopes.is_empty()) {
        map.insert("scopes_supported".to_owned(), json!(oidc.scopes));
    }
    Json(metadata).into_response()
}
