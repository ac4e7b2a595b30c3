//! The API's description: OpenAPI at `/api/openapi.json`, made from the handlers themselves.

use axum::{Json, Router, routing::get};
use serde::Serialize;
use serde_json::Value;
use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

use super::{connectors, records, tokens, tools};

/// What every answer looks like.
#[derive(Serialize, ToSchema)]
pub(super) struct Answer {
    /// `ok`, `partial`, `denied`, `approval_needed`, `rejected`, `invalid`, `not_found`, `timeout`,
    /// `unavailable`, `stale`, `limited`, `conflict`, `unknown` or `failed`.
    status: String,
    /// The result; null when there is none.
    data: Value,
    /// What it rests on: title, path, version, time and label.
    #[schema(value_type = Option<Vec<Object>>)]
    sources: Option<Vec<Value>>,
    /// The highest sensitivity among the sources.
    label: Option<String>,
    /// What the reader must know: what did not happen, what is stale.
    notices: Option<Vec<String>>,
    /// The record's id on the audit log.
    record: Option<String>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Drawbridge",
        description = "Governed access to an organisation's systems. Every answer has a status; anything but `ok` and `partial` means that it did not happen.",
    ),
    paths(
        tools::me, tools::tools, tools::call, tools::explain,
        connectors::connectors, connectors::connector, connectors::pause, connectors::resume,
        connectors::retire, connectors::check, connectors::check_all, connectors::revisions,
        connectors::approve,
        records::records, records::follow, records::export, records::record, records::proof, records::checkpoint,
        tokens::tokens, tokens::new_token, tokens::revoke,
    ),
    components(schemas(Answer)),
    security(("token" = [])),
    modifiers(&Token),
)]
struct Description;

struct Token;

impl Modify for Token {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        openapi
            .components
            .get_or_insert_default()
            .add_security_scheme("token", scheme);
    }
}

/// Open to all: it says nothing of this gateway that is not in the program.
pub(in crate::door) fn router() -> Router {
    Router::new().route(
        "/api/openapi.json",
        get(|| async { Json(Description::openapi()) }),
    )
}
