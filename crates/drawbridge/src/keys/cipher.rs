//! Sealing what is kept or carried by others: AES-256-GCM, bound to where it belongs.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hmac,
};

/// What tells one sealed content from every other of the same key: its nonce.
pub(crate) type Mark = [u8; NONCE_LEN];

/// A key that seals and opens.
pub(crate) struct Cipher(RandomizedNonceKey);

impl Cipher {
    /// With a key of 32 bytes; none when it has another length.
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        RandomizedNonceKey::new(&AES_256_GCM, key).ok().map(Self)
    }

    /// With a key made for `purpose` from the gateway's secret, so that what is sealed for one purpose is
    /// worthless for another.
    pub(crate) fn derived(secret: &[u8], purpose: &str) -> Option<Self> {
        let master = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Self::new(hmac::sign(&master, purpose.as_bytes()).as_ref())
    }

    /// Nonce, ciphertext and tag; none when the system has no randomness.
    pub(crate) fn seal(&self, bound: &[u8], mut content: Vec<u8>) -> Option<Vec<u8>> {
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(bound), &mut content)
            .ok()?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut content);
        Some(sealed)
    }

    /// The content; none when it is not what this key sealed, bound to just this.
    pub(crate) fn open(&self, bound: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (mark, content) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(mark).ok()?;
        let mut content = content.to_vec();
        let opened = self
            .0
            .open_in_place(nonce, Aad::from(bound), &mut content)
            .ok()?;
        Some(opened.to_vec())
    }

    /// The mark of a sealed content.
    pub(crate) fn mark(sealed: &[u8]) -> Option<Mark> {
        sealed.first_chunk::<NONCE_LEN>().copied()
    }
}
