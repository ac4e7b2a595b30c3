//! What records say of questions to the client's side, and of its answers: names, and nothing of the content.

use std::collections::BTreeMap;

use super::Way;
use crate::{
    answer::Answer,
    exchange::{Asking, Asks, Exchange},
    log::{Record, Replied},
};

impl Way {
    /// What came along with a call.
    pub(super) fn brought(&self, record: &mut Record, exchange: &Exchange) {
        let replies = exchange.given.iter().flat_map(|given| &given.replies);
        let marked = replies.map(|reply| {
            let digest = reply.content.as_ref().map(|content| self.digest(content));
            let replied = Replied {
                asking: reply.asking,
                how: reply.how,
                digest,
            };
            (reply.name.clone(), replied)
        });
        record.asked.answers = marked.collect();
        record.asked.unasked.clone_from(&exchange.unasked);
    }
}

/// What an answer asks instead of answering.
pub(super) fn asked(answer: &Answer) -> BTreeMap<String, Asking> {
    match answer.asks.as_deref() {
        Some(Asks::Input { questions, .. }) => questions
            .iter()
            .map(|question| (question.name.clone(), question.asking))
            .collect(),
        Some(Asks::Needs(_)) | None => BTreeMap::new(),
    }
}

/// Tells a client that brought answers nobody asked for.
pub(super) fn note(answer: &mut Answer, exchange: &Exchange) {
    if exchange.unasked.is_empty() {
        return;
    }
    let names: Vec<String> = exchange
        .unasked
        .iter()
        .map(|name| format!("`{name}`"))
        .collect();
    let notice = format!(
        "answers came along that nobody had asked for, and were left out: {}",
        names.join(", ")
    );
    answer.text = format!("{}\n\nNote: {notice}.", answer.text);
    answer.notices.push(notice);
}
