//! Values of files, and what a column of them is.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// Digits that a float keeps, whatever they are.
const DIGITS: usize = 15;
/// Digits that every whole number of 64 bits has room for.
const WHOLE_DIGITS: usize = 18;

/// A value, as its file has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Whole(i64),
    Real(f64),
    /// A text whose file does not say what it is.
    Plain(String),
    /// A text that is one, whatever it looks like.
    Text(String),
}

/// What the values of a column looked like so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Seen {
    whole: bool,
    real: bool,
    text: bool,
    /// Whole numbers that a float would not keep.
    long: bool,
}

/// What a column of the throw-away database is declared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) enum Type {
    Integer,
    Real,
    Text,
}

impl Type {
    /// As SQL has it.
    pub(in super::super) fn word(self) -> &'static str {
        match self {
            Self::Integer => " INTEGER",
            Self::Real => " REAL",
            Self::Text => " TEXT",
        }
    }
}

impl Seen {
    pub(super) fn look(&mut self, value: &Value) {
        match value {
            Value::Null => {}
            Value::Whole(number) => self.whole(number.to_string().trim_start_matches('-').len()),
            Value::Real(number) if number.is_finite() => self.real = true,
            Value::Real(_) | Value::Text(_) => self.text = true,
            Value::Plain(text) => self.plain(text),
        }
    }

    fn whole(&mut self, digits: usize) {
        self.whole = true;
        self.long |= digits > DIGITS;
    }

    /// Only what would be written the same again is a number: no leading zeros, no signs but minus,
    /// no exponents, and no more digits than a number keeps.
    fn plain(&mut self, text: &str) {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, part) = match digits.split_once('.') {
            Some((whole, part)) => (whole, Some(part)),
            None => (digits, None),
        };
        let all = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let zeros = whole.len() > 1 && whole.starts_with('0');
        match part {
            None if all(whole) && !zeros && whole.len() <= WHOLE_DIGITS && text != "-0" => {
                self.whole(whole.len());
            }
            Some(part) if all(whole) && all(part) && !zeros && digits.len() <= DIGITS + 1 => {
                self.real = true;
            }
            _ => self.text = true,
        }
    }

    /// What both saw.
    pub(in super::super) fn with(self, other: Self) -> Self {
        Self {
            whole: self.whole || other.whole,
            real: self.real || other.real,
            text: self.text || other.text,
            long: self.long || other.long,
        }
    }

    pub(in super::super) fn decided(self) -> Type {
        match self {
            Self { text: true, .. } => Type::Text,
            Self {
                real: true,
                long: true,
                ..
            } => Type::Text,
            Self { real: true, .. } => Type::Real,
            Self { whole: true, .. } => Type::Integer,
            Self { .. } => Type::Text,
        }
    }
}

/// The value as its column keeps it; none when it does not go into it.
pub(super) fn kept(value: &Value, column: Type) -> Option<Json> {
    Some(match (value, column) {
        (Value::Null, _) => Json::Null,
        (Value::Text(text) | Value::Plain(text), Type::Text) => json!(text),
        (Value::Whole(number), Type::Text) => json!(number.to_string()),
        (Value::Real(number), Type::Text) => json!(number.to_string()),
        (Value::Whole(number), Type::Integer) => json!(number),
        (Value::Plain(text), Type::Integer) => json!(text.parse::<i64>().ok()?),
        (Value::Whole(number), Type::Real) => json!(number.to_string().parse::<f64>().ok()?),
        (Value::Real(number), Type::Real) if number.is_finite() => json!(number),
        (Value::Plain(text), Type::Real) => json!(text.parse::<f64>().ok()?),
        (Value::Text(_) | Value::Real(_), Type::Integer | Type::Real) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stays_the_same_becomes_a_number() {
        let columns = [
            (&["1", "-20", "0"][..], Type::Integer),
            (&["1", "2.50"], Type::Real),
            (&["-0.5"], Type::Real),
            (&["007", "8"], Type::Text),
            (&["00.5"], Type::Text),
            (&["-0"], Type::Text),
            (&["+1"], Type::Text),
            (&["1e5"], Type::Text),
            (&["1.", "2"], Type::Text),
            (&[".5"], Type::Text),
            (&["123456789012345678"], Type::Integer),
            (&["1234567890123456789"], Type::Text),
            (&["123456789012345678", "0.5"], Type::Text),
            (&["0.12345678901234567"], Type::Text),
            (&["2026-01-31"], Type::Text),
            (&["٣"], Type::Text),
            (&["NaN"], Type::Text),
            (&[], Type::Text),
        ];
        for (texts, expected) in columns {
            let mut seen = Seen::default();
            for text in texts {
                seen.look(&Value::Plain((*text).to_owned()));
            }
            assert_eq!(seen.decided(), expected, "{texts:?}");
            for text in texts {
                let kept = kept(&Value::Plain((*text).to_owned()), expected);
                assert!(kept.is_some(), "{text}");
            }
        }
    }
}
