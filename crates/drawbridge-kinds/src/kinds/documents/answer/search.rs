//! `search`: passages by the words they contain.

use std::fmt::Write;

use drawbridge_core::answer::Failure;
use serde_json::json;

use super::{
    super::{
        actions::USUAL_HITS,
        library::rank::{Query, best},
    },
    Answer, NoAnswer, Question, place,
    snippet::snippet,
    with,
};

impl Question<'_> {
    pub(super) fn search(&self, answer: &mut Answer) -> Result<(), NoAnswer> {
        let query = Query::new(
            self.text("query").unwrap_or_default(),
            &self.visible.languages,
        );
        if query.is_empty() {
            return Err(Failure::invalid("`query`: there is no word in it to look for").into());
        }
        let hits = self.snapshot.hits(&self.visible, &self.wanted()?, &query)?;
        let from = self.position()?;
        let (page, total) = best(hits, (from, self.number("limit").unwrap_or(USUAL_HITS)));
        let mut list = Vec::new();
        for (hit, number) in page.iter().zip(from + 1..) {
            let (held, passage) = (self.held(hit.slot)?, self.snapshot.passage(hit.at)?);
            let place = place(&passage);
            let snippet = snippet(&passage.text, held.document.language, &query);
            let _ = writeln!(
                answer.found.text,
                "{number}. **{}** — `{}`{}\n   {}\n",
                held.document.title,
                held.path(),
                place
                    .as_ref()
                    .map(|place| format!(", {place}"))
                    .unwrap_or_default(),
                snippet.replace('\n', " ")
            );
            let described = self.show(held, place, answer);
            list.push(with(
                described,
                json!({
                    "heading": passage.heading, "page": passage.page, "snippet": snippet,
                    "score": (hit.score * 10_000.0).round() / 10_000.0,
                }),
            ));
        }
        if list.is_empty() {
            answer.found.text = "No document that you may see has these words.".to_owned();
        }
        answer.found.count = list.len() as u64;
        let end = from.saturating_add(list.len());
        let next = (end < total && !list.is_empty()).then(|| self.cursor(end));
        answer.found.data = json!({"hits": list, "total": total, "next": next});
        Ok(())
    }
}
