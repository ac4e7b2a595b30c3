//! Pages that stay as things are: whoever has one open is sent it anew when something changed.

use std::{
    collections::HashMap,
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
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
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::visitor::{Again, Visitor, of_headers};
use crate::{app::App, door::front::routed, identify::Unidentified};

/// How often it is looked whether something changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a page is made anew whatever happened: a connector's own health changes without a word.
const AT_LEAST_EVERY: u32 = 10;
/// How many times as long as a page took to make nobody makes it again.
const REST: u32 = 4;
/// The largest page that is followed, in bytes.
const MOST_PAGE: usize = 1 << 20;
/// Pages that all people follow at the same time.
const MOST_STREAMS: usize = 400;
/// Pages that one person follows: browsers follow those that are looked at.
const MOST_OF_ONE: usize = 16;
/// Pages that are made for all of them at the same time. The store has more connections than that.
const AT_ONCE: usize = 2;

/// `/live`: the pages, and when to end.
pub(super) fn router(app: &Arc<App>, with: (Router, CancellationToken)) -> Router {
    let streams = Arc::new(Streams {
        all: Arc::new(Semaphore::new(MOST_STREAMS)),
        each: Mutex::default(),
        making: Semaphore::new(AT_ONCE),
    });
    let follow = move |visitor, state, headers, asked| {
        let (pages, stop) = with.clone();
        follow(
            visitor,
            (state, headers),
            asked,
            (pages, stop, streams.clone()),
        )
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

/// Who follows: so many for each person and in all, and few pages are made for them at the same time, so
/// that stopping and calls never wait for those who only look.
struct Streams {
    all: Arc<Semaphore>,
    each: Mutex<HashMap<String, usize>>,
    making: Semaphore,
}

/// A place among those who follow, given back at the end.
struct Held {
    streams: Arc<Streams>,
    person: String,
    _one: OwnedSemaphorePermit,
}

impl Streams {
    /// A place for somebody; none while they, or all, hold too many.
    fn hold(self: &Arc<Self>, person: &str) -> Option<Held> {
        let one = self.all.clone().try_acquire_owned().ok()?;
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        let held = each.entry(person.to_owned()).or_default();
        if *held >= MOST_OF_ONE {
            return None;
        }
        *held += 1;
        Some(Held {
            streams: self.clone(),
            person: person.to_owned(),
            _one: one,
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut each = self
            .streams
            .each
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = each.get_mut(&self.person) {
            *held -= 1;
            if *held == 0 {
                each.remove(&self.person);
            }
        }
    }
}

async fn follow(
    visitor: Visitor,
    (State(app), headers): (State<Arc<App>>, HeaderMap),
    Query(Asked { path }): Query<Asked>,
    (pages, stop, streams): (Router, CancellationToken, Arc<Streams>),
) -> Response {
    let Some(held) = streams.hold(&visitor.caller.person.id) else {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    };
    let page = path.parse::<Uri>().ok().filter(|_| path.starts_with('/'));
    let Some(page) = page else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let following = Following {
        app,
        headers,
        pages,
        page,
        held,
        looked: false,
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
    held: Held,
    /// Whether that they look is on the log.
    looked: bool,
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
            let made = following.made(visitor).await;
            // Whoever looks at what is dear to make looks less often.
            let took = following.app.clock.monotonic().saturating_sub(began);
            tokio::time::sleep(took * REST).await;
            let text = match made {
                Ok(text) => text,
                Err(StatusCode::PAYLOAD_TOO_LARGE) => {
                    let still = Event::default().event("still").data("too large to follow");
                    return Some((still, None));
                }
                Err(code) if code.is_server_error() => continue,
                Err(_) => return Some((gone("no such page"), None)),
            };
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
    async fn made(&mut self, visitor: Visitor) -> Result<String, StatusCode> {
        let making = self.held.streams.making.acquire().await;
        let _making = making.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        let request = Request::get(self.page.clone()).body(Body::empty());
        let mut request = request.map_err(|_| StatusCode::NOT_FOUND)?;
        // The first of these looks is on the log, and the others with it.
        let again = Visitor {
            again: self.looked,
            ..visitor
        };
        request.extensions_mut().insert(Again(again));
        let response = routed(&self.pages, request).await;
        if response.status() != StatusCode::OK {
            return Err(response.status());
        }
        self.looked = true;
        let bytes = to_bytes(response.into_body(), MOST_PAGE).await;
        let bytes = bytes.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
        String::from_utf8(bytes.into()).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// That there is nothing to follow any more.
fn gone(why: &str) -> Event {
    Event::default().event("gone").data(why)
}
