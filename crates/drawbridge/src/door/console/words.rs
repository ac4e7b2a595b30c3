//! Words for people, where the gateway has words for programs.

use drawbridge_core::answer::Status;

/// How a call ended, as people say it.
pub(super) fn ended(status: &Status) -> &'static str {
    match status {
        Status::Ok => "went well",
        Status::Partial => "in part",
        Status::ApprovalNeeded => "asked a person",
        Status::Denied => "denied",
        Status::Rejected => "rejected",
        Status::Invalid => "asked wrongly",
        Status::NotFound => "not there",
        Status::Conflict => "changed meanwhile",
        Status::Stale => "too old",
        Status::Limited => "over its limit",
        Status::Failed => "failed",
        Status::Timeout => "took too long",
        Status::Unavailable => "not reachable",
        Status::Unknown => "nobody knows",
    }
}

/// The same for a status by its word, as answers have it; the word itself, where it is none.
pub(super) fn ended_by_word(word: &str) -> &str {
    let mut all = Status::ALL.iter();
    all.find(|status| status.word() == word)
        .map_or(word, |status| ended(status))
}

/// A part of a sentence.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// Whether it is a name, a file or a command, which the sentence has between backticks.
    pub(super) code: bool,
    pub(super) text: &'a str,
}

/// A sentence of the gateway's in parts. A backtick without a second one stays what it is.
pub(super) fn parts(sentence: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = sentence;
    while let Some((before, quoted)) = rest.split_once('`') {
        let Some((code, after)) = quoted.split_once('`').filter(|(code, _)| !code.is_empty())
        else {
            break;
        };
        let text = |code, text| Part { code, text };
        parts.extend([text(false, before), text(true, code)]);
        rest = after;
    }
    parts.push(Part {
        code: false,
        text: rest,
    });
    parts.retain(|part| !part.text.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_apart_in_a_sentence_and_nothing_is_lost() {
        let seen = |sentence| {
            let all = parts(sentence).into_iter();
            all.map(|part| (part.code, part.text)).collect::<Vec<_>>()
        };
        assert_eq!(
            seen("write `owner` under `purpose`"),
            [
                (false, "write "),
                (true, "owner"),
                (false, " under "),
                (true, "purpose")
            ]
        );
        assert_eq!(seen("one ` alone"), [(false, "one ` alone")]);
        assert_eq!(seen("`` none"), [(false, "`` none")]);
        assert_eq!(seen(""), []);
    }

    #[test]
    fn each_status_has_words_of_its_own() {
        let mut words = Status::ALL.map(|status| ended(&status)).to_vec();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Status::ALL.len());
        assert_eq!(ended_by_word("not_found"), "not there");
        assert_eq!(ended_by_word("else"), "else");
    }
}
