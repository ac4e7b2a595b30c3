//! Where a client that has no token may get one: RFC 9728.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::get,
};
use drawbridge_core::{answer::Status, file::GatewayFile};
use serde_json::json;

use super::{mcp, refusal::refuse};
use crate::{app::App, identify::base};

/// Where the metadata is; the path of a resource follows.
const PATH: &str = "/.well-known/oauth-protected-resource";

pub(super) fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route(PATH, get(metadata))
        .route(&format!("{PATH}/mcp"), get(metadata))
        .route(&format!("{PATH}/mcp/{{connector}}"), get(metadata))
        .with_state(app.clone())
}

/// Where the metadata of the resource at this path is. Everything but the door of one connector is
/// one resource, named by the path of MCP.
pub(super) fn place(gateway: &GatewayFile, headers: &HeaderMap, path: &str) -> String {
    let path = if mcp::is_path(path) { path } else { "/mcp" };
    format!("{}{PATH}{path}", base(gateway, headers))
}

/// RFC 9728, section 3.3: the resource is exactly the one whose path stands behind [`PATH`].
///
/// MCP asks for at least one authorization server. Without an issuer there is none, and metadata
/// that names none would send clients on a search that cannot end well: so there is no metadata.
async fn metadata(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Response {
    let gateway = app.gateway();
    let Some(oidc) = &gateway.oidc else {
        let told = (
            "this gateway has no sign-in that clients could be sent to",
            "make a token with `drawbridge token new`, and send it as `Authorization: Bearer …`",
        );
        return refuse(StatusCode::NOT_FOUND, Status::NotFound, told);
    };
    let path = match uri.path().strip_prefix(PATH) {
        None | Some("") => "/mcp",
        Some(path) => path,
    };
    let mut metadata = json!({
        "resource": format!("{}{path}", base(&gateway, &headers)),
        "resource_name": gateway.gateway,
        "authorization_servers": [oidc.issuer],
        "bearer_methods_supported": ["header"],
    });
    if let (Some(map), false) = (metadata.as_object_mut(), oidc.scopes.is_empty()) {
        map.insert("scopes_supported".to_owned(), json!(oidc.scopes));
    }
    Json(metadata).into_response()
}
