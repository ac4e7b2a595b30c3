//! A key in the keyring of the Linux kernel. It is only read: what puts it there at each start of the
//! machine, and where that has it from, is the machine's business.

use std::io;

use linux_keyutils::{KeyError, KeyRing, KeyRingIdentifier};

/// The key of the type `user` with this description, in the session's or the user's keyring.
///
/// # Errors
/// When there is none, or it cannot be read.
pub(super) fn key(name: &str) -> io::Result<Vec<u8>> {
    let search = |ring| {
        let ring = KeyRing::from_special_id(ring, false)?;
        ring.search(name)?.read_to_vec()
    };
    let found = search(KeyRingIdentifier::Session);
    found
        .or_else(|_| search(KeyRingIdentifier::User))
        .map_err(|error| {
            let kind = match error {
                KeyError::KeyDoesNotExist | KeyError::KeyExpired | KeyError::KeyRevoked => {
                    io::ErrorKind::NotFound
                }
                KeyError::AccessDenied => io::ErrorKind::PermissionDenied,
                _ => io::ErrorKind::Other,
            };
            io::Error::new(kind, error.to_string())
        })
}
