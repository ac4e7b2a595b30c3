//! A disk with room for little, that can be full.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A small disk, given back at the end.
pub(crate) struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts one of so many MiB; what was in the folder lies under it.
    pub(crate) fn mount(at: PathBuf, size: usize) -> Self {
        std::fs::create_dir_all(&at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}m"), "none"])
            .arg(&at)
            .stderr(Stdio::null())
            .status();
        assert!(
            mounted.is_ok_and(|status| status.success()),
            "only root can mount a small disk to fill"
        );
        Self { at }
    }

    pub(crate) fn at(&self) -> &Path {
        &self.at
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }

    /// Takes all room that is left.
    pub(crate) fn fill(&self) {
        // It ends with an error: that is what fills it.
        let _ = std::fs::write(self.ballast(), vec![0; 64 << 20]);
    }

    /// Gives the room back.
    pub(crate) fn make_room(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}
