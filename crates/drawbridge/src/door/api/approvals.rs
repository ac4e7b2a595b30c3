//! Kept plans: looking at them, deciding, sending on, taking back; and stopping every effect.
//!
//! These addresses are for people: the command line, a personal token, the console. An AI client's
//! token reaches none of them, but to withdraw what it asked for.

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    Asker, Gateway,
    body::{Asked, Body, Reason},
    description::Answer,
    operate, respond,
};
use crate::operate::{Decision, Operation, PlanQuery};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Yes {
    /// The plan's digest, as it was shown: what was looked at is what is approved.
    digest: String,
    /// Why, for those who look at it later.
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Edited {
    /// All arguments, as they shall be.
    #[schema(value_type = Object)]
    arguments: Value,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Came {
    /// Whether it was done.
    applied: bool,
    /// How that was found out.
    reason: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TakenBack {
    /// The record of the call, or the plan's id.
    call: String,
    /// Why, for those who look at it later.
    reason: String,
}

/// Drafts and approvals that I asked for, may decide on or look after.
#[utoipa::path(get, path = "/api/v1/approvals", tag = "approvals", params(PlanQuery), responses((status = 200, body = Answer)))]
pub(super) async fn approvals(
    State(app): Gateway,
    Extension(caller): Asker,
    Asked(query): Asked<PlanQuery>,
) -> Response {
    operate(&app, &caller, Operation::Approvals(query)).await
}

/// One of them, whole: what is before and what would be after.
#[utoipa::path(get, path = "/api/v1/approvals/{id}", tag = "approvals", params(("id" = String, Path, description = "Or its first six or more digits")), responses((status = 200, body = Answer)))]
pub(super) async fn approval(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(id): Path<String>,
) -> Response {
    operate(&app, &caller, Operation::Approval { id }).await
}

/// Says yes to exactly the plan with this digest. It is applied at once when enough have.
#[utoipa::path(post, path = "/api/v1/approvals/{id}/approve", operation_id = "approve_plan", tag = "approvals", params(("id" = String, Path)), request_body = Yes, responses((status = 200, body = Answer), (status = 409, description = "`conflict`: it is another plan by now, or decided already", body = Answer)))]
pub(super) async fn approve(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(id): Path<String>,
    Body(Yes { digest, reason }): Body<Yes>,
) -> Response {
    let decision = Decision::Approve { digest, reason };
    operate(&app, &caller, Operation::Decide { id, decision }).await
}

/// Plans it again with other arguments. The plan in the answer takes its place and waits for a yes.
#[utoipa::path(post, path = "/api/v1/approvals/{id}/edit", tag = "approvals", params(("id" = String, Path)), request_body = Edited, responses((status = 200, body = Answer)))]
pub(super) async fn edit(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(id): Path<String>,
    Body(Edited { arguments }): Body<Edited>,
) -> Response {
    let decision = Decision::Edit { arguments };
    operate(&app, &caller, Operation::Decide { id, decision }).await
}

/// Says no. The AI is told the reason.
#[utoipa::path(post, path = "/api/v1/approvals/{id}/reject", tag = "approvals", params(("id" = String, Path)), request_body = Reason, responses((status = 200, body = Answer)))]
pub(super) async fn reject(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(id): Path<String>,
    Body(Reason { reason }): Body<Reason>,
) -> Response {
    let decision = Decision::Reject { reason };
    operate(&app, &caller, Operation::Decide { id, decision }).await
}

/// Asks those whom the gate names for it, too; else the connector's owner.
#[utoipa::path(post, path = "/api/v1/approvals/{id}/escalate", tag = "approvals", params(("id" = String, Path)), request_body = Reason, responses((status = 200, body = Answer)))]
pub(super) async fn escalate(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(id): Path<String>,
    Body(Reason { reason }): Body<Reason>,
) -> Response {
    let decision = Decision::Escalate { reason };
    operate(&app, &caller, Operation::Decide { id, decision }).await
}

/// Takes back what I asked for, or throws my draft away.
#[utoipa::path(post, path = "/api/v1/approvals/{id}/withdraw", tag = "approvals", params(("id" = String, Path)), request_body = Reason, responses((status = 200, body = Answer)))]
pub(super) async fn withdraw(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(id): Path<String>,
    Body(Reason { reason }): Body<Reason>,
) -> Response {
    let decision = Decision::Withdraw { reason };
    operate(&app, &caller, Operation::Decide { id, decision }).await
}

/// Says what came of a plan that is `unknown`.
#[utoipa::path(post, path = "/api/v1/approvals/{id}/settle", tag = "approvals", params(("id" = String, Path)), request_body = Came, responses((status = 200, body = Answer)))]
pub(super) async fn settle(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(id): Path<String>,
    Body(Came { applied, reason }): Body<Came>,
) -> Response {
    let decision = Decision::Settle { applied, reason };
    operate(&app, &caller, Operation::Decide { id, decision }).await
}

/// Sends my draft on: from here it is a call like any other.
#[utoipa::path(post, path = "/api/v1/approvals/{id}/send", tag = "approvals", params(("id" = String, Path)), responses((status = 200, body = Answer), (status = 202, description = "`approval_needed`", body = Answer)))]
pub(super) async fn send(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(id): Path<String>,
) -> Response {
    respond(app.send(&caller, &id).await)
}

/// Makes the plan that takes an applied effect back. It stands before the same gates.
#[utoipa::path(post, path = "/api/v1/undo", tag = "approvals", request_body = TakenBack, responses((status = 200, body = Answer), (status = 409, description = "`conflict`: changed since, or taken back already", body = Answer)))]
pub(super) async fn undo(
    State(app): Gateway,
    Extension(caller): Asker,
    Body(TakenBack { call, reason }): Body<TakenBack>,
) -> Response {
    operate(&app, &caller, Operation::Undo { call, reason }).await
}

/// Stops every effect of every connector at once.
#[utoipa::path(post, path = "/api/v1/stop", tag = "approvals", request_body = Reason, responses((status = 200, body = Answer)))]
pub(super) async fn stop(
    State(app): Gateway,
    Extension(caller): Asker,
    Body(Reason { reason }): Body<Reason>,
) -> Response {
    operate(&app, &caller, Operation::Stop { reason }).await
}

/// Lets effects go on. From the gateway's command line only.
#[utoipa::path(post, path = "/api/v1/start", tag = "approvals", request_body = Reason, responses((status = 200, body = Answer)))]
pub(super) async fn start(
    State(app): Gateway,
    Extension(caller): Asker,
    Body(Reason { reason }): Body<Reason>,
) -> Response {
    operate(&app, &caller, Operation::Start { reason }).await
}
