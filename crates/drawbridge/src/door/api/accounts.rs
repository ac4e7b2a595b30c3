//! Connecting accounts elsewhere. Tokens come in here by way of a browser, and go out nowhere.

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use drawbridge_core::secret::Secret;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Asker, Gateway,
    body::{Body, Hushed, Reason},
    description::Answer,
    operate,
    secrets::secret,
};
use crate::operate::{Account, CameBack, Operation};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Connect {
    /// The port of their own machine to which the browser of whoever agrees comes back: to
    /// `http://127.0.0.1:PORT/callback`.
    port: u16,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Connected {
    /// The whole address that the browser came back to. It works once, within ten minutes, for whoever
    /// began. It is in no answer and no record.
    #[serde(default, deserialize_with = "secret")]
    #[schema(value_type = String, write_only, format = Password)]
    address: Option<Secret<String>>,
}

/// Begins to connect the account of a credential: where to send a browser. From the gateway's command line only.
#[utoipa::path(post, path = "/api/v1/secrets/{name}/connect", tag = "secrets", params(("name" = String, Path)), request_body = Connect, responses((status = 200, body = Answer)))]
pub(super) async fn connect_secret(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(name): Path<String>,
    Body(Connect { port }): Body<Connect>,
) -> Response {
    let account = Account::Credential(name);
    operate(&app, &caller, Operation::Connect { account, port }).await
}

/// Brings it to its end. From the gateway's command line only.
#[utoipa::path(post, path = "/api/v1/secrets/{name}/connected", tag = "secrets", params(("name" = String, Path)), request_body = Connected, responses((status = 200, body = Answer)))]
pub(super) async fn secret_connected(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(name): Path<String>,
    Hushed(Connected { address }): Hushed<Connected>,
) -> Response {
    let account = Account::Credential(name);
    let came_back = CameBack { account, address };
    operate(&app, &caller, Operation::Connected(came_back)).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Disconnect {
    /// Why, for those who look at it later.
    #[serde(default)]
    reason: String,
    /// The account of this person. Default: the one that is for everyone.
    #[serde(default)]
    person: Option<String>,
    /// Every account, of everyone.
    #[serde(default)]
    all: bool,
}

/// Forgets the tokens of a credential: of the account for everyone, of one person's, or all. From the gateway's command line only.
#[utoipa::path(post, path = "/api/v1/secrets/{name}/disconnect", tag = "secrets", params(("name" = String, Path)), request_body = Disconnect, responses((status = 200, body = Answer)))]
pub(super) async fn disconnect_secret(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(name): Path<String>,
    Body(wanted): Body<Disconnect>,
) -> Response {
    let reason = wanted.reason;
    let account = match (wanted.all, wanted.person) {
        (true, _) => Account::Kept {
            credential: name,
            person: None,
        },
        (false, Some(person)) => Account::Kept {
            credential: name,
            person: Some(person),
        },
        (false, None) => Account::Credential(name),
    };
    operate(&app, &caller, Operation::Disconnect { account, reason }).await
}

/// Begins to connect my own account at a connector that acts for each person: where to send my browser. Not by an AI client.
#[utoipa::path(post, path = "/api/v1/connectors/{name}/connect", tag = "connectors", params(("name" = String, Path)), request_body = Connect, responses((status = 200, body = Answer)))]
pub(super) async fn connect_own(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(name): Path<String>,
    Body(Connect { port }): Body<Connect>,
) -> Response {
    let account = Account::Connector(name);
    operate(&app, &caller, Operation::Connect { account, port }).await
}

/// Brings it to its end. Not by an AI client.
#[utoipa::path(post, path = "/api/v1/connectors/{name}/connected", tag = "connectors", params(("name" = String, Path)), request_body = Connected, responses((status = 200, body = Answer)))]
pub(super) async fn own_connected(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(name): Path<String>,
    Hushed(Connected { address }): Hushed<Connected>,
) -> Response {
    let account = Account::Connector(name);
    let came_back = CameBack { account, address };
    operate(&app, &caller, Operation::Connected(came_back)).await
}

/// Forgets the tokens of my own account at a connector. Not by an AI client.
#[utoipa::path(post, path = "/api/v1/connectors/{name}/disconnect", tag = "connectors", params(("name" = String, Path)), request_body = Reason, responses((status = 200, body = Answer)))]
pub(super) async fn disconnect_own(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(name): Path<String>,
    Body(Reason { reason }): Body<Reason>,
) -> Response {
    let account = Account::Connector(name);
    operate(&app, &caller, Operation::Disconnect { account, reason }).await
}
