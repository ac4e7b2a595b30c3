//! Reading the audit log, and following it as it grows.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use drawbridge_core::{
    answer::{Failure, Status},
    call::{Caller, Door},
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Asker, Gateway, body::Asked, description::Answer, malformed, operate, respond};
use crate::{
    app::App,
    audit::export,
    operate::{ExportFormat, Operation, RecordQuery},
};

/// How often the log is looked at for somebody who follows it.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Records, the newest first: everyone's for an owner or auditor, else my own. `next` holds the
/// `before` or `after` of the following page; it is null after the last one.
#[utoipa::path(get, path = "/api/v1/records", tag = "records", params(RecordQuery), responses((status = 200, body = Answer)))]
pub(super) async fn records(
    State(app): Gateway,
    Extension(caller): Asker,
    Asked(query): Asked<RecordQuery>,
) -> Response {
    operate(&app, &caller, Operation::Records(query)).await
}

/// Every record of a query as a file, the oldest first: `jsonl` (as they were hashed), `ocsf` or
/// `csv`. A file that does not end properly is not whole.
#[utoipa::path(
    get, path = "/api/v1/records/export/{format}", tag = "records",
    params(("format" = String, Path, description = "`jsonl`, `ocsf` or `csv`"), RecordQuery),
    responses((status = 200, description = "One record per line", content_type = "application/jsonl", body = String)),
)]
pub(super) async fn export(
    State(app): Gateway,
    Extension(caller): Asker,
    format: Result<Path<ExportFormat>, PathRejection>,
    headers: HeaderMap,
    Asked(filter): Asked<RecordQuery>,
) -> Response {
    let Ok(Path(format)) = format else {
        let fault = "the format is `jsonl`, `ocsf` or `csv`".to_owned();
        return malformed(&app, &caller, "/api/v1/records/export", fault).await;
    };
    let gateway = app.clone();
    let again: Again = Box::new(move || {
        let (app, headers) = (gateway.clone(), headers.clone());
        let again = async move {
            let gateway = app.gateway();
            let caller = app.identify.caller(&headers, Door::Api, &gateway);
            caller.await.ok()
        };
        again.boxed()
    });
    exported(app, (caller, again), (format, filter)).await
}

/// Who asks, asked again; none once they are no longer let in.
pub(in crate::door) type Again = Box<dyn Fn() -> BoxFuture<'static, Option<Caller>> + Send>;

/// The records of a query as a file.
pub(in crate::door) async fn exported(
    app: Arc<App>,
    (caller, again): (Caller, Again),
    (format, filter): (ExportFormat, RecordQuery),
) -> Response {
    let operation = Operation::Export {
        format,
        filter: filter.clone(),
    };
    // That somebody exports is on the log before anything leaves.
    let began = app.operate(&caller, operation).await;
    let size = match &began {
        Ok(recorded) if recorded.answer().status.has_data() => recorded.answer().count,
        Ok(_) | Err(_) => return respond(began),
    };
    let exporting = Exporting {
        app,
        again,
        format,
        filter,
        from: 0,
        size,
    };
    let lines = stream::unfold(Some(exporting), Exporting::next);
    let head = stream::iter([Ok(Bytes::from(export::header(format)))]);
    let kind = [(header::CONTENT_TYPE, export::media_type(format))];
    (kind, Body::from_stream(head.chain(lines))).into_response()
}

/// An export that is under way: a page at a time, however long the log is.
struct Exporting {
    app: Arc<App>,
    again: Again,
    format: ExportFormat,
    filter: RecordQuery,
    from: u64,
    size: u64,
}

