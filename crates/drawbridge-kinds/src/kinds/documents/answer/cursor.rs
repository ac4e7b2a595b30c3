//! Cursors: where an answer went on, bound to the question and to who asked it.

use drawbridge_core::answer::Failure;
use sha2::{Digest, Sha256};

use super::Question;

impl Question<'_> {
    /// What a cursor is bound to: the question, and all that the view depends on.
    fn bond(&self) -> [u8; 32] {
        let mut arguments = self.call.arguments.clone();
        if let Some(arguments) = arguments.as_object_mut() {
            arguments.remove("cursor");
        }
        let mut hasher = Sha256::new();
        hasher.update(self.call.action.name.as_bytes());
        hasher.update(arguments.to_string());
        hasher.update(self.view.fingerprint().0);
        hasher.finalize().into()
    }

    /// The cursor of a position.
    pub(super) fn cursor(&self, position: usize) -> String {
        let mut content = self.bond().to_vec();
        content.extend(position.to_string().bytes());
        self.folder.context.seal.seal(&content)
    }

    /// The position of the call's cursor; the beginning, where it has none.
    pub(super) fn position(&self) -> Result<usize, Failure> {
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
