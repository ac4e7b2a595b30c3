//! The connector's own secret, taken out of what its server says: servers repeat in errors and dumps what
//! they were sent.

use std::{borrow::Cow, sync::Arc};

use drawbridge_core::secret::Secret;
use serde_json::{Map, Value};

/// What stands in its place.
const VEILED: &str = "(secret)";
/// Shorter ones are found in words by chance, and protect nothing.
const LEAST_BYTES: usize = 4;

/// Nothing, where a connector has no secret.
#[derive(Clone, Default)]
pub(super) struct Veil(Option<Arc<[Secret<String>]>>);

impl Veil {
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret<String>>) -> Self {
        let mut forms = Vec::new();
        for secret in secrets {
            let plain = secret.expose();
            if plain.len() < LEAST_BYTES {
                continue;
            }
            forms.push(secret.clone());
            // As it stands in JSON that was written as text.
            let written = Value::from(plain.as_str()).to_string();
            let written = written.trim_start_matches('"').trim_end_matches('"');
            if written != plain {
                forms.push(Secret::new(written.to_owned()));
            }
        }
        // One can be the beginning of another.
        forms.sort_by_key(|form| std::cmp::Reverse(form.expose().len()));
        Self((!forms.is_empty()).then(|| forms.into()))
    }

    /// A text without it.
    pub(super) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut veiled = Cow::Borrowed(text);
        for form in self.0.iter().flat_map(|forms| forms.iter()) {
            if veiled.contains(form.expose()) {
                veiled = Cow::Owned(veiled.replace(form.expose(), VEILED));
            }
        }
        veiled
    }

    /// Takes it out of all texts of a value, and of the names of its members.
    pub(super) fn value(&self, value: &mut Value) {
        if self.0.is_some() {
            self.inside(value);
        }
    }

    fn inside(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(veiled) = self.text(text) {
                    *text = veiled;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.inside(item)),
            Value::Object(fields) => {
                fields.values_mut().for_each(|value| self.inside(value));
                if fields
                    .keys()
                    .any(|name| matches!(self.text(name), Cow::Owned(_)))
                {
                    let named = std::mem::take(fields).into_iter();
                    let named = named.map(|(name, value)| (self.text(&name).into_owned(), value));
                    *fields = named.collect::<Map<_, _>>();
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_nowhere_in_what_is_left() {
        let secret = Secret::new("a\"b/c\nd".to_owned());
        let veil = Veil::new(Some(&secret));
        let dump = json!({"key": secret.expose()}).to_string();
        let mut value = json!({
            "text": format!("x {} y {}", secret.expose(), secret.expose()),
            "dump": [dump], secret.expose(): null, "other": "a\"b", "n": 1,
        });
        veil.value(&mut value);
        let left = json!({
            "text": "x (secret) y (secret)", "dump": ["{\"key\":\"(secret)\"}"], "(secret)": null,
            "other": "a\"b", "n": 1,
        });
        assert_eq!(value, left);
    }

    #[test]
    fn without_a_secret_all_stays() {
        for veil in [
            Veil::default(),
            Veil::new(Some(&Secret::new("a".to_owned()))),
        ] {
            let mut value = json!({"a": ["a", "abc"]});
            veil.value(&mut value);
            assert_eq!(value, json!({"a": ["a", "abc"]}));
        }
    }
}
