//! Where the link to a plan leads: it says how to look at it and decide. It shows nothing of the plan
//! itself, since whoever opens it has not signed in.

use axum::{
    Router,
    extract::Path,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};

/// A plan's id has so many digits.
const DIGITS: usize = 32;

/// `/approvals/{id}`.
pub(super) fn router() -> Router {
    Router::new().route("/approvals/{id}", get(page))
}

async fn page(Path(id): Path<String>) -> Response {
    let plain = id.len() == DIGITS && id.bytes().all(|digit| digit.is_ascii_hexdigit());
    let id = if plain { id.as_str() } else { "ID" };
    let text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>A decision waits</title>\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:4em auto;padding:0 1em}}\
         pre{{background:#f3f3f3;padding:1em;overflow:auto}}</style>\
         <h1>A decision waits</h1>\
         <p>Drawbridge asks a person before it lets an AI change something. If you are one of those who are \
         asked, look at exactly what would change, and decide, on your command line:</p>\
         <pre>drawbridge approvals show {id}\n\
         drawbridge approvals approve {id}\n\
         drawbridge approvals reject {id} --reason \"why\"</pre>\
         <p>From another machine, set <code>DRAWBRIDGE_URL</code> to this address and \
         <code>DRAWBRIDGE_TOKEN</code> to a personal token; an owner of the gateway makes one with \
         <code>drawbridge token new --personal --person YOU</code>.</p>"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, text).into_response()
}
