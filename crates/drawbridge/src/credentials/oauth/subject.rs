//! What this gateway states about a person to an authorization server that trusts it: a short-lived JWT
//! that it signs itself, since no caller's token ever goes on.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use drawbridge_core::{log::Seal, secret::Secret};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::OauthError;
use crate::{app::new_id, keys};

/// How long a statement is good beyond the time that asking takes.
const GOOD_FOR: Duration = Duration::from_secs(60);
/// Bytes of a point of the curve, without its first.
const POINT: usize = 32;

/// The key that statements about people are signed with. Several gateways on one store share it.
pub(super) struct Subject {
    path: PathBuf,
    key: OnceCell<Key>,
}

struct Key {
    pkcs8: Secret<Vec<u8>>,
    id: String,
    public: Value,
}

impl Subject {
    pub(super) fn new(state: &Path) -> Self {
        Self {
            path: state.join("keys").join("subject.pk8"),
            key: OnceCell::new(),
        }
    }

    /// The public key, as a JSON Web Key Set.
    pub(super) async fn keys(&self) -> Result<Value, OauthError> {
        Ok(json!({"keys": [self.key().await?.public]}))
    }

    /// A statement for an authorization server that a person asks.
    pub(super) async fn stated(
        &self,
        (gateway, server): (&str, &str),
        person: &str,
        (now, lives): (Timestamp, Duration),
    ) -> Result<String, OauthError> {
        let key = self.key().await?;
        let now = now.as_second();
        let lives = i64::try_from((lives + GOOD_FOR).as_secs()).unwrap_or(i64::MAX);
        let claims = json!({
            "iss": gateway,
            "sub": person,
            "aud": server,
            "iat": now,
            "exp": now.saturating_add(lives),
            "jti": new_id(),
        });
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(key.id.clone());
        let signing = EncodingKey::from_ec_der(key.pkcs8.expose());
        encode(&header, &claims, &signing).map_err(|error| OauthError::Unsigned(error.to_string()))
    }

    async fn key(&self) -> Result<&Key, OauthError> {
        let path = self.path.clone();
        let read = || async {
            let read = tokio::task::spawn_blocking(move || Key::read(&path));
            let read = read
                .await
                .map_err(|error| OauthError::Unsigned(error.to_string()))?;
            read.map_err(|error| OauthError::Unsigned(error.to_string()))
        };
        self.key.get_or_try_init(read).await
    }
}

impl Key {
    /// The key in the gateway's folder, made where there is none. It reads files: not for the runtime's
    /// threads.
    fn read(path: &Path) -> std::io::Result<Self> {
        let made = || {
            let made = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
            let document = made.and_then(|pair| pair.to_pkcs8v1());
            let document = document.map_err(std::io::Error::other)?;
            Ok(document.as_ref().to_vec())
        };
        let pkcs8 = keys::read_or_make(path, made).map_err(std::io::Error::other)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8);
        let pair = pair.map_err(|_| std::io::Error::other("`subject.pk8` holds no key"))?;
        let point = pair.public_key().as_ref();
        // The first byte says that both numbers follow whole.
        let numbers = point.split_first().map_or(point, |(_, numbers)| numbers);
        let (x, y) = numbers.split_at_checked(POINT).unwrap_or_default();
        let id: String = Seal::new(point, "subject key")
            .digest(b"id")
            .chars()
            .take(16)
            .collect();
        let public = json!({
            "kty": "EC",
            "crv": "P-256",
            "alg": "ES256",
            "use": "sig",
            "kid": id,
            "x": URL_SAFE_NO_PAD.encode(x),
            "y": URL_SAFE_NO_PAD.encode(y),
        });
        Ok(Self {
            pkcs8: Secret::new(pkcs8),
            id,
            public,
        })
    }
}
