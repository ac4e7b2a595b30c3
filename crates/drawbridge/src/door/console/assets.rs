//! What pages are made of beside their text: style, script and icon, inside the program.

use std::sync::LazyLock;

use axum::{
    Router,
    http::{HeaderValue, header},
    response::IntoResponse,
    routing::get,
};
use sha2::{Digest, Sha256};

const STYLE_TEXT: &str = include_str!("../../../console/assets/style.css");
const SCRIPT_TEXT: &str = include_str!("../../../console/assets/console.js");
const ICON_TEXT: &str = include_str!("../../../console/assets/icon.svg");

/// Where the style is: another address for another text, so that browsers may keep it.
pub(crate) static STYLE: LazyLock<String> = LazyLock::new(|| versioned("style.css", STYLE_TEXT));
/// Where the script is.
pub(crate) static SCRIPT: LazyLock<String> = LazyLock::new(|| versioned("console.js", SCRIPT_TEXT));

fn versioned(name: &str, text: &str) -> String {
    let digest = hex::encode(Sha256::digest(text));
    format!("/console/{name}?{}", digest.get(..12).unwrap_or_default())
}

/// The files. Anyone may have them: they say nothing of anyone.
pub(super) fn router() -> Router {
    Router::new()
        .route("/console/style.css", get(|| file("text/css", STYLE_TEXT)))
        .route(
            "/console/console.js",
            get(|| file("text/javascript", SCRIPT_TEXT)),
        )
        .route(
            "/console/icon.svg",
            get(|| file("image/svg+xml", ICON_TEXT)),
        )
}

async fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    let kept = HeaderValue::from_static("public, max-age=31536000, immutable");
    let kind = HeaderValue::from_static(kind);
    (
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, kept)],
        text,
    )
}
