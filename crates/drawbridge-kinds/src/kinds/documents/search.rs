//! Answers, made from what the view admits and nothing else.
//!
//! Document frequencies and lengths are those of the visible passages, so that neither scores nor
//! order tell whether something else exists.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write,
    sync::Arc,
};

use drawbridge_core::{
    answer::{Failure, Found, Source, Status},
    call::Call,
    connector::LABEL,
    decide::View,
    file::WhenStale,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Folder,
    corpus::{Corpus, Document, Passage, analyzer, count},
    part::Shown,
};

/// BM25's saturation of term frequency and weight of length (Robertson and Zaragoza, 2009).
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// Passages of one document in an answer.
const PER_DOCUMENT: usize = 3;
/// About how many characters one page of a document has.
const PAGE: usize = 12_000;
/// Words around a hit in its snippet.
const SNIPPET: usize = 40;

pub(super) fn fetch(folder: &Folder, call: &Call, view: &View) -> Result<Found, Failure> {
    let question = Question {
        folder,
        call,
        view,
        corpus: folder.corpus.load_full(),
    };
    match call.action.name {
        "search" => question.search(),
        "list" => question.list(),
        _ => question.read(),
    }
}

struct Question<'a> {
    folder: &'a Folder,
    call: &'a Call,
    view: &'a View,
    corpus: Arc<Corpus>,
}

struct Hit<'a> {
    score: f64,
    number: usize,
    document: &'a Document,
    passage: &'a Passage,
}

