//! Questions that clients were given to pass on. What was asked travels with the client, sealed; here is
//! only which of it was answered, and what a client was given last that does not bring it back.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use drawbridge_core::exchange::{Asking, Question};
use jiff::Timestamp;
use lru::LruCache;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::keys::cipher::{Cipher, Mark};

/// How long the answer to a question may take, and be taken for one to it.
const ANSWER_WITHIN: Duration = Duration::from_secs(3_600);
/// How many answered questions are remembered, so that none is answered twice.
const MOST_SPENT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(49_999);
/// How many calls are remembered by what they were asked last.
const MOST_CALLS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);
/// How much that may be together, in bytes.
const MOST_BYTES: usize = 16 << 20;

/// Seals questions, and opens each once.
pub(crate) struct Questions {
    cipher: Cipher,
    spent: Mutex<LruCache<Mark, ()>>,
    given: Mutex<Given>,
}

/// What calls were asked last, sealed, by what it is bound to.
struct Given {
    sealed: LruCache<String, Vec<u8>>,
    bytes: usize,
}

/// What a client carries from one try to the next.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Carried {
    until: Timestamp,
    /// What was asked, as far as the answers are checked by it.
    pub(crate) asked: Vec<Posed>,
    /// What the target wants back.
    pub(crate) state: Option<String>,
}

/// One question, as far as its answer is checked by it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Posed {
    pub(crate) name: String,
    pub(crate) asking: Asking,
    /// What the fields of a form must keep to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) schema: Option<Value>,
}

/// What came back, not answered yet.
pub(crate) struct Opened {
    pub(crate) carried: Carried,
    mark: Mark,
}

/// Why what came back is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("`requestState`: it is not from this call")]
    Foreign,
    #[error(
        "`requestState`: it was used already, or is too old; call again from the start, without \
         `requestState` and `inputResponses`"
    )]
    Over,
}

impl Posed {
    /// What of a question its answer is checked by.
    pub(crate) fn of(question: &Question) -> Self {
        Self {
            name: question.name.clone(),
            asking: question.asking,
            schema: question.schema().cloned(),
        }
    }
}

impl Carried {
    /// What was asked just now.
    pub(crate) fn new(asked: Vec<Posed>, state: Option<String>, now: Timestamp) -> Self {
        Self {
            until: now.checked_add(ANSWER_WITHIN).unwrap_or(now),
            asked,
            state,
        }
    }
}

impl Questions {
    /// With a key from the gateway's secret; none when no key can be made.
    pub(crate) fn new(secret: &[u8]) -> Option<Self> {
        Some(Self {
            cipher: Cipher::derived(secret, "question")?,
            spent: Mutex::new(LruCache::new(MOST_SPENT)),
            given: Mutex::new(Given {
                sealed: LruCache::new(MOST_CALLS),
                bytes: 0,
            }),
        })
    }

    /// What a client is to bring back with the answers to a call; none when it cannot be sealed.
    pub(crate) fn seal(&self, call: &str, carried: &Carried) -> Option<String> {
        let content = serde_json::to_vec(carried).ok()?;
        let sealed = self.cipher.seal(call.as_bytes(), content)?;
        let text = URL_SAFE_NO_PAD.encode(&sealed);
        locked(&self.given).put(call, sealed);
        Some(text)
    }

    /// What was asked for a call, from what its client brings back.
    pub(crate) fn open(&self, call: &str, text: &str, now: Timestamp) -> Result<Opened, Unusable> {
        let sealed = URL_SAFE_NO_PAD.decode(text);
        let sealed = sealed.map_err(|_| Unusable::Foreign)?;
        self.opened(call, &sealed, now)
    }

    /// What was asked last for a call whose client brings nothing back.
    pub(crate) fn last(&self, call: &str, now: Timestamp) -> Option<Opened> {
        let sealed = locked(&self.given).sealed.get(call)?.clone();
        self.opened(call, &sealed, now).ok()
    }

