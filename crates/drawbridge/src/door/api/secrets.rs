//! What is known of credentials; setting, retiring and removing secrets. Nothing here reads one back.

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use drawbridge_core::secret::Secret;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::{
    Asker, Gateway,
    body::{Body, Hushed, Reason},
    description::Answer,
    operate,
};
use crate::operate::{NewSecret, Operation, Retiring};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The secret itself: text of 1 to 65536 bytes. It is in no answer and no record.
    #[serde(default, deserialize_with = "secret")]
    #[schema(value_type = String, write_only, format = Password)]
    secret: Option<Secret<String>>,
    /// Who answers for it; without it, who sets it first.
    owner: Option<String>,
    /// Who allowed it to be used.
    approved_by: Option<String>,
    /// Whether it may be sealed with another key than other secrets are: theirs is lost.
    #[serde(default)]
    new_key: bool,
    /// Why, for those who look at it later.
    #[serde(default)]
    reason: String,
}

pub(super) fn secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Secret<String>>, D::Error> {
    String::deserialize(deserializer).map(|text| Some(Secret::new(text)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Retire {
    /// The version; without it, the oldest in force.
    version: Option<String>,
    /// Whether it is retired although no target let the newest in yet, or it is the newest itself.
    #[serde(default)]
    force: bool,
    /// Why, for those who look at it later.
    #[serde(default)]
    reason: String,
}

/// What is known of the credentials that I look after: never their secrets.
#[utoipa::path(get, path = "/api/v1/secrets", tag = "secrets", responses((status = 200, body = Answer)))]
pub(super) async fn secrets(State(app): Gateway, Extension(caller): Asker) -> Response {
    operate(&app, &caller, Operation::Secrets).await
}

/// What is known of one credential, with its versions: never the secret.
#[utoipa::path(get, path = "/api/v1/secrets/{name}", tag = "secrets", params(("name" = String, Path)), responses((status = 200, body = Answer)))]
pub(super) async fn secret_known(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(name): Path<String>,
) -> Response {
    operate(&app, &caller, Operation::Secret { name }).await
}

/// Keeps a secret, beside the one there is. From the gateway's command line only.
#[utoipa::path(post, path = "/api/v1/secrets/{name}", tag = "secrets", params(("name" = String, Path)), request_body = Wanted, responses((status = 200, body = Answer)))]
pub(super) async fn set_secret(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(name): Path<String>,
    Hushed(wanted): Hushed<Wanted>,
) -> Response {
    let new = NewSecret {
        name,
        secret: wanted.secret,
        owner: wanted.owner,
        approved_by: wanted.approved_by,
        new_key: wanted.new_key,
        reason: wanted.reason,
    };
    operate(&app, &caller, Operation::SetSecret(new)).await
}

/// Ends a version of a credential. From the gateway's command line only.
#[utoipa::path(post, path = "/api/v1/secrets/{name}/retire", tag = "secrets", params(("name" = String, Path)), request_body = Retire, responses((status = 200, body = Answer)))]
pub(super) async fn retire_secret(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(name): Path<String>,
    Body(wanted): Body<Retire>,
) -> Response {
    let wanted = Retiring {
        name,
        version: wanted.version,
        force: wanted.force,
        reason: wanted.reason,
    };
    operate(&app, &caller, Operation::RetireSecret(wanted)).await
}

/// Ends a credential that no connector uses. From the gateway's command line only.
#[utoipa::path(post, path = "/api/v1/secrets/{name}/remove", tag = "secrets", params(("name" = String, Path)), request_body = Reason, responses((status = 200, body = Answer)))]
pub(super) async fn remove_secret(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(name): Path<String>,
    Body(Reason { reason }): Body<Reason>,
) -> Response {
    operate(&app, &caller, Operation::RemoveSecret { name, reason }).await
}
