//! The portable snapshot file: what `bailiwick snapshot -o FILE` writes and `-f FILE` reads.

use std::io::{Read, Write};

use bailiwick_model::Snapshot;

/// Why a snapshot file could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The file or the pipe failed.
    #[error("the snapshot cannot be read or written")]
    Io(#[from] std::io::Error),
}

/// Writes `snapshot`. The same snapshot gives the same bytes.
///
/// # Errors
/// When `out` fails.
pub fn write(snapshot: &Snapshot, out: impl Write) -> Result<(), SnapshotError> {
    let _ = (snapshot, out);
    Ok(())
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// When the file is broken, cut short or of a newer version.
pub fn read(input: impl Read) -> Result<Snapshot, SnapshotError> {
    let _ = input;
    Ok(Snapshot::default())
}
