//! Whether JSON is safe to parse: depth, size in values, and no key twice. A pure function.

use std::{cell::Cell, collections::HashSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// How deep arrays and objects may nest.
pub const MOST_DEPTH: usize = 64;
/// How many values and keys a body may hold.
pub const MOST_VALUES: usize = 200_000;

/// Reads a body once, keeping nothing but the keys of open objects.
///
/// Two readers of the same body must see the same thing: of a key that comes twice, one parser
/// keeps the first and another the last, so a body with one is refused.
///
/// # Errors
/// What is wrong, with line and column, in words that repeat nothing of the body but a key.
pub fn check(body: &[u8]) -> Result<(), String> {
    let left = Cell::new(MOST_VALUES);
    let mut reader = serde_json::Deserializer::from_slice(body);
    let top = Walk {
        depth: 0,
        left: &left,
    };
    top.deserialize(&mut reader)
        .and_then(|()| reader.end())
        .map_err(|error| format!("the body is not JSON that can be used: {error}"))
}

/// Walks through one value.
#[derive(Clone, Copy)]
struct Walk<'a> {
    depth: usize,
    left: &'a Cell<usize>,
}

impl Walk<'_> {
    fn count<E: Error>(self) -> Result<(), E> {
        let left = self.left.get().checked_sub(1);
        self.left.set(
            left.ok_or_else(|| E::custom(format_args!("it holds more than {MOST_VALUES} values")))?,
        );
        Ok(())
    }

    fn inside<E: Error>(self) -> Result<Self, E> {
        if self.depth == MOST_DEPTH {
            return Err(E::custom(format_args!(
                "it nests deeper than {MOST_DEPTH} levels"
            )));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        self.count()?;
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        while items.next_element_seed(inside)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            self.count()?;
            if !seen.insert(key.clone()) {
                let key: String = key.chars().take(40).collect();
                return Err(A::Error::custom(format_args!("key {key:?} comes twice")));
            }
            entries.next_value_seed(inside)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_what_a_parser_takes() {
        for good in [
            "null",
            "true",
            "-0.5e-3",
            "\"a\"",
            "[]",
            "{}",
            " [1, {\"a\": {\"a\": 1}}] \n",
            "{\"a\":1,\"A\":1,\"a \":1}",
            "[{\"a\":1},{\"a\":1}]",
        ] {
            assert_eq!(check(good.as_bytes()), Ok(()), "{good}");
        }
    }

    #[test]
    fn refuses_what_two_parsers_may_read_differently() {
        for bad in [
            &b""[..],
            b"{",
            b"[1,]",
            b"{\"a\":1,\"a\":2}",
            b"{\"a\":{\"b\":1,\"b\":1}}",
            b"{\"a\":1,\"\\u0061\":2}",
            b"1 2",
            b"{} x",
            b"NaN",
            b"'a'",
            b"01",
            b"+1",
            b"1e999",
            b"\"\xff\"",
            b"{\"\xc0\xae\":1}",
            b"\"\\ud800\"",
            b"\"\n\"",
            b"\xef\xbb\xbf{}",
            b"{\"a\" 1}",
            b"/**/{}",
            b"{\"a\":1,}",
            b"\x00",
        ] {
            assert!(check(bad).is_err(), "{:?}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn bounds_depth_and_count() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(check(nested(MOST_DEPTH).as_bytes()), Ok(()));
        assert!(check(nested(MOST_DEPTH + 1).as_bytes()).is_err());
        assert!(check("[".repeat(1_000_000).as_bytes()).is_err());
        assert!(check("{\"a\":".repeat(1_000_000).as_bytes()).is_err());
        let many = format!("[{}1]", "1,".repeat(MOST_VALUES));
        assert!(check(many.as_bytes()).unwrap_err().contains("values"));
        let digits = "9".repeat(3_000_000);
        let _ = check(digits.as_bytes());
    }

    proptest! {
        #[test]
        fn never_panics_and_agrees_with_the_parser(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let taken = check(&body).is_ok();
            let parsed = serde_json::from_slice::<serde_json::Value>(&body).is_ok();
            prop_assert!(!taken || parsed);
        }

        #[test]
        fn takes_every_printed_value(keys in prop::collection::hash_map(".{0,8}", any::<i64>(), 0..20)) {
            let body = serde_json::to_vec(&keys).unwrap();
            prop_assert_eq!(check(&body), Ok(()));
        }
    }
}
