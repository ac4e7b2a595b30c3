//! What people and scripts see. The only place that prints.

use std::{
    io::{Write, stderr, stdout},
    process::ExitCode,
};

use axum::http::StatusCode;
use drawbridge_core::log::plain;
use serde_json::Value;

use super::text::Text;

/// Exit codes of commands that ask the gateway something; 2 is a wrong command line or file.
const FAILED: u8 = 1;
const DENIED: u8 = 3;
const NOT_FOUND: u8 = 4;
const UNAVAILABLE: u8 = 5;

/// Prints a line of text. A reader that has seen enough (`| head`) is no fault.
pub(super) fn line(text: &str) {
    let _ = writeln!(stdout(), "{text}");
}

/// Prints a line beside the output.
pub(super) fn beside(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

/// JSON on one line that cannot mislead a terminal.
pub(super) fn json(value: &Value) -> String {
    let line = plain::json(value).unwrap_or_default();
    String::from_utf8(line).unwrap_or_default()
}

/// Prints what went wrong.
pub(super) fn error(text: &str) {
    beside(&format!("error: {}", visible(text)));
}

/// Prints an answer, as `text` makes it readable; the exit code says how it ended.
pub(super) fn answer(answer: &Value, json: bool, text: Text) -> ExitCode {
    let status = answer
        .get("status")
        .and_then(Value::as_str)
        .unwrap_or("failed");
    if json {
        line(&self::json(answer));
    } else {
        for notice in answer
            .get("notices")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let notice = visible(notice.as_str().unwrap_or_default());
            beside(&format!("{status}: {notice}"));
        }
        if let Some(data) = answer.get("data").filter(|data| !data.is_null()) {
            line(&visible(&text(data)));
        }
    }
    ExitCode::from(match status {
        "ok" | "partial" => 0,
        "denied" | "rejected" => DENIED,
        "not_found" => NOT_FOUND,
        "unavailable" | "timeout" | "stale" => UNAVAILABLE,
        _ => FAILED,
    })
}

/// Prints the text of an answer, as an AI would read it; the exit code says how it ended.
pub(super) fn read(code: StatusCode, text: &str) -> ExitCode {
    if code.is_success() {
        line(&visible(text));
    } else {
        beside(&visible(text));
    }
    ExitCode::from(match code {
        code if code.is_success() => 0,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => DENIED,
        StatusCode::NOT_FOUND => NOT_FOUND,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => UNAVAILABLE,
        _ => FAILED,
    })
}

/// Text from elsewhere with its control and direction characters made visible, so that it cannot
/// pretend to be something else on a terminal.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if plain::misleads(letter) && letter != '\n' {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn what_could_mislead_is_made_visible() {
        assert_eq!(
            visible("a\u{1b}[31m\u{202e}b\nc"),
            "a\\u{1b}[31m\\u{202e}b\nc"
        );
    }
}
