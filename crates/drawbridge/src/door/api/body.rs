//! Bodies and queries as types. What does not fit is answered and recorded like a call.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::{StatusCode, request::Parts},
    response::Response,
};
use drawbridge_core::{answer::Status, call::Caller};
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::ToSchema;

use super::malformed;
use crate::{app::App, door::refusal::refuse};

/// A JSON body. The guard has bounded it; an empty one is read as an empty object.
pub(super) struct Body<T>(pub(super) T);

/// A JSON body that holds a secret: what is wrong with it is told without a word of what it says.
pub(super) struct Hushed<T>(pub(super) T);

/// A query string.
pub(super) struct Asked<T>(pub(super) T);

/// The body of what needs no more than a reason.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// Why, for those who look at it later. Of a rejection, the AI is told.
    #[serde(default)]
    pub(super) reason: String,
}

impl<T: DeserializeOwned + Send> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let say = |error: &serde_json::Error| format!("the body does not fit: {error}");
        read(request, app, say).await.map(Self)
    }
}

impl<T: DeserializeOwned + Send> FromRequest<Arc<App>> for Hushed<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let say = |error: &serde_json::Error| {
            format!(
                "the body does not fit, at line {} column {}; look at /api/openapi.json for what it holds",
                error.line(),
                error.column()
            )
        };
        read(request, app, say).await.map(Self)
    }
}

/// Reads a body; `say` tells what is wrong with one that does not fit.
async fn read<T: DeserializeOwned + Send>(
    request: Request,
    app: &Arc<App>,
    say: impl FnOnce(&serde_json::Error) -> String + Send,
) -> Result<T, Response> {
    let (parts, body) = request.into_parts();
    let whole = Request::from_parts(parts.clone(), body);
    let bytes = match Bytes::from_request(whole, app).await {
        Ok(bytes) => bytes,
        Err(_) => return Err(wrong(app, &parts, "the body did not arrive whole").await),
    };
    let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
    let fit = serde_json::from_slice(text).map_err(|error| say(&error));
    match fit {
        Ok(body) => Ok(body),
        Err(fault) => Err(wrong(app, &parts, &fault).await),
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<App>> for Asked<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let fit = Query::try_from_uri(&parts.uri).map_err(|error| error.body_text());
        match fit {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(error) => Err(wrong(app, parts, &error).await),
        }
    }
}

async fn wrong(app: &App, parts: &Parts, fault: &str) -> Response {
    match parts.extensions.get::<Caller>() {
        Some(caller) => malformed(app, caller, parts.uri.path(), fault.to_owned()).await,
        None => {
            let told = (fault, "mend what the message names and send it again");
            refuse(StatusCode::BAD_REQUEST, Status::Invalid, told)
        }
    }
}
