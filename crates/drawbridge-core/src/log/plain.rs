//! Text from elsewhere made plain: on one line, and unable to pretend to be something else.
//!
//! Records are written as JSON in which such characters are escaped, so that one record is one
//! line wherever it is shown, and parses back to exactly what was recorded.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};
use sha2::{Digest, Sha256};

/// The most characters of a value that a searchable column holds as they are. PostgreSQL indexes
/// no more than 2,704 bytes.
const COLUMN: usize = 200;
/// Characters that are kept of a longer value.
const HEAD: usize = 160;

/// Whether a character could break a line, steer a terminal, turn the direction of the text around
/// it, or not be seen at all.
#[must_use]
pub fn misleads(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// The text with misleading characters as `\u{…}`. For people to read: it is not read back.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if misleads(letter) {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// JSON on one line in which misleading characters are escaped as `\uXXXX`.
///
/// # Errors
/// When the value is no JSON: a map whose keys are no texts.
pub fn json(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::with_capacity(512);
    value.serialize(&mut Serializer::with_formatter(&mut bytes, Plain))?;
    Ok(bytes)
}

/// What a searchable column holds of a value: the value itself, or, where a database could not hold
/// or index it, its beginning made visible and a digest of the whole.
#[must_use]
pub fn column(value: &str) -> String {
    let odd = |letter: char| letter.is_control() || letter == '…';
    let long = value.char_indices().nth(COLUMN).is_some();
    if !long && !value.contains(odd) {
        return value.to_owned();
    }
    let head: String = value.chars().take(HEAD).collect();
    let head: String = visible(&head).chars().take(HEAD).collect();
    let digest = hex::encode(Sha256::digest(value.as_bytes()));
    format!("{head}…{}", digest.get(..32).unwrap_or(&digest))
}

/// Compact JSON that escapes what misleads.
struct Plain;

impl Formatter for Plain {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Most text is plain, and that is quick to see.
        if fragment.bytes().all(|byte| byte < 0x7f) {
            return CompactFormatter.write_string_fragment(writer, fragment);
        }
        let mut rest = fragment;
        while let Some((at, letter)) = rest.char_indices().find(|(_, letter)| misleads(*letter)) {
            let (plain, after) = rest.split_at(at);
            CompactFormatter.write_string_fragment(writer, plain)?;
            for unit in letter.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = after.get(letter.len_utf8()..).unwrap_or_default();
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_mislead_is_made_visible() {
        assert_eq!(
            visible("a\u{1b}[31m\u{202e}b\nc"),
            "a\\u{1b}[31m\\u{202e}b\\u{a}c"
        );
    }

    #[test]
    fn columns_keep_plain_values_and_tell_others_apart() {
        assert_eq!(column("ann@x.example"), "ann@x.example");
        assert_eq!(column("ACME\\ann"), "ACME\\ann");
        let odd = [
            "a\0b".to_owned(),
            "a\0c".to_owned(),
            "a".repeat(201),
            "a".repeat(202),
            column("a\0b"),
        ];
        let columns: std::collections::BTreeSet<String> =
            odd.iter().map(|value| column(value)).collect();
        assert_eq!(columns.len(), odd.len(), "{columns:?}");
        for column in columns {
            assert!(column.len() < 2_000 && !column.contains('\0'), "{column}");
        }
    }

    proptest! {
        #[test]
        fn json_is_one_plain_line_that_parses_back(texts in proptest::collection::vec(any::<String>(), 0..5)) {
            let line = json(&texts).unwrap();
            let line = String::from_utf8(line).unwrap();
            prop_assert!(!line.contains(misleads));
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&line).unwrap(), texts);
        }

        #[test]
        fn json_escapes_every_misleading_character(letter in any::<char>()) {
            let line = String::from_utf8(json(&letter.to_string()).unwrap()).unwrap();
            prop_assert!(!line.contains(misleads));
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), letter.to_string());
        }
    }
}
