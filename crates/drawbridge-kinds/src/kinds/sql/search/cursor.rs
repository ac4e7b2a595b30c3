//! Cursors: after which row an answer goes on, bound to the question and to who asked it.

use drawbridge_core::{answer::Failure, decide::Fingerprint, log::Seal};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::super::cell::Cell;

/// The most bytes of what a cursor carries.
const MOST_CARRIED: usize = 16 << 10;

/// What a cursor is bound to: the question, and all that the view depends on.
pub(super) fn bond(arguments: &Value, fingerprint: Fingerprint) -> [u8; 32] {
    let mut asked = arguments.clone();
    if let Some(asked) = asked.as_object_mut() {
        asked.remove("cursor");
        asked.remove("limit");
    }
    let mut hasher = Sha256::new();
    hasher.update(asked.to_string());
    hasher.update(fingerprint.0);
    hasher.finalize().into()
}

/// A cursor; none when the values are too large to be carried.
pub(super) fn sealed(seal: &Seal, bond: &[u8; 32], values: &[Cell]) -> Option<String> {
    let mut content = bond.to_vec();
    serde_json::to_writer(&mut content, values).ok()?;
    (content.len() <= MOST_CARRIED).then(|| seal.seal(&content))
}

/// The values of the call's cursor; none, where it has none.
pub(super) fn opened(
    seal: &Seal,
    bond: &[u8; 32],
    arguments: &Value,
) -> Result<Option<Vec<Cell>>, Failure> {
    let Some(cursor) = arguments.get("cursor").and_then(Value::as_str) else {
        return Ok(None);
    };
    let content = seal.open(cursor);
    let values = content
        .as_deref()
        .and_then(|content| content.strip_prefix(bond));
    let values = values.and_then(|values| serde_json::from_slice(values).ok());
    values.map(Some).ok_or_else(foreign)
}

pub(super) fn foreign() -> Failure {
    Failure::invalid("`cursor`: it belongs to another question; ask again without it")
}
