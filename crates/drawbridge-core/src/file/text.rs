//! From a file's bytes to its text: UTF-8, bounded, and without what an editor hides.

use super::fault::{FileError, FileErrors};

/// The largest file that is read, in bytes.
pub const MOST_BYTES: usize = 1 << 20;

/// The marks that editors put before UTF-16 text.
const UTF_16: [&[u8]; 2] = [&[0xff, 0xfe], &[0xfe, 0xff]];
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text of a file. A byte order mark is left out: it is no part of what people wrote.
///
/// # Errors
/// The place of the first byte or character that no such file may hold.
pub fn text(name: &str, bytes: &[u8]) -> Result<String, FileErrors> {
    let wrong = |before: &str, rule: String, mend: &str| {
        let line = before.rsplit('\n').next().unwrap_or_default();
        FileErrors(vec![FileError {
            file: name.to_owned(),
            line: before.matches('\n').count() as u64 + 1,
            column: line.chars().count() as u64 + 1,
            place: String::new(),
            rule,
            mend: mend.to_owned(),
        }])
    };
    if bytes.len() > MOST_BYTES {
        let rule = format!("the file is larger than {MOST_BYTES} bytes");
        return Err(wrong(
            "",
            rule,
            "split it, or take out what does not belong",
        ));
    }
    if UTF_16.iter().any(|mark| bytes.starts_with(mark)) {
        return Err(wrong(
            "",
            "the file is UTF-16".to_owned(),
            "save it as UTF-8",
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let before = String::from_utf8_lossy(good);
        let rule = "the file is not UTF-8 from here on".to_owned();
        wrong(&before, rule, "save it as UTF-8")
    })?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let control = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t');
    if let Some(at) = text.find(control) {
        let (before, after) = text.split_at(at);
        let code = after.chars().next().map_or(0, u32::from);
        let rule = format!("there is a control character here, U+{code:04X}");
        return Err(wrong(before, rule, "remove it"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_placed() {
        for (bytes, place, rule) in [
            (&b"a: 1\nb: \xff"[..], (2, 4), "not UTF-8"),
            (b"\xff\xfea\0", (1, 1), "UTF-16"),
            (b"a: 1\nb: \x1b[31m", (2, 4), "U+001B"),
            (&vec![b' '; MOST_BYTES + 1], (1, 1), "larger than"),
        ] {
            let errors = text("a.yaml", bytes).unwrap_err();
            let error = &errors.0[0];
            assert_eq!((error.line, error.column), place, "{error}");
            assert!(error.rule.contains(rule), "{error}");
        }
        assert_eq!(text("a.yaml", b"\xef\xbb\xbfa: 1\r\n").unwrap(), "a: 1\r\n");
    }
}
