//! Signed checkpoints of the log: C2SP `tlog-checkpoint` texts in C2SP `signed-note` form.
//!
//! Sources: <https://c2sp.org/tlog-checkpoint> and <https://c2sp.org/signed-note>.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use super::merkle::Hash;

/// The signature algorithm byte of Ed25519 in a signed note.
const ED25519_ALGORITHM: u8 = 1;

/// The extension line that names the checkpoint before.
const PREVIOUS: &str = "previous ";

/// The size and root of a log at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: the name of its key.
    pub origin: String,
    /// How many records it has.
    pub size: u64,
    /// The root of its Merkle tree.
    pub root: Hash,
    /// The size of the checkpoint before it, 0 for the first: so that none can be taken away. It
    /// is an extension line, which readers that do not know it pass over.
    pub previous: u64,
}

/// What is wrong with a note or key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a signed note, checkpoint or key at all.
    #[error("{0} is not of the form that C2SP defines")]
    Form(&'static str),
    /// Signed by another key only, or the signature is wrong.
    #[error("the checkpoint is not signed by `{0}`")]
    Signature(String),
}

impl Checkpoint {
    fn text(&self) -> String {
        format!(
            "{}\n{}\n{}\n{PREVIOUS}{}\n",
            self.origin,
            self.size,
            STANDARD.encode(self.root),
            self.previous
        )
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let checkpoint = Self {
            origin: lines.next()?.to_owned(),
            size: lines.next()?.parse().ok()?,
            root: STANDARD.decode(lines.next()?).ok()?.try_into().ok()?,
            previous: lines.next()?.strip_prefix(PREVIOUS)?.parse().ok()?,
        };
        // Numbers and hashes have one spelling only.
        (checkpoint.text() == text).then_some(checkpoint)
    }
}

/// The log's private key.
pub struct Signer {
    name: String,
    pair: Ed25519KeyPair,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Signer({})", self.name)
    }
}

impl Signer {
    /// A new key as PKCS #8, to be kept where only the gateway can read it.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Vec<u8>, NoteError> {
        let key = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new());
        key.map(|key| key.as_ref().to_vec())
            .map_err(|_| NoteError::Form("a new key"))
    }

    /// The key of the log called `name`.
    ///
    /// # Errors
    /// When `pkcs8` is no Ed25519 key, or the name cannot stand in a note.
    pub fn new(name: &str, pkcs8: &[u8]) -> Result<Self, NoteError> {
        if name.is_empty() || name.contains(['+', '\n']) || name.contains(char::is_whitespace) {
            return Err(NoteError::Form("the log's name"));
        }
        let pair =
            Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| NoteError::Form("the log's key"))?;
        Ok(Self {
            name: name.to_owned(),
            pair,
        })
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey {
            name: self.name.clone(),
            key: self.pair.public_key().as_ref().to_vec(),
        }
    }

    /// A signed note that the log has this size and root. `previous` is the size of the checkpoint
    /// before it.
    #[must_use]
    pub fn sign(&self, size: u64, root: Hash, previous: u64) -> String {
        let checkpoint = Checkpoint {
            origin: self.name.clone(),
            size,
            root,
            previous,
        };
        let text = checkpoint.text();
        let mut signature = self.public().id().to_vec();
        signature.extend(self.pair.sign(text.as_bytes()).as_ref());
        format!("{text}\n— {} {}\n", self.name, STANDARD.encode(signature))
    }
}

/// The log's public key: all that is needed to verify it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    key: Vec<u8>,
}

impl PublicKey {
    /// The log's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads a verifier key of the form `name+hash+key`.
    ///
    /// # Errors
    /// When it has another form, another algorithm, or its hash does not fit.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let wrong = || NoteError::Form("the public key");
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong());
        };
        let key = STANDARD.decode(key).map_err(|_| wrong())?;
        let (algorithm, key) = key.split_first().ok_or_else(wrong)?;
        let public = Self {
            name: name.to_owned(),
            key: key.to_vec(),
        };
        let fits =
            *algorithm == ED25519_ALGORITHM && key.len() == 32 && hash == hex::encode(public.id());
        fits.then_some(public).ok_or_else(wrong)
    }

    /// The first four bytes of SHA-256 over name, newline, algorithm and key.
    fn id(&self) -> [u8; 4] {
        let mut hasher = Sha256::new();
        hasher.update(self.name.as_bytes());
        hasher.update([b'\n', ED25519_ALGORITHM]);
        hasher.update(&self.key);
        let hash: Hash = hasher.finalize().into();
        let [first, second, third, fourth, ..] = hash;
        [first, second, third, fourth]
    }

    /// The checkpoint in a signed note.
    ///
    /// # Errors
    /// When it has another form, names another log, or this key did not sign it.
    pub fn open(&self, note: &str) -> Result<Checkpoint, NoteError> {
        let wrong = || NoteError::Form("the checkpoint");
        let (text, signatures) = note.split_once("\n\n").ok_or_else(wrong)?;
        let text = format!("{text}\n");
        let checkpoint = Checkpoint::parse(&text).ok_or_else(wrong)?;
        let key = UnparsedPublicKey::new(&ED25519, &self.key);
        let mut signed = false;
        for line in signatures.split_inclusive('\n') {
            let line = line.strip_suffix('\n').ok_or_else(wrong)?;
            let (name, signature) = line
                .strip_prefix("— ")
                .and_then(|line| line.split_once(' '))
                .ok_or_else(wrong)?;
            let signature = STANDARD.decode(signature).map_err(|_| wrong())?;
            let (id, signature) = signature.split_at_checked(4).ok_or_else(wrong)?;
            if name == self.name && id == self.id() {
                key.verify(text.as_bytes(), signature)
                    .map_err(|_| NoteError::Signature(self.name.clone()))?;
                signed = true;
            }
        }
        if signed && checkpoint.origin == self.name {
            Ok(checkpoint)
        } else {
            Err(NoteError::Signature(self.name.clone()))
        }
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut key = vec![ED25519_ALGORITHM];
        key.extend(&self.key);
        write!(
            formatter,
            "{}+{}+{}",
            self.name,
            hex::encode(self.id()),
            STANDARD.encode(key)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_opens_with_its_own_key_only() {
        let signer = Signer::new("acme", &Signer::generate().unwrap()).unwrap();
        let note = signer.sign(7, [9; 32], 4);
        let public = PublicKey::parse(&signer.public().to_string()).unwrap();
        let checkpoint = public.open(&note).unwrap();
        assert_eq!(
            (checkpoint.size, checkpoint.root, checkpoint.previous),
            (7, [9; 32], 4)
        );
        let other = Signer::new("acme", &Signer::generate().unwrap()).unwrap();
        assert!(other.public().open(&note).is_err());
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let signer = Signer::new("acme", &Signer::generate().unwrap()).unwrap();
        let note = signer.sign(7, [9; 32], 4).into_bytes();
        for bit in 0..note.len() * 8 {
            let mut forged = note.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let opened = std::str::from_utf8(&forged)
                .ok()
                .and_then(|note| signer.public().open(note).ok());
            assert_eq!(opened, None, "bit {bit}");
        }
    }

    /// The example key of <https://pkg.go.dev/golang.org/x/mod/sumdb/note>.
    #[test]
    fn reads_the_key_of_another_implementation() {
        let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        assert_eq!(PublicKey::parse(key).unwrap().to_string(), key);
        assert!(PublicKey::parse(&key.replace("c74f", "c74e")).is_err());
    }
}
