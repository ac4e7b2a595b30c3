//! The time zone of whoever looks at a page. Their browser's script tells it; without one it is UTC.

use axum::http::{HeaderMap, header};
use jiff::{Timestamp, civil, tz::TimeZone};

/// The cookie in which the script tells it: no secret, and worth nothing to anybody else.
const COOKIE: &str = "drawbridge-zone";
/// The longest name of a zone.
const LONGEST: usize = 64;

/// A time zone that this machine knows.
#[derive(Clone)]
pub(super) struct Zone {
    name: String,
    zone: TimeZone,
}

impl Zone {
    /// The zone that a request tells.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let cookies = headers.get_all(header::COOKIE).iter();
        let cookies = cookies.filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|value| value.split(';'));
        let told = pairs.find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == COOKIE).then_some(value)
        });
        told.and_then(Self::named).unwrap_or_else(Self::utc)
    }

    /// The zone of this name, where there is one.
    pub(super) fn named(name: &str) -> Option<Self> {
        let letter = |letter: u8| letter.is_ascii_alphanumeric() || b"/_+-".contains(&letter);
        let fits = !name.is_empty() && name.len() <= LONGEST && name.bytes().all(letter);
        let zone = fits.then(|| TimeZone::get(name).ok()).flatten()?;
        Some(Self {
            name: name.to_owned(),
            zone,
        })
    }

    /// Where nobody says which.
    pub(super) fn utc() -> Self {
        Self {
            name: "UTC".to_owned(),
            zone: TimeZone::UTC,
        }
    }

    /// How people call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A time as its clocks show it.
    pub(super) fn told(&self, time: Timestamp) -> String {
        let zoned = time.to_zoned(self.zone.clone());
        zoned.strftime("%Y-%m-%d %H:%M %Z").to_string()
    }

    /// The time at which its clocks show this; none where it is no time. Where they show it twice, the
    /// first.
    pub(super) fn read(&self, text: &str) -> Option<Timestamp> {
        if let Ok(whole) = text.parse() {
            return Some(whole);
        }
        let shown: civil::DateTime = text.parse().ok()?;
        Some(shown.to_zoned(self.zone.clone()).ok()?.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(cookie: &'static str) -> Zone {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static(cookie));
        Zone::of(&headers)
    }

    #[test]
    fn times_are_read_and_told_as_clocks_there_show_them() {
        let zone = of("a=b; drawbridge-zone=Europe/Berlin; drawbridge-8080=x");
        assert_eq!(zone.name(), "Europe/Berlin");
        for (text, whole) in [
            ("2026-06-01T14:00", "2026-06-01T12:00:00Z"),
            ("2026-01-01", "2025-12-31T23:00:00Z"),
            ("2026-06-01T12:00:00Z", "2026-06-01T12:00:00Z"),
            ("2026-10-25T02:30", "2026-10-25T00:30:00Z"),
        ] {
            assert_eq!(zone.read(text), whole.parse().ok(), "{text}");
        }
        assert_eq!(zone.read("yesterday"), None);
        let noon = "2026-06-01T12:00:00Z".parse().unwrap();
        assert_eq!(zone.told(noon), "2026-06-01 14:00 CEST");
        assert_eq!(Zone::utc().told(noon), "2026-06-01 12:00 UTC");
    }

    #[test]
    fn what_is_no_zone_is_utc() {
        for cookie in [
            "drawbridge-zone=",
            "drawbridge-zone=Nowhere/Town",
            "drawbridge-zone=../../etc/passwd",
            "drawbridge-zone=<b>",
            "other=Europe/Berlin",
        ] {
            assert_eq!(of(cookie).name(), "UTC", "{cookie}");
        }
    }
}
