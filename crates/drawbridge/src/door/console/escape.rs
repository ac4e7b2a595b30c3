//! How everything on a page is written that is not the page's own: escaped, and with all that nobody
//! would see in it made visible, so that no text looks like another.

use std::fmt::{self, Write};

use askama::filters::Escaper;
use unicode_normalization::char::is_combining_mark;

/// Escapes HTML, and shows characters that show nothing or turn the direction of what follows, as
/// `⟦U+202E⟧`. Templates use it for every value; see `askama.toml`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Visible;

impl Escaper for Visible {
    fn write_escaped_str<W: Write>(&self, mut to: W, text: &str) -> fmt::Result {
        let mut written = 0;
        for (at, letter, unseen) in letters(text) {
            let named = unseen.then_some(Shown::Named(letter));
            if let Some(shown) = named.or_else(|| Shown::of(letter)) {
                to.write_str(text.get(written..at).unwrap_or_default())?;
                shown.write(&mut to)?;
                written = at + letter.len_utf8();
            }
        }
        to.write_str(text.get(written..).unwrap_or_default())
    }

    fn write_escaped_char<W: Write>(&self, mut to: W, letter: char) -> fmt::Result {
        match Shown::of(letter) {
            Some(shown) => shown.write(&mut to),
            None => to.write_char(letter),
        }
    }
}

/// Marks on one letter: no writing needs more, and a heap of them covers the lines around it.
const MOST_MARKS: usize = 8;

/// The letters of a text with their places, and whether each is one that nobody would see as it is:
/// because it hides, or is one mark too many on its letter.
fn letters(text: &str) -> impl Iterator<Item = (usize, char, bool)> {
    let mut marks = 0;
    text.char_indices().map(move |(at, letter)| {
        marks = if is_mark(letter) { marks + 1 } else { 0 };
        (at, letter, hides(letter) || marks > MOST_MARKS)
    })
}

/// Whether a text stands on a page as it is, so that a form brings it back.
pub(super) fn is_as_it_is(text: &str) -> bool {
    letters(text).all(|(_, _, unseen)| !unseen)
}

/// Whether a character stands on or under the one before it (general category M).
fn is_mark(letter: char) -> bool {
    !letter.is_ascii() && is_combining_mark(letter)
}

/// What stands in a character's place.
enum Shown {
    Entity(&'static str),
    Named(char),
}

impl Shown {
    fn of(letter: char) -> Option<Self> {
        let entity = match letter {
            '&' => "&#38;",
            '<' => "&#60;",
            '>' => "&#62;",
            '"' => "&#34;",
            '\'' => "&#39;",
            letter => return hides(letter).then_some(Self::Named(letter)),
        };
        Some(Self::Entity(entity))
    }

    fn write(&self, to: &mut impl Write) -> fmt::Result {
        match self {
            Self::Entity(entity) => to.write_str(entity),
            Self::Named(letter) => write!(to, "⟦U+{:04X}⟧", u32::from(*letter)),
        }
    }
}

/// Whether a character shows nothing, or changes how others are shown: controls, marks of direction,
/// joiners and fillers (Unicode 16, general categories Cc and Cf, and blanks that are wide as
/// nothing), tags, variation selectors and private use.
fn hides(letter: char) -> bool {
    match letter {
        '\n' | '\t' => false,
        letter if letter.is_control() => true,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => {
            true
        }
        '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' => true,
        '\u{fe00}'..='\u{fe0e}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' => true,
        '\u{600}'..='\u{605}'
        | '\u{6dd}'
        | '\u{70f}'
        | '\u{890}'
        | '\u{891}'
        | '\u{8e2}'
        | '\u{110bd}'
        | '\u{110cd}'
        | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' => true,
        '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}' => true,
        _ => false,
    }
}

/// JSON for people to read and edit, with what hides written as JSON's own escapes: it comes back as
/// it was.
pub(super) fn editable(value: &serde_json::Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut shown = String::with_capacity(text.len());
    for (_, letter, unseen) in letters(&text) {
        if unseen {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(letter);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use askama::filters::Escaper;
    use serde_json::json;

    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = String::new();
        Visible.write_escaped_str(&mut out, text).unwrap();
        out
    }

    #[test]
    fn markup_is_text_and_what_hides_is_told() {
        assert_eq!(
            escaped("<b title=\"x\">'&</b>"),
            "&#60;b title=&#34;x&#34;&#62;&#39;&#38;&#60;/b&#62;"
        );
        assert_eq!(escaped("pay\u{202e}100\u{0}\n"), "pay⟦U+202E⟧100⟦U+0000⟧\n");
        assert_eq!(
            escaped("Gånshöljet, 高橋, عربي, 👩\u{200d}🔧"),
            "Gånshöljet, 高橋, عربي, 👩⟦U+200D⟧🔧"
        );
        for letter in [
            "\u{1b}",
            "\u{7f}",
            "\u{85}",
            "\u{2066}",
            "\u{e0041}",
            "\u{feff}",
            "\r",
        ] {
            assert!(escaped(letter).starts_with("⟦U+"), "{letter:?}");
        }
    }

    #[test]
    fn a_heap_of_marks_is_told_and_no_language_is_touched() {
        for text in [
            "Tiếng Việt: nghiêng, ngả",
            "e\u{302}\u{323} a\u{30a}",
            "လျှော့ မြွှောင့်",
            "ภาษาไทย น้ำ กตัญญู",
            "हिन्दी क्षत्रिय स्त्री",
            "བསྒྲུབས་ རྒྱུ",
            "שָׁלוֹם",
            "ٱلْعَرَبِيَّة",
        ] {
            assert_eq!(escaped(text), text);
        }
        let heap = format!("a{}b", "\u{301}".repeat(10));
        assert_eq!(
            escaped(&heap),
            format!("a{}⟦U+0301⟧⟦U+0301⟧b", "\u{301}".repeat(8))
        );
    }

    proptest::proptest! {
        #[test]
        fn nothing_of_ours_is_left_to_a_text(text in "[a<>&'\"\u{301}\u{202e}\u{e0041}\n ]{0,40}") {
            let shown = escaped(&text);
            let bare = shown.replace("&#60;", "").replace("&#62;", "");
            let left = bare.contains(['<', '>', '"', '\'', '\u{202e}', '\u{e0041}']);
            let heaped = shown.contains(&"\u{301}".repeat(9));
            proptest::prop_assert!(!left && !heaped, "{}", shown);
        }
    }

    #[test]
    fn what_is_edited_comes_back_as_it_was() {
        let value = json!({"to": "ann\u{202e}@x.example", "n": [1, "\u{e0041}"], "t": "a\nb"});
        let shown = editable(&value);
        assert!(!shown.chars().any(hides), "{shown}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            value
        );
    }
}