    fn opened(&self, call: &str, sealed: &[u8], now: Timestamp) -> Result<Opened, Unusable> {
        let opened = || {
            let mark = Cipher::mark(sealed)?;
            let content = self.cipher.open(call.as_bytes(), sealed)?;
            let carried: Carried = serde_json::from_slice(&content).ok()?;
            Some(Opened { carried, mark })
        };
        let opened = opened().ok_or(Unusable::Foreign)?;
        let spent = locked(&self.spent).contains(&opened.mark);
        if spent || now >= opened.carried.until {
            return Err(Unusable::Over);
        }
        Ok(opened)
    }

    /// Takes the answers to a question for good: of several at once, one.
    pub(crate) fn spend(&self, call: &str, opened: &Opened) -> Result<(), Unusable> {
        if locked(&self.spent).put(opened.mark, ()).is_some() {
            return Err(Unusable::Over);
        }
        locked(&self.given).forget(call, opened.mark);
        Ok(())
    }
}

impl Given {
    fn put(&mut self, call: &str, sealed: Vec<u8>) {
        self.bytes = self.bytes.saturating_add(sealed.len());
        if let Some((_, before)) = self.sealed.push(call.to_owned(), sealed) {
            self.bytes = self.bytes.saturating_sub(before.len());
        }
        while self.bytes > MOST_BYTES
            && let Some((_, oldest)) = self.sealed.pop_lru()
        {
            self.bytes = self.bytes.saturating_sub(oldest.len());
        }
    }

    fn forget(&mut self, call: &str, mark: Mark) {
        let same = self.sealed.peek(call);
        if same.is_some_and(|sealed| Cipher::mark(sealed) == Some(mark))
            && let Some(gone) = self.sealed.pop(call)
        {
            self.bytes = self.bytes.saturating_sub(gone.len());
        }
    }
}

/// What a lock protects is whole even where its last holder died.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(state: &str, now: Timestamp) -> Carried {
        let posed = Posed {
            name: "a".to_owned(),
            asking: Asking::Roots,
            schema: None,
        };
        Carried::new(vec![posed], Some(state.to_owned()), now)
    }

    #[test]
    fn what_was_asked_comes_back_once_for_its_own_call_and_in_time() {
        let questions = Questions::new(b"secret").unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let asked = carried("canary", now);
        let text = questions.seal("one", &asked).unwrap();
        let open = |call, text: &str, now| questions.open(call, text, now).map(|_| ());
        assert_eq!(open("two", &text, now), Err(Unusable::Foreign));
        assert_eq!(open("one", &text[1..], now), Err(Unusable::Foreign));
        assert_eq!(open("one", "", now), Err(Unusable::Foreign));
        let late = now.checked_add(ANSWER_WITHIN).unwrap();
        assert_eq!(open("one", &text, late), Err(Unusable::Over));
        let other = Questions::new(b"another").unwrap();
        assert!(other.open("one", &text, now).is_err());
        let sealed = URL_SAFE_NO_PAD.decode(&text).unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"canary"));
        let (first, second) = (
            questions.open("one", &text, now).ok().unwrap(),
            questions.last("one", now).unwrap(),
        );
        assert_eq!(first.carried, asked);
        assert_eq!(questions.spend("one", &first), Ok(()));
        assert_eq!(questions.spend("one", &second), Err(Unusable::Over));
        assert_eq!(open("one", &text, now), Err(Unusable::Over));
        assert!(questions.last("one", now).is_none());
    }

    #[test]
    fn little_is_remembered() {
        let questions = Questions::new(b"secret").unwrap();
        let now = Timestamp::UNIX_EPOCH;
        for call in 0..2_000 {
            questions
                .seal(&call.to_string(), &carried("", now))
                .unwrap();
        }
        let held = locked(&questions.given).sealed.len();
        assert_eq!(held, MOST_CALLS.get());
        let large = "x".repeat(1 << 20);
        for _ in 0..2 {
            for call in 0..40 {
                let text = questions.seal(&call.to_string(), &carried(&large, now));
                assert!(text.is_some());
            }
        }
        let given = locked(&questions.given);
        let held: usize = given.sealed.iter().map(|(_, sealed)| sealed.len()).sum();
        assert_eq!(given.bytes, held);
        assert!(held <= MOST_BYTES && held > MOST_BYTES / 2, "{held}");
    }
}
