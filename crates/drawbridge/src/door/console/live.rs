//! Pages that stay as things are: whoever has one open is sent it anew when something changed.

use std::{
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Query, State},
    http::{HeaderMap, Request, StatusCode, Uri},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::visitor::{Again, Visitor, of_headers};
use crate::{app::App, door::front::routed, identify::Unidentified};

/// How often it is looked whether something changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a page is made anew whatever happened: a connector's own health changes without a word.
const AT_LEAST_EVERY: u32 = 10;
/// How many times as long as a page took to make nobody makes it again.
const REST: u32 = 4;
/// The largest page, in bytes.
const MOST_PAGE: usize = 4 << 20;

/// `/live`: the pages, and when to end.
pub(super) fn router(app: &Arc<App>, with: (Router, CancellationToken)) -> Router {
    let follow = move |visitor, state, headers, asked| {
        follow(visitor, (state, headers), asked, with.clone())
    };
    Router::new()
        .route("/live", get(follow))
        .with_state(app.clone())
}

#[derive(Deserialize)]
struct Asked {
    /// The page, with its query.
    path: String,
}

async fn follow(
    _: Visitor,
    (State(app), headers): (State<Arc<App>>, HeaderMap),
    Query(Asked { path }): Query<Asked>,
    (pages, stop): (Router, CancellationToken),
) -> Response {
    let page = path.parse::<Uri>().ok().filter(|_| path.starts_with('/'));
    let Some(page) = page else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let following = Following {
        app,
        headers,
        pages,
        page,
        sent: None,
        seen: None,
        since: 0,
    };
    let events =
        stream::unfold(Some(following), Following::next).take_until(stop.cancelled_owned());
    Sse::new(events.map(Ok::<_, Infallible>))
        .keep_alive(KeepAlive::default())
        .into_response()
}

/// Somebody with a page open.
struct Following {
    app: Arc<App>,
    headers: HeaderMap,
    pages: Router,
    page: Uri,
    /// A digest of the page they were sent last.
    sent: Option<u64>,
    /// How far log and files had come when it was made.
    seen: Option<(u64, u64)>,
    /// Looks since then.
    since: u32,
}

impl Following {
    /// The page once it is another; none once they are no longer let in.
    async fn next(following: Option<Self>) -> Option<(Event, Option<Self>)> {
        let mut following = following?;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let visitor = match of_headers(&following.app, &following.headers).await {
                Ok(visitor) => visitor,
                // A store that hiccups ends nobody's session.
                Err(Some(Unidentified::Store(_) | Unidentified::Issuer)) => continue,
                Err(_) => return Some((gone("signed out"), None)),
            };
            if !following.is_due().await {
                continue;
            }
            let began = following.app.clock.monotonic();
            let text = match following.made(visitor).await {
                Ok(text) => text,
                Err(code) if code.is_server_error() => continue,
                Err(_) => return Some((gone("no such page"), None)),
            };
            // Whoever looks at what is dear to make looks less often.
            let took = following.app.clock.monotonic().saturating_sub(began);
            tokio::time::sleep(took * REST).await;
            let mut digest = DefaultHasher::new();
            text.hash(&mut digest);
            let before = following.sent.replace(digest.finish());
            if before == following.sent {
                continue;
            }
            let event = Event::default().event("page").json_data(text).ok()?;
            return Some((event, Some(following)));
        }
    }

    /// Whether something may be otherwise than on the page.
    async fn is_due(&mut self) -> bool {
        let size = self.app.store.log_size().await.unwrap_or_default();
        let version = *self.app.store.changes().borrow();
        let now = Some((size, version));
        self.since += 1;
        let due = now != self.seen || self.since >= AT_LEAST_EVERY;
        if due {
            (self.seen, self.since) = (now, 0);
        }
        due
    }

    /// The page as it is by now.
    async fn made(&self, visitor: Visitor) -> Result<String, StatusCode> {
        let broken = |_| StatusCode::INTERNAL_SERVER_ERROR;
        let request = Request::get(self.page.clone()).body(Body::empty());
        let mut request = request.map_err(|_| StatusCode::NOT_FOUND)?;
        // The first of these looks is on the log, and the others with it.
        let again = Visitor {
            again: self.sent.is_some(),
            ..visitor
        };
        request.extensions_mut().insert(Again(again));
        let response = routed(&self.pages, request).await;
        if response.status() != StatusCode::OK {
            return Err(response.status());
        }
        let bytes = to_bytes(response.into_body(), MOST_PAGE)
            .await
            .map_err(broken)?;
        String::from_utf8(bytes.into()).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// That there is nothing to follow any more.
fn gone(why: &str) -> Event {
    Event::default().event("gone").data(why)
}
