//! The command line on this machine: who can read the local token holds the workspace itself.

use std::{io, path::Path};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use drawbridge_core::{call::Person, file::GatewayFile, secret::Secret};
use http::HeaderMap;

use super::{PERSON_HEADER, Unidentified};
use crate::keys;

/// How the local token begins.
pub(super) const PREFIX: &str = "dbl_";

/// Reads the local token, and makes it when there is none.
pub(super) fn open(state: &Path) -> io::Result<Secret<String>> {
    let path = state.join("local-token");
    match std::fs::read_to_string(&path) {
        Ok(token) if token.starts_with(PREFIX) && token.len() > 40 => {
            return Ok(Secret::new(token.trim_end().to_owned()));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(keys::random()?));
    keys::write_private(&path, token.as_bytes())?;
    Ok(Secret::new(token))
}

/// For whom the command line acts: the operator, or the person that the request names.
pub(super) fn person(
    local: &Secret<String>,
    bearer: &str,
    headers: &HeaderMap,
    gateway: &GatewayFile,
) -> Result<Person, Unidentified> {
    aws_lc_rs::constant_time::verify_slices_are_equal(bearer.as_bytes(), local.expose().as_bytes())
        .map_err(|_| Unidentified::Invalid)?;
    let named = match headers.get(PERSON_HEADER) {
        Some(value) => value.to_str().map_err(|_| Unidentified::Invalid)?,
        None => &gateway.operator,
    };
    let nobody = || Unidentified::Nobody(named.chars().take(100).collect());
    gateway.person(named).ok_or_else(nobody)
}
