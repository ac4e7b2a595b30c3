//! How the gateway is used.

use axum::{Extension, extract::State, response::Response};

use super::{Asker, Gateway, body::Asked, description::Answer, operate};
use crate::operate::{Operation, UsageQuery};

/// Calls counted by time, status and power: everyone's for an owner or auditor, a connector's for who
/// looks after it, else my own. Of one connector also how its last calls went, and who made them.
#[utoipa::path(get, path = "/api/v1/usage", tag = "records", params(UsageQuery), responses((status = 200, body = Answer)))]
pub(super) async fn usage(
    State(app): Gateway,
    Extension(caller): Asker,
    Asked(query): Asked<UsageQuery>,
) -> Response {
    operate(&app, &caller, Operation::Usage(query)).await
}