impl Exporting {
    async fn next(exporting: Option<Self>) -> Option<(Result<Bytes, Failure>, Option<Self>)> {
        let mut exporting = exporting?;
        let part = (exporting.from, exporting.size);
        // Who is no longer let in is told no more, and else as who they are by now.
        let Some(caller) = (exporting.again)().await else {
            let told = "who asked for this is no longer let in";
            return Some((Err(Failure::new(Status::Denied, told)), None));
        };
        let page = exporting
            .app
            .export_page(&caller, &exporting.filter, part)
            .await;
        let (records, next) = match page {
            Ok(page) => page,
            // The connection is cut, so that nobody takes a part for the whole.
            Err(failure) => return Some((Err(failure), None)),
        };
        exporting.from = next?;
        let mut lines = Vec::new();
        for stored in &records {
            lines.extend(export::line(exporting.format, stored));
        }
        Some((Ok(lines.into()), Some(exporting)))
    }
}

/// One record.
#[utoipa::path(get, path = "/api/v1/records/{id}", tag = "records", params(("id" = String, Path)), responses((status = 200, body = Answer)))]
pub(super) async fn record(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(id): Path<String>,
) -> Response {
    operate(&app, &caller, Operation::Record { id }).await
}

/// The proof that a record is on the log.
#[utoipa::path(get, path = "/api/v1/records/{id}/proof", tag = "records", params(("id" = String, Path)), responses((status = 200, body = Answer)))]
pub(super) async fn proof(
    State(app): Gateway,
    Extension(caller): Asker,
    Path(id): Path<String>,
) -> Response {
    operate(&app, &caller, Operation::Proof { id }).await
}

/// The newest signed checkpoint, and the key that verifies it.
#[utoipa::path(get, path = "/api/v1/checkpoint", tag = "records", responses((status = 200, body = Answer)))]
pub(super) async fn checkpoint(State(app): Gateway, Extension(caller): Asker) -> Response {
    operate(&app, &caller, Operation::Checkpoint).await
}

/// New records as they come, as server-sent events, each named `record`. Ends when the token does.
#[utoipa::path(
    get, path = "/api/v1/records/follow", tag = "records", params(RecordQuery),
    responses((status = 200, description = "One event per record", content_type = "text/event-stream", body = String)),
)]
pub(super) async fn follow(
    State(app): Gateway,
    Extension(caller): Asker,
    Extension(stop): Extension<CancellationToken>,
    headers: HeaderMap,
    Asked(mut query): Asked<RecordQuery>,
) -> Response {
    let mut last = query.after;
    if last.is_none() {
        query.limit = Some(1);
    }
    // That somebody began to look is on the log, once; each look after that is not.
    let began = app
        .operate(&caller, Operation::Records(query.clone()))
        .await;
    match &began {
        Ok(recorded) if recorded.answer().status.has_data() => {
            last = last.or(Some(recorded.place()));
        }
        Ok(_) | Err(_) => return respond(began),
    }
    query.after = last;
    query.limit = None;
    let following = Following {
        app,
        caller,
        headers,
        query,
    };
    let events = stream::unfold(following, Following::next)
        .flat_map(stream::iter)
        .take_until(stop.cancelled_owned());
    Sse::new(events.map(Ok::<_, Infallible>))
        .keep_alive(KeepAlive::default())
        .into_response()
}

/// Somebody who follows the log.
struct Following {
    app: Arc<App>,
    caller: Caller,
    headers: HeaderMap,
    query: RecordQuery,
}

impl Following {
    /// The next look at the log; none once the caller is no longer let in.
    async fn next(mut self) -> Option<(Vec<Event>, Self)> {
        tokio::time::sleep(LOOK_EVERY).await;
        let gateway = self.app.gateway();
        let identify = &self.app.identify;
        let again = identify.caller(&self.headers, Door::Api, &gateway).await;
        self.caller = again.ok()?;
        let found = self.app.visible_records(&self.caller, &self.query).await;
        let page = found.ok()?;
        self.query.after = page.reached.or(self.query.after);
        let mut events = Vec::with_capacity(page.records.len());
        for record in &page.records {
            let event = Event::default()
                .event("record")
                .id(record.place.to_string());
            events.push(event.json_data(json!(record)).ok()?);
        }
        Some((events, self))
    }
}
