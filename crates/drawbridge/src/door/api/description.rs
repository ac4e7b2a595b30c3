//! The API's description: OpenAPI 3.1 at `/api/openapi.json`, made from the handlers themselves.

use axum::{Json, Router, routing::get};
use serde::Serialize;
use serde_json::Value;
use utoipa::{
    OpenApi, ToSchema,
    openapi::{
        Content, RefOr, Response, ResponseBuilder,
        path::Operation,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

/// What every answer looks like.
#[derive(Serialize, ToSchema)]
pub(super) struct Answer {
    /// How the call ended; anything but `ok` and `partial` means that it did not happen.
    status: Word,
    /// The result; null when there is none.
    #[schema(nullable)]
    data: Value,
    /// What it rests on: title, path, version, time and label.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    sources: Option<Vec<Value>>,
    /// The highest sensitivity among the sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// What the reader must know: what did not happen, what is stale.
    #[serde(skip_serializing_if = "Option::is_none")]
    notices: Option<Vec<String>>,
    /// The plan it is about: its `id`, `stage` and `sentence`, until when it can be decided
    /// (`expires`) or undone (`undo_until`), and the `link` for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    plan: Option<Value>,
    /// The record's id on the audit log.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
}

/// What every refusal looks like.
#[derive(Serialize, ToSchema)]
pub(super) struct Refusal {
    /// Why it did not happen, in one word.
    status: Word,
    /// What is wrong.
    message: String,
    /// What to do about it.
    mend: String,
    /// Always null.
    #[schema(nullable)]
    data: Value,
    /// The message again, where answers have their notices.
    notices: Vec<String>,
    /// The record's id on the audit log. Requests that never become calls have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
}

/// How a call ended.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "described here, written by `Status`")]
enum Word {
    Ok,
    Partial,
    Denied,
    ApprovalNeeded,
    Rejected,
    Invalid,
    NotFound,
    Timeout,
    Unavailable,
    Stale,
    Limited,
    Conflict,
    Unknown,
    Failed,
}

/// Which refusals every operation may answer with.
const REFUSALS: [(&str, &str); 13] = [
    ("400", "`invalid`: the message names field and rule"),
    (
        "401",
        "`denied`: no token, or none that is good; `WWW-Authenticate` says why",
    ),
    (
        "403",
        "`denied` or `rejected`; also for other hosts' names and other origins",
    ),
    ("404", "`not_found`: no such thing for this caller"),
    ("405", "`invalid`: the address does not take this method"),
    ("408", "`timeout`: the body took too long to arrive"),
    ("409", "`conflict`: it changed meanwhile"),
    ("413", "`invalid`: the body is too large"),
    ("415", "`invalid`: the body is not JSON"),
    ("429", "`limited`: wait as long as `Retry-After` says"),
    ("500", "`failed` or `unknown`"),
    (
        "503",
        "`unavailable`, `stale` or `limited`: the log, the store, the connector or the sign-in",
    ),
    ("504", "`timeout`: the target took too long"),
];

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Drawbridge",
        description = "Governed access to an organisation's systems. Every answer has a status; anything but `ok` and `partial` means that it did not happen.",
    ),
    components(schemas(Answer, Refusal)),
    security(("token" = [])),
    tags(
        (name = "tools", description = "What a caller may use, and using it"),
        (name = "connectors", description = "Looking after connectors"),
        (name = "records", description = "The audit log"),
        (name = "people", description = "Who there is, and who may do what"),
        (name = "requests", description = "Wishes for connectors"),
        (name = "sources", description = "What can be found, and in which state it is"),
        (name = "tokens", description = "Tokens of AI clients"),
        (name = "console", description = "What the console begins with"),
        (name = "secrets", description = "What connectors prove their identity with; no secret is ever read back"),
    ),
)]
struct Frame;

/// The description without any operation.
pub(super) fn frame() -> utoipa::openapi::OpenApi {
    Frame::openapi()
}

/// The description with what is the same everywhere: how to sign in, and how the API says no.
pub(super) fn whole(mut described: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = described.components.get_or_insert_default();
    components.add_security_scheme("token", scheme);
    for item in described.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            refusals(operation);
        }
    }
    described
}

/// What every operation may answer, beside what its handler names.
fn refusals(operation: &mut Operation) {
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            response.description = "`ok` or `partial`".to_owned();
        }
    }
    for (code, description) in REFUSALS {
        let content = Content::builder()
            .schema(Some(Refusal::schema_ref()))
            .build();
        let response: Response = ResponseBuilder::new()
            .description(description)
            .content("application/json", content)
            .build();
        operation
            .responses
            .responses
            .insert(code.to_owned(), RefOr::T(response));
    }
}

impl Refusal {
    fn schema_ref() -> RefOr<utoipa::openapi::Schema> {
        RefOr::Ref(utoipa::openapi::Ref::from_schema_name(Self::name()))
    }
}

/// Open to all: it says nothing of this gateway that is not in the program.
pub(in crate::door) fn router(described: &utoipa::openapi::OpenApi) -> Router {
    let body = serde_json::to_value(described).unwrap_or_default();
    Router::new().route("/api/openapi.json", get(|| async { Json(body) }))
}