impl Question<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.call.arguments.get(name).and_then(Value::as_str)
    }

    fn number(&self, name: &str, otherwise: usize) -> usize {
        let number = self.call.arguments.get(name).and_then(Value::as_u64);
        number
            .and_then(|number| usize::try_from(number).ok())
            .unwrap_or(otherwise)
    }

    /// The documents the caller may see, by path. A superseded one is hidden only from those who
    /// may see what supersedes it: else its absence would tell that something else exists.
    fn visible(&self) -> BTreeMap<&str, &Document> {
        let mut admitted = HashMap::new();
        let mut seen: BTreeMap<&str, &Document> = self
            .corpus
            .documents
            .values()
            .filter(|document| {
                let draft = document
                    .resource
                    .0
                    .get("status")
                    .is_some_and(|status| status == "draft");
                let resource = &document.resource;
                (!draft || self.folder.own.scope.drafts == Shown::Show)
                    && *admitted
                        .entry(resource)
                        .or_insert_with(|| self.view.admits(resource))
            })
            .map(|document| (document.path.as_str(), &**document))
            .collect();
        if self.folder.own.scope.superseded == Shown::Hide {
            let older: BTreeSet<String> = seen
                .values()
                .filter_map(|document| document.supersedes.clone())
                .collect();
            seen.retain(|path, _| !older.contains(*path));
        }
        seen
    }

    /// Those of the visible documents that the filters let through.
    fn filtered(&self) -> Vec<&Document> {
        let wanted = |document: &Document| {
            let equal = [LABEL, "department", "customer", "project", "format"]
                .into_iter()
                .all(|facet| {
                    self.text(facet).is_none_or(|wanted| {
                        document
                            .resource
                            .0
                            .get(facet)
                            .is_some_and(|is| is == wanted)
                    })
                });
            let inside = self.text("folder").is_none_or(|folder| {
                let folder = folder.trim_matches('/');
                folder.is_empty()
                    || document
                        .path
                        .strip_prefix(folder)
                        .is_some_and(|rest| rest.starts_with('/'))
            });
            equal && inside
        };
        // The map borrows from the corpus, not from itself.
        let seen = self.visible();
        let paths: Vec<&str> = seen
            .into_iter()
            .filter(|(_, document)| wanted(document))
            .map(|(path, _)| path)
            .collect();
        paths
            .iter()
            .filter_map(|path| self.corpus.documents.get(*path).map(|document| &**document))
            .collect()
    }

    fn search(&self) -> Result<Found, Failure> {
        let query = self.text("query").unwrap_or_default();
        let stems = count(&mut analyzer(self.folder.own.scope.language), query);
        if stems.is_empty() {
            return Err(Failure::invalid(
                "`query`: there is no word in it to look for",
            ));
        }
        let stems: BTreeMap<Box<str>, u32> = stems.into_iter().collect();
        let documents = self.filtered();
        let hits = ranked(&documents, &stems);
        let (from, limit) = (self.position()?, self.number("limit", 10));
        let page: Vec<&Hit<'_>> = hits.iter().skip(from).take(limit).collect();
        let mut found = Found::new(Value::Null, String::new(), page.len() as u64);
        let mut list = Vec::new();
        for hit in &page {
            let source = self.source(hit.document, place(hit.passage), &mut found)?;
            let snippet = snippet(hit.passage, &stems, self.folder);
            let _ = writeln!(
                found.text,
                "{}. **{}** — `{}`{}\n   {}\n",
                from + list.len() + 1,
                source.title,
                source.path,
                source
                    .place
                    .as_ref()
                    .map(|place| format!(", {place}"))
                    .unwrap_or_default(),
                snippet.replace('\n', " ")
            );
            let mut one = described(&source);
            extend(
                &mut one,
                json!({
                    "heading": hit.passage.heading, "page": hit.passage.page, "snippet": snippet, "score": hit.score,
                }),
            );
            list.push(one);
            found.sources.push(source);
        }
        if list.is_empty() {
            found.text = "No document that you may see has these words.".to_owned();
        }
        let next = (from + page.len() < hits.len()).then(|| self.cursor(from + page.len()));
        found.data = json!({"hits": list, "total": hits.len(), "next": next});
        Ok(found)
    }

    fn list(&self) -> Result<Found, Failure> {
        let documents = self.filtered();
        let (from, limit) = (self.position()?, self.number("limit", 50));
        let mut found = Found::new(Value::Null, String::new(), 0);
        let mut list = Vec::new();
        for document in documents.iter().skip(from).take(limit) {
            let source = self.source(document, None, &mut found)?;
            let state = if document.passages.is_empty() && document.reason.is_some() {
                "unreadable"
            } else {
                "ok"
            };
            let reason = document
                .reason
                .as_ref()
                .map(|reason| format!(" ({state}: {reason})"))
                .unwrap_or_default();
            let _ = writeln!(found.text, "- `{}` — {}{reason}", source.path, source.title);
            let mut one = described(&source);
            extend(&mut one, json!({"state": state, "reason": document.reason}));
            list.push(one);
        }
        found.count = list.len() as u64;
        let next = (from + list.len() < documents.len()).then(|| self.cursor(from + list.len()));
        if list.is_empty() {
            found.text = "There is no document that you may see here.".to_owned();
        }
        found.data = json!({"documents": list, "total": documents.len(), "next": next});
        Ok(found)
    }

    fn read(&self) -> Result<Found, Failure> {
        let path = self.text("path").unwrap_or_default();
        let document = self.visible().remove(path).ok_or_else(|| {
            Failure::not_found("there is no document with this path that you may see; `search` and `list` give paths")
        })?;
        let (heading, page) = (
            self.text("heading"),
            self.call.arguments.get("page").and_then(Value::as_u64),
        );
        let parts: Vec<&Passage> = document
            .passages
            .iter()
            .filter(|passage| heading.is_none_or(|heading| passage.heading.contains(heading)))
            .filter(|passage| page.is_none_or(|page| passage.page.map(u64::from) == Some(page)))
            .collect();
        if parts.is_empty() && (heading.is_some() || page.is_some()) {
            return Err(Failure::not_found(
                "the document has no such part; read it without `heading` and `page`",
            ));
        }
        let whole = whole(&parts);
        let from = self.position()?;
        let text: String = whole.chars().skip(from).take(PAGE).collect();
        let (length, end) = (whole.chars().count(), from + text.chars().count());
        let mut found = Found::new(Value::Null, String::new(), 1);
        let source = self.source(document, None, &mut found)?;
        let next = (end < length).then(|| self.cursor(end));
        let outline: BTreeSet<&str> = document
            .passages
            .iter()
            .map(|passage| passage.heading.as_str())
            .collect();
        found.text = format!(
            "# {}\n`{}`, version {}\n\n{text}",
            source.title, source.path, source.version
        );
        if let Some(reason) = &document.reason {
            found
                .missing
                .push(format!("the document's text is not whole: {reason}"));
        }
        if next.is_some() {
            let _ = write!(
                found.text,
                "\n\n[characters {from} to {end} of {length}; ask again with the cursor for more]"
            );
        }
        found.data = described(&source);
        extend(
            &mut found.data,
            json!({"text": text, "length": length, "outline": outline, "next": next}),
        );
        found.sources.push(source);
        Ok(found)
    }

    /// What the answer rests on; refused when it is older than the file allows.
    fn source(
        &self,
        document: &Document,
        place: Option<String>,
        found: &mut Found,
    ) -> Result<Source, Failure> {
        let seen = self
            .corpus
            .synced
            .unwrap_or(document.synced)
            .max(document.synced);
        let age = self
            .folder
            .context
            .clock
            .now()
            .duration_since(seen)
            .unsigned_abs();
        let stale = self.folder.part.stale_after.is_some_and(|most| age > most);
        if stale && self.folder.part.when_stale == WhenStale::Refuse {
            return Err(Failure::new(
                Status::Stale,
                "the documents were last seen longer ago than the file allows",
            ));
        }
        let notice =
            "these documents were last seen longer ago than the file wants: say so when you answer";
        if stale && found.notices.is_empty() {
            found.notices.push(notice.to_owned());
        }
        Ok(Source {
            title: document.title.clone(),
            path: document.path.clone(),
            place,
            modified: document.modified,
            synced: seen,
            version: document.version.clone(),
            label: document.label().to_owned(),
            stale,
        })
    }

    /// What a cursor is bound to: the question, and all that the view depends on.
    fn bond(&self) -> [u8; 32] {
        let mut arguments = self.call.arguments.clone();
        if let Some(arguments) = arguments.as_object_mut() {
            arguments.remove("cursor");
        }
        let mut hasher = Sha256::new();
        hasher.update(self.call.action.name);
        hasher.update(arguments.to_string());
        hasher.update(self.view.fingerprint().0);
        hasher.finalize().into()
    }

    fn cursor(&self, position: usize) -> String {
        let mut content = self.bond().to_vec();
        content.extend(position.to_string().bytes());
        self.folder.context.seal.seal(&content)
    }

    fn position(&self) -> Result<usize, Failure> {
        let Some(cursor) = self.text("cursor") else {
            return Ok(0);
        };
        let position = || {
            let content = self.folder.context.seal.open(cursor)?;
            let position = content.strip_prefix(&self.bond())?;
            std::str::from_utf8(position).ok()?.parse().ok()
        };
        position().ok_or_else(|| {
            Failure::invalid("`cursor`: it belongs to another question; ask again without it")
        })
    }
}

