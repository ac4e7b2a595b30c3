//! Which gateways of this workspace run: each holds a lock on a file of its own as long as it lives,
//! so that what one leaves behind is taken up at once when it is killed.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use crate::keys;

/// The gateways of one workspace.
pub(crate) struct Alive {
    folder: PathBuf,
    own: String,
    /// Held as long as this gateway runs.
    _lock: File,
}

impl Alive {
    /// Begins the life of this gateway.
    ///
    /// # Errors
    /// When the file cannot be made or locked.
    pub(crate) fn begin(state: &Path) -> io::Result<Self> {
        let folder = state.join("running");
        std::fs::create_dir_all(&folder)?;
        clear(&folder);
        let own: String = hex::encode(keys::random()?).chars().take(32).collect();
        let file = File::create(folder.join(&own))?;
        file.lock()?;
        Ok(Self {
            folder,
            own,
            _lock: file,
        })
    }

    /// This gateway's own id.
    pub(crate) fn own(&self) -> &str {
        &self.own
    }

    /// Whether a gateway of this workspace has ended. Of one on another machine nobody can tell;
    /// there the time that applying may take decides.
    pub(crate) fn is_dead(&self, gateway: &str) -> bool {
        let plain = gateway.len() == 32 && gateway.bytes().all(|digit| digit.is_ascii_hexdigit());
        if gateway == self.own || !plain {
            return false;
        }
        let path = self.folder.join(gateway);
        match File::open(&path) {
            Ok(file) => file.try_lock().is_ok(),
            Err(_) => false,
        }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        // What cannot be removed is no harm: its lock ends with the process.
        let _ = std::fs::remove_file(self.folder.join(&self.own));
    }
}

/// The most files of ended gateways that are kept, so that what they left behind is recognised.
const KEPT: usize = 1_000;

/// Removes the files of gateways that ended long ago.
fn clear(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut ended: Vec<_> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let file = File::open(entry.path()).ok()?;
            match file.try_lock() {
                Ok(()) => Some((entry.metadata().ok()?.modified().ok()?, entry.path())),
                Err(TryLockError::WouldBlock | TryLockError::Error(_)) => None,
            }
        })
        .collect();
    ended.sort();
    let many = ended.len().saturating_sub(KEPT);
    for (_, path) in ended.into_iter().take(many) {
        let _ = std::fs::remove_file(path);
    }
}
