//! A secret in a server with the key-value interface of HashiCorp Vault. What the server says is
//! looked at for the secret and its version alone, and stands in no error.

use std::{path::Path, time::Duration};

use drawbridge_core::{file::VaultFile, secret::Secret};
use reqwest::{Client, StatusCode, header::HeaderValue, redirect::Policy};
use serde_json::Value;

/// How long the server may take, unless the file says otherwise.
pub(super) const LONGEST: Duration = Duration::from_secs(5);
/// The largest answer, in bytes.
const MOST_BYTES: usize = 1 << 20;

/// Why the server gave no secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VaultError {
    #[error("the certificates in `ca_file` cannot be used: {0}; they must be PEM")]
    Certificates(String),
    #[error(
        "the token for the vault cannot be sent; check that the variable or file holds it alone"
    )]
    Token,
    #[error("the vault cannot be reached: {0}; check `address`, and that it runs")]
    Unreachable(String),
    #[error("the vault has not answered for {} ms; check that it runs", .0.as_millis())]
    Slow(Duration),
    #[error("the vault does not let the token read `{0}`; renew it, or give it a policy that may")]
    Refused(String),
    #[error("there is nothing at `{0}` in the vault; check `mount`, `path` and `engine`")]
    Nothing(String),
    #[error("the vault is sealed or cannot answer (status {0}); look at its own log")]
    Down(u16),
    #[error("the vault sends elsewhere (status {0}); name the node that answers in `address`")]
    Redirect(u16),
    #[error("what is at `{0}` is no answer of a vault; check `address` and `engine`")]
    Form(String),
    #[error("there is no text in the field `{0}`; check `field`")]
    Field(String),
    #[error("the vault's answer has more than {MOST_BYTES} bytes; keep secrets apart")]
    TooMuch,
}

/// A secret, with the version that the server gives it where its engine keeps some.
pub(super) struct Found {
    pub(super) secret: Secret<String>,
    pub(super) version: Option<u64>,
}

/// A vault, with what is needed to ask it once.
pub(super) struct Vault<'a> {
    file: &'a VaultFile,
    client: Client,
    token: HeaderValue,
    limit: Duration,
}

impl<'a> Vault<'a> {
    /// Gets ready to ask. `authorities` is what is in `ca_file`.
    ///
    /// # Errors
    /// When certificates or token cannot be used.
    pub(super) fn new(
        file: &'a VaultFile,
        token: &Secret<String>,
        authorities: Option<&[u8]>,
    ) -> Result<Self, VaultError> {
        let limit = file.timeout.map_or(LONGEST, |limit| limit.duration());
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(limit)
            .timeout(limit);
        if let Some(pem) = authorities {
            let certificates = reqwest::Certificate::from_pem_bundle(pem);
            let certificates =
                certificates.map_err(|error| VaultError::Certificates(error.to_string()))?;
            if certificates.is_empty() {
                return Err(VaultError::Certificates("there are none".to_owned()));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder.build();
        let mut token = HeaderValue::from_str(token.expose()).map_err(|_| VaultError::Token)?;
        token.set_sensitive(true);
        Ok(Self {
            file,
            client: client.map_err(|error| VaultError::Certificates(error.to_string()))?,
            token,
            limit,
        })
    }

    /// The secret at the file's path; of an engine that keeps versions, this one or the newest.
    pub(super) async fn read(&self, version: Option<u64>) -> Result<Found, VaultError> {
        let file = self.file;
        let at = format!("{}/{}", file.mount, file.path);
        let address = file.address.trim_end_matches('/');
        let kept = file.engine != 1;
        let mut url = if kept {
            format!("{address}/v1/{}/data/{}", file.mount, file.path)
        } else {
            format!("{address}/v1/{at}")
        };
        if let Some(version) = version.filter(|_| kept) {
            url.push_str(&format!("?version={version}"));
        }
        let asked = tokio::time::timeout(self.limit, self.ask(&url, &at)).await;
        let body = asked.map_err(|_| VaultError::Slow(self.limit))??;
        let data = if kept { "/data/data" } else { "/data" };
        let fields = body.pointer(data).and_then(Value::as_object);
        let fields = fields.ok_or(VaultError::Form(at))?;
        let secret = fields.get(&file.field).and_then(Value::as_str);
        let secret = secret.ok_or_else(|| VaultError::Field(file.field.clone()))?;
        let version = body
            .pointer("/data/metadata/version")
            .and_then(Value::as_u64);
        Ok(Found {
            secret: Secret::new(secret.to_owned()),
            version: version.filter(|_| kept),
        })
    }

    async fn ask(&self, url: &str, at: &str) -> Result<Value, VaultError> {
        let mut request = self
            .client
            .get(url)
            .header("X-Vault-Token", self.token.clone())
            .header("X-Vault-Request", "true");
        if let Some(namespace) = &self.file.namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        let mut answer = request.send().await.map_err(|error| self.broken(error))?;
        let code = answer.status();
        match code {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST => {
                return Err(VaultError::Refused(at.to_owned()));
            }
            StatusCode::NOT_FOUND => return Err(VaultError::Nothing(at.to_owned())),
            code if code.is_redirection() => return Err(VaultError::Redirect(code.as_u16())),
            code => return Err(VaultError::Down(code.as_u16())),
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.broken(error))? {
            if bytes.len() + chunk.len() > MOST_BYTES {
                return Err(VaultError::TooMuch);
            }
            bytes.extend_from_slice(&chunk);
        }
        // What serde would say of it may hold a piece of it.
        serde_json::from_slice(&bytes).map_err(|_| VaultError::Form(at.to_owned()))
    }

    fn broken(&self, error: reqwest::Error) -> VaultError {
        if error.is_timeout() {
            return VaultError::Slow(self.limit);
        }
        // The innermost cause says what is wrong: the name, the port, the certificate.
        let error = error.without_url();
        let mut cause: &dyn std::error::Error = &error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        VaultError::Unreachable(cause.to_string())
    }
}

/// What is in `ca_file`, from the workspace's folder. It reads a file: not for the runtime's threads.
pub(super) fn authorities(folder: &Path, file: &VaultFile) -> Result<Option<Vec<u8>>, VaultError> {
    let Some(path) = &file.ca_file else {
        return Ok(None);
    };
    super::source::bounded(&folder.join(path), MOST_BYTES)
        .map(Some)
        .map_err(|error| VaultError::Certificates(error.to_string()))
}