/// Passages that have a word of the query, the best first; equal ones in the order of path and place.
fn ranked<'a>(documents: &[&'a Document], stems: &BTreeMap<Box<str>, u32>) -> Vec<Hit<'a>> {
    let passages = || {
        documents
            .iter()
            .flat_map(|document| document.passages.iter())
    };
    let total = passages().count() as f64;
    let average = passages()
        .map(|passage| f64::from(passage.length))
        .sum::<f64>()
        / total.max(1.0);
    let weights: Vec<(&str, f64)> = stems
        .iter()
        .map(|(stem, times)| {
            let having = passages()
                .filter(|passage| passage.stems.contains_key(stem))
                .count() as f64;
            let rarity = (1.0 + (total - having + 0.5) / (having + 0.5)).ln();
            (&**stem, rarity * f64::from(*times))
        })
        .collect();
    let mut hits = Vec::new();
    for document in documents {
        let mut of_document: Vec<Hit<'a>> = document
            .passages
            .iter()
            .enumerate()
            .filter_map(|(number, passage)| {
                let score = score(passage, &weights, average);
                (score > 0.0).then_some(Hit {
                    score,
                    number,
                    document,
                    passage,
                })
            })
            .collect();
        of_document.sort_by(|one, other| {
            other
                .score
                .total_cmp(&one.score)
                .then(one.number.cmp(&other.number))
        });
        of_document.truncate(PER_DOCUMENT);
        hits.extend(of_document);
    }
    hits.sort_by(|one, other| {
        let order = other.score.total_cmp(&one.score);
        order.then_with(|| {
            (&one.document.path, one.number).cmp(&(&other.document.path, other.number))
        })
    });
    hits
}

