//! What the disk itself takes to make some bytes durable, measured beside everything else.

use std::{
    fs::File,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

/// Bytes of one write: about what a record is.
const BYTES: [u8; 600] = [b'x'; 600];

/// How long each of the appends to one file took, with `fdatasync`, for a while.
pub(crate) fn syncs(folder: &Path, span: Duration) -> anyhow::Result<Vec<Duration>> {
    let mut file = File::create(folder.join("disk"))?;
    let (end, mut took) = (Instant::now() + span, Vec::new());
    while Instant::now() < end {
        file.write_all(&BYTES)?;
        let began = Instant::now();
        file.sync_data()?;
        took.push(began.elapsed());
    }
    Ok(took)
}
