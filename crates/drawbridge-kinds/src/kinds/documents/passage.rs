//! Documents cut into passages: parts that can be found by themselves.

use serde::{Deserialize, Serialize};

use super::{
    extract::{Extracted, Section},
    language::{Language, Words},
};

/// About how many words a passage has.
const WORDS: usize = 200;
/// The most bytes of a passage, for text without spaces.
const BYTES: usize = 8_000;
/// The most passages of a document: some 40,000 pages.
const MOST: usize = 50_000;

/// The most characters of a title, and of one heading.
const NAME: usize = 300;
/// The most headings above a passage.
const LEVELS: usize = 6;

/// A part of a document. The texts of its passages, one after the other, are the document's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Passage {
    /// The headings above it.
    pub(super) heading: String,
    /// The page it is on, from 1.
    pub(super) page: Option<u32>,
    /// Whether it is the first of its section.
    pub(super) opens: bool,
    /// What it says.
    pub(super) text: String,
}

/// A passage with what it is found by.
pub(super) struct Cut {
    pub(super) passage: Passage,
    /// The terms of title, headings and text, each followed by a space.
    pub(super) terms: String,
    /// How many terms there are.
    pub(super) length: u32,
}

/// A title or heading as people and AI clients are shown it: one line, of bounded length, without
/// characters that could pretend to be something else.
pub(super) fn name(text: &str) -> String {
    let breaks = |letter: char| {
        let turns = matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        letter.is_whitespace() || letter.is_control() || turns
    };
    let mut shown = String::new();
    let mut left = NAME;
    for word in text.split(breaks).filter(|word| !word.is_empty()) {
        if !shown.is_empty() {
            shown.push(' ');
        }
        let before = left;
        shown.extend(word.chars().take(left));
        left = left.saturating_sub(word.chars().take(before).count() + 1);
        if left == 0 {
            shown.push('…');
            break;
        }
    }
    shown
}

/// Cuts a document at its sections, and these at about [`WORDS`] words: at a paragraph, else at a
/// line, else at a space. The second part says what was left out, where it was too much.
pub(super) fn cut(
    title: &str,
    extracted: &Extracted,
    language: Language,
) -> (Vec<Cut>, Option<String>) {
    let mut words = Words::new(language);
    let mut cuts = Vec::new();
    for section in &extracted.sections {
        let levels = section.heading.iter().rev().take(LEVELS).rev();
        let heading = levels.map(|one| name(one)).collect::<Vec<_>>().join(" › ");
        for (number, text) in pieces(&section.text).into_iter().enumerate() {
            if cuts.len() == MOST {
                let left_out = format!("only its first {MOST} passages are kept");
                return (cuts, Some(left_out));
            }
            cuts.push(one(
                &mut words,
                title,
                passage(section, &heading, number == 0, text),
            ));
        }
    }
    (cuts, None)
}

fn passage(section: &Section, heading: &str, opens: bool, text: &str) -> Passage {
    Passage {
        heading: heading.to_owned(),
        page: section.page,
        opens,
        text: text.to_owned(),
    }
}

fn one(words: &mut Words, title: &str, passage: Passage) -> Cut {
    let (mut terms, mut length) = (String::new(), 0);
    for text in [title, &passage.heading, &passage.text] {
        words.each(text, |term| {
            terms.push_str(&term);
            terms.push(' ');
            length += 1;
        });
    }
    Cut {
        passage,
        terms,
        length,
    }
}

/// Cuts a text without losing a byte of it.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.trim().is_empty() {
        let (piece, after) = rest.split_at(end_of_piece(rest));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Where the first piece of a text ends.
fn end_of_piece(text: &str) -> usize {
    let (mut words, mut in_word) = (0, false);
    let (mut paragraph, mut line, mut space) = (None, None, None);
    for (at, letter) in text.char_indices() {
        if letter.is_whitespace() {
            let next = at + letter.len_utf8();
            match letter {
                '\n' if text.get(..at).is_some_and(|before| before.ends_with('\n')) => {
                    paragraph = Some(next);
                }
                '\n' => line = Some(next),
                _ => space = Some(next),
            }
            in_word = false;
        } else {
            words += usize::from(!in_word);
            in_word = true;
        }
        if words > WORDS || at >= BYTES {
            return paragraph.or(line).or(space).unwrap_or(at);
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_one_bounded_line_that_pretends_nothing() {
        assert_eq!(
            name(" Holiday\n\n2. \u{1b}[31mHR\u{202e} plan "),
            "Holiday 2. [31mHR plan"
        );
        assert_eq!(name("\u{202e}\n"), "");
        let long = name(&"word ".repeat(10_000));
        assert!(
            long.chars().count() <= NAME + 1 && long.ends_with('…'),
            "{long}"
        );
        assert!(name(&"x".repeat(1_000_000)).chars().count() <= NAME + 1);
    }

    /// A heading is repeated for each passage below it, so that a long one would multiply.
    #[test]
    fn a_long_heading_does_not_multiply() {
        let extracted = Extracted {
            sections: vec![Section {
                heading: vec!["abcdefg ".repeat(25_000); 40],
                page: None,
                text: "a a a a a a a a a a\n\n".repeat(20_000),
            }],
            ..Extracted::default()
        };
        let (cuts, _) = cut("t", &extracted, Language::default());
        let kept: usize = cuts
            .iter()
            .map(|cut| cut.passage.heading.len() + cut.terms.len())
            .sum();
        assert!(kept < 8 << 20, "{kept} bytes");
    }

    #[test]
    fn a_long_text_is_cut_at_paragraphs_and_one_without_any_at_lines_or_spaces() {
        let paragraph = "word ".repeat(150);
        let text = format!("{paragraph}\n\n{paragraph}");
        assert_eq!(pieces(&text).len(), 2);
        assert!(pieces(&text)[0].ends_with("\n\n"));
        let lines = "one two three four five\n".repeat(100);
        assert!(
            pieces(&lines)
                .iter()
                .all(|piece| piece.ends_with('\n') && piece.len() < 1_000)
        );
        let noise = "x".repeat(100_000);
        assert!(pieces(&noise).iter().all(|piece| piece.len() <= BYTES + 4));
    }

    proptest! {
        #[test]
        fn no_byte_is_lost(text in "([a-zä€\u{1F600} \n]{0,9}(\n\n)?){0,400}") {
            let joined = pieces(&text).concat();
            prop_assert!(text.starts_with(&joined));
            prop_assert!(text[joined.len()..].trim().is_empty());
        }
    }
}
