//! From what came of a call to what may leave: labelled, cut to size, failures said in words.

use serde_json::Value;

use super::{Answer, Failure, Found, Status};
use crate::{call::Power, file::Labels};

/// An answer, and its data as JSON: written once, to be measured and digested.
pub(crate) struct Shaped {
    pub(crate) answer: Answer,
    pub(crate) data: Vec<u8>,
}

impl From<Answer> for Shaped {
    /// An answer without data.
    fn from(answer: Answer) -> Self {
        let data = Vec::new();
        Self { answer, data }
    }
}

/// Labels, cuts to size, and says in words what did not happen.
pub(crate) fn shape(
    outcome: Result<Found, Failure>,
    power: Power,
    (most, labels): (usize, &Labels),
) -> Shaped {
    let found = match outcome {
        Ok(found) => found,
        Err(failure) => return failed(&failure, power).into(),
    };
    let data = match serde_json::to_vec(&found.data) {
        Ok(data) => data,
        Err(error) => {
            let failure = Failure::new(Status::Failed, "the connector's data is no JSON");
            return failed(&failure.with_source(error), power).into();
        }
    };
    let size = found.text.len().max(data.len());
    if size > most {
        let message = format!(
            "the answer would have {size} bytes, and at most {most} may leave; ask for less at a time"
        );
        return failed(&Failure::new(Status::Limited, message), power).into();
    }
    Shaped {
        answer: whole(found, labels),
        data,
    }
}

fn whole(found: Found, labels: &Labels) -> Answer {
    let label = labels
        .highest(found.sources.iter().map(|source| source.label.as_str()))
        .map(str::to_owned);
    let status = if found.missing.is_empty() {
        Status::Ok
    } else {
        Status::Partial
    };
    let mut text = found.text;
    for notice in found.missing.iter().chain(&found.notices) {
        text.push_str("\n\nNote: ");
        text.push_str(notice);
    }
    Answer {
        status,
        data: found.data,
        sources: found.sources,
        label,
        notices: found.missing.into_iter().chain(found.notices).collect(),
        plan: None,
        text,
        attachments: found.attachments,
        asks: None,
        count: found.count,
    }
}

/// What the target itself says of a failure, marked as such.
pub(crate) fn said(words: &str) -> String {
    format!("The system says: {words}")
}

/// An answer that says what did not happen, in words an AI will not read past.
pub(crate) fn failed(failure: &Failure, power: Power) -> Answer {
    let nothing = match power {
        Power::Read | Power::Search => "Nothing was read",
        Power::Draft => "Nothing was drafted",
        Power::Write | Power::Update | Power::Delete | Power::Send | Power::Trigger => {
            "Nothing was changed"
        }
    };
    let words = failure.words.as_deref().map(said);
    Answer {
        status: failure.status,
        data: Value::Null,
        sources: Vec::new(),
        label: None,
        // The first is what a record keeps of it.
        notices: [failure.message.clone()]
            .into_iter()
            .chain(words.clone())
            .collect(),
        plan: None,
        text: format!(
            "{}: {}.\n\n{}{nothing}. {}",
            failure.status,
            failure.message.trim_end_matches('.'),
            words.map_or_else(String::new, |words| format!("{words}\n\n")),
            // An AI mends its own arguments; the rest is for a person to know.
            match failure.status {
                Status::Invalid => "Mend the arguments and call again.",
                _ => "Tell the person so; do not answer as though it had been.",
            }
        ),
        attachments: Vec::new(),
        asks: failure.asks.clone(),
        count: 0,
    }
}
