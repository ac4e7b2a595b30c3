//! `list`: documents by path.

use std::fmt::Write;

use serde_json::json;

use super::{super::actions::USUAL_DOCUMENTS, Answer, NoAnswer, Question, with};

impl Question<'_> {
    pub(super) fn list(&self, answer: &mut Answer) -> Result<(), NoAnswer> {
        let wanted = self.wanted()?;
        let slots: Vec<usize> = self
            .visible
            .slots()
            .filter(|slot| wanted.get(*slot).copied().unwrap_or_default())
            .collect();
        let from = self.position()?;
        let limit = self.number("limit").unwrap_or(USUAL_DOCUMENTS);
        let mut list = Vec::new();
        for slot in slots.iter().skip(from).take(limit) {
            let held = self.held(*slot)?;
            let document = &held.document;
            let state = match &document.reason {
                None => "ok",
                Some(_) if document.passages == 0 => "unreadable",
                Some(_) => "partial",
            };
            let reason = document.reason.as_ref();
            let told = reason
                .map(|reason| format!(" ({state}: {reason})"))
                .unwrap_or_default();
            let _ = writeln!(
                answer.found.text,
                "- `{}` — {}{told}",
                held.path(),
                document.title
            );
            let described = self.show(held, None, answer);
            list.push(with(described, json!({"state": state, "reason": reason})));
        }
        if list.is_empty() {
            answer.found.text = "There is no document that you may see here.".to_owned();
        }
        answer.found.count = list.len() as u64;
        let end = from.saturating_add(list.len());
        let next = (end < slots.len() && !list.is_empty()).then(|| self.cursor(end));
        answer.found.data = json!({"documents": list, "total": slots.len(), "next": next});
        Ok(())
    }
}
