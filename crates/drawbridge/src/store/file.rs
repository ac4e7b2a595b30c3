//! The file of an embedded store: whether it is still where it was opened.

use std::{
    fs::metadata,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{Place, StoreError};

/// A store's file, as it was opened.
#[derive(Debug)]
pub(super) struct StoreFile {
    path: PathBuf,
    id: (u64, u64),
}

impl StoreFile {
    /// The file of an embedded store that is open; none of a server's.
    pub(super) fn of(place: &Place) -> Option<Self> {
        let Place::Sqlite(path) = place else {
            return None;
        };
        let id = identity(path)?;
        Some(Self {
            path: path.clone(),
            id,
        })
    }

    /// Refuses when the file was moved, removed or replaced: what is written to it then is lost with
    /// this process.
    pub(super) fn in_place(&self) -> Result<(), StoreError> {
        if identity(&self.path) == Some(self.id) {
            return Ok(());
        }
        let file = self.path.display();
        Err(StoreError::Changed(format!(
            "the store's file `{file}` was moved away, removed or replaced while the gateway runs; \
             put it back, and the gateway goes on by itself, or start the gateway again"
        )))
    }
}

/// Device and number of a file: other files of this name have others.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_moved_or_replaced_is_noticed_and_one_put_back_is_good() {
        let folder = tempfile::tempdir().unwrap();
        let (path, aside) = (folder.path().join("s.db"), folder.path().join("aside"));
        std::fs::write(&path, "1").unwrap();
        let file = StoreFile::of(&Place::Sqlite(path.clone())).unwrap();
        assert!(file.in_place().is_ok());
        std::fs::rename(&path, &aside).unwrap();
        assert!(file.in_place().is_err(), "moved away");
        std::fs::write(&path, "1").unwrap();
        assert!(file.in_place().is_err(), "replaced");
        std::fs::rename(&aside, &path).unwrap();
        assert!(file.in_place().is_ok(), "put back");
    }
}
