//! Marks that only this gateway can have made: cursors, and keyed digests of values.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Bytes of an authentication tag in a sealed text.
const TAG: usize = 16;

/// A secret key for one purpose.
#[derive(Clone)]
pub struct Seal {
    key: Arc<hmac::Key>,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Seal(…)")
    }
}

impl Seal {
    /// A key made for `purpose` from the gateway's secret, so that what is sealed for one purpose
    /// is worthless for another.
    #[must_use]
    pub fn new(secret: &[u8], purpose: &str) -> Self {
        let master = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derived = hmac::sign(&master, purpose.as_bytes());
        Self {
            key: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())),
        }
    }

    /// Text that carries `content` in the open and proves where it came from. The same content
    /// always gives the same text.
    #[must_use]
    pub fn seal(&self, content: &[u8]) -> String {
        let mut sealed = content.to_vec();
        sealed.extend(hmac::sign(&self.key, content).as_ref().iter().take(TAG));
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The content of a sealed text; none when this key did not seal it.
    #[must_use]
    pub fn open(&self, text: &str) -> Option<Vec<u8>> {
        let mut sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let content = sealed.len().checked_sub(TAG)?;
        let tag = sealed.split_off(content);
        let right = hmac::sign(&self.key, &sealed);
        let right = right.as_ref().get(..TAG)?;
        aws_lc_rs::constant_time::verify_slices_are_equal(right, &tag).ok()?;
        Some(sealed)
    }

    /// A keyed digest of a value: one can look for a known value and not read others.
    #[must_use]
    pub fn digest(&self, value: &[u8]) -> String {
        let tag = hmac::sign(&self.key, value);
        hex::encode(tag.as_ref().get(..TAG).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_what_it_sealed_itself() {
        let seal = Seal::new(b"secret", "cursor");
        let sealed = seal.seal(b"offset 20");
        assert_eq!(seal.open(&sealed).as_deref(), Some(&b"offset 20"[..]));
        assert_eq!(Seal::new(b"secret", "other").open(&sealed), None);
        let mut bytes = sealed.into_bytes();
        bytes[0] ^= 1;
        assert_eq!(seal.open(&String::from_utf8(bytes).unwrap()), None);
        assert_eq!(seal.open("short"), None);
    }
}
