//! `read`: a document's text, whole or in part, a page at a time.

use std::{collections::BTreeSet, fmt::Write};

use drawbridge_core::answer::Failure;
use serde_json::{Value, json};

use super::{super::passage::Passage, Answer, NoAnswer, Question, with};

/// About how many characters one answer has.
const PAGE: usize = 12_000;
/// The most headings of an outline.
const OUTLINE: usize = 500;

impl Question<'_> {
    pub(super) fn read(&self, answer: &mut Answer) -> Result<(), NoAnswer> {
        let slot = self.snapshot.slot(self.text("path").unwrap_or_default());
        let slot = slot.filter(|slot| self.visible.sees(*slot)).ok_or_else(|| {
            Failure::not_found("there is no document with this path that you may see; `search` and `list` give paths")
        })?;
        let held = self.held(slot)?;
        let passages = self.snapshot.passages(slot)?;
        let whole = self.range(&text(&self.parts(&passages)?))?;
        let (from, length) = (self.position()?, whole.chars().count());
        let page: String = whole.chars().skip(from).take(PAGE).collect();
        let end = from + page.chars().count();
        let next = (end < length).then(|| self.cursor(end));
        let version = &held.document.version;
        answer.found.text = format!(
            "# {}\n`{}`, version {version}\n\n{page}",
            held.document.title,
            held.path()
        );
        if let Some(reason) = &held.document.reason {
            let missing = format!("the document's text is not whole: {reason}");
            answer.found.missing.push(missing);
        }
        if next.is_some() {
            let _ = write!(
                answer.found.text,
                "\n\n[characters {from} to {end} of {length}; ask again with the cursor for more]"
            );
        }
        answer.found.count = 1;
        answer.found.data = with(
            self.show(held, None, answer),
            json!({
                "text": page, "length": length, "lines": whole.lines().count(),
                "outline": outline(&passages), "next": next,
            }),
        );
        Ok(())
    }

    /// The passages that `heading` and `page` ask for.
    fn parts<'a>(&self, passages: &'a [Passage]) -> Result<Vec<&'a Passage>, Failure> {
        let (heading, page) = (self.text("heading"), self.number("page"));
        let below = |passage: &&Passage| heading.is_none_or(|it| passage.heading.contains(it));
        let on = |passage: &&Passage| {
            page.is_none_or(|page| passage.page.and_then(|own| own.try_into().ok()) == Some(page))
        };
        let parts: Vec<&Passage> = passages.iter().filter(below).filter(on).collect();
        if parts.is_empty() && (heading.is_some() || page.is_some()) {
            let none = "the document has no such part; read it without `heading` and `page`";
            return Err(Failure::not_found(none));
        }
        Ok(parts)
    }

    /// What `from_line`, `to_line`, `from_character` and `to_character` ask for, counted from 1,
    /// both ends within.
    fn range(&self, text: &str) -> Result<String, Failure> {
        let lines = self.ends("from_line", "to_line")?;
        let characters = self.ends("from_character", "to_character")?;
        let mut part = text.to_owned();
        if let Some((skip, take)) = lines {
            let chosen = text.split_inclusive('\n').skip(skip).take(take);
            part = chosen.collect();
        }
        if let Some((skip, take)) = characters {
            part = part.chars().skip(skip).take(take).collect();
        }
        if part.is_empty() && (lines.is_some() || characters.is_some()) {
            let none = "the document has no such range; read it without one to see its length";
            return Err(Failure::not_found(none));
        }
        Ok(part)
    }

    /// How many to skip and how many to take.
    fn ends(&self, from: &str, to: &str) -> Result<Option<(usize, usize)>, Failure> {
        let (first, last) = (self.number(from), self.number(to));
        if first.is_none() && last.is_none() {
            return Ok(None);
        }
        let (first, last) = (first.unwrap_or(1).max(1), last.unwrap_or(usize::MAX));
        match last.checked_sub(first - 1) {
            Some(take) if take > 0 => Ok(Some((first - 1, take))),
            _ => Err(Failure::invalid(format!("`{to}`: it is before `{from}`"))),
        }
    }
}

/// The headings of a document, in order.
fn outline(passages: &[Passage]) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    let headings = passages.iter().map(|passage| passage.heading.as_str());
    let first = headings.filter(|heading| !heading.is_empty() && seen.insert(*heading));
    first.take(OUTLINE).map(Value::from).collect()
}

/// The text of passages, with the headings and pages it is under.
fn text(parts: &[&Passage]) -> String {
    let (mut text, mut heading, mut page) = (String::new(), "", None);
    for part in parts {
        let moved = part.opens || (part.heading.as_str(), part.page) != (heading, page);
        if part.heading != heading && !part.heading.is_empty() {
            let _ = write!(text, "\n\n## {}", part.heading);
        }
        if part.page != page
            && let Some(page) = part.page
        {
            let _ = write!(text, "\n\n[page {page}]");
        }
        (heading, page) = (&part.heading, part.page);
        if moved {
            text.truncate(text.trim_end().len());
            text.push_str("\n\n");
        }
        text.push_str(&part.text);
    }
    text.trim().to_owned()
}