fn score(passage: &Passage, weights: &[(&str, f64)], average: f64) -> f64 {
    let length = 1.0 - B + B * f64::from(passage.length) / average;
    let sum: f64 = weights
        .iter()
        .filter_map(|(stem, weight)| {
            let times = f64::from(*passage.stems.get(*stem)?);
            Some(weight * times * (K1 + 1.0) / (times + K1 * length))
        })
        .sum();
    (sum * 10_000.0).round() / 10_000.0
}

/// The part of a passage with the most words of the query, those in bold.
fn snippet(passage: &Passage, stems: &BTreeMap<Box<str>, u32>, folder: &Folder) -> String {
    let mut analyzer = analyzer(folder.own.scope.language);
    let words: Vec<(&str, bool)> = passage
        .text
        .split_whitespace()
        .map(|word| {
            let hit = count(&mut analyzer, word)
                .keys()
                .any(|stem| stems.contains_key(stem));
            (word, hit)
        })
        .collect();
    let best = words
        .windows(SNIPPET.min(words.len()).max(1))
        .enumerate()
        .max_by_key(|(start, window)| {
            (
                window.iter().filter(|(_, hit)| *hit).count(),
                std::cmp::Reverse(*start),
            )
        });
    let window = best.map_or(words.as_slice(), |(_, window)| window);
    let shown: Vec<String> = window
        .iter()
        .map(|(word, hit)| {
            if *hit {
                format!("**{word}**")
            } else {
                (*word).to_owned()
            }
        })
        .collect();
    shown.join(" ")
}

fn whole(parts: &[&Passage]) -> String {
    let (mut text, mut heading, mut page) = (String::new(), "", None);
    for part in parts {
        if part.heading != heading && !part.heading.is_empty() {
            let _ = write!(text, "\n\n## {}", part.heading);
        }
        if part.page != page
            && let Some(page) = part.page
        {
            let _ = write!(text, "\n\n[page {page}]");
        }
        (heading, page) = (&part.heading, part.page);
        let _ = write!(text, "\n\n{}", part.text);
    }
    text.trim_start().to_owned()
}

fn place(passage: &Passage) -> Option<String> {
    match (passage.page, passage.heading.as_str()) {
        (Some(page), _) => Some(format!("page {page}")),
        (None, "") => None,
        (None, heading) => Some(heading.to_owned()),
    }
}

fn described(source: &Source) -> Value {
    json!({
        "title": source.title, "path": source.path, "label": source.label, "modified": source.modified,
        "synced": source.synced, "version": source.version, "stale": source.stale,
    })
}

fn extend(value: &mut Value, more: Value) {
    if let (Value::Object(all), Value::Object(more)) = (value, more) {
        all.extend(more);
    }
}
