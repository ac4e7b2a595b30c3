//! Where the gateway listens that serves a workspace, for commands that ask it.
//!
//! The address is trusted while the process that wrote it lives: whatever listens there after a
//! crash must not be sent the local token.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    net::SocketAddr,
    path::Path,
};

/// The file beside the store.
const NAME: &str = "address";

/// Tells where this process listens, for as long as the file that comes back is open.
///
/// The file is locked before it gets its name, so that nobody finds an older address locked.
pub(super) fn tell(state: &Path, address: SocketAddr) -> io::Result<File> {
    let beside = state.join(format!("{NAME}.{}", std::process::id()));
    let mut file = File::create(&beside)?;
    file.lock()?;
    file.write_all(address.to_string().as_bytes())?;
    fs::rename(beside, state.join(NAME))?;
    Ok(file)
}

/// Where a process listens that serves this workspace now.
pub(super) fn told(state: &Path) -> Option<String> {
    let file = File::open(state.join(NAME)).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => io::read_to_string(file).ok(),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}
