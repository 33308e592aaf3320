//! Names in the directory of a log.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Letters of a position in the name of a segment: as many as the largest position has.
const DIGITS: usize = 20;

/// A directory that nobody else writes to, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Makes the directory where it is missing (0700), and locks it.
    pub(crate) fn lock(path: &Path) -> Result<Self, Error> {
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(path);
        made.map_err(Error::io(path, "made"))?;
        let name = lock_path(path);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(&name).map_err(Error::io(&name, "opened"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Locked(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(Error::io(&name, "locked")(error)),
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    pub(crate) fn segment(&self, position: u64) -> PathBuf {
        self.path.join(format!("{position:0DIGITS$}.log"))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the disk confirm names that were made, changed or removed.
    pub(crate) fn sync(&self) -> std::io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

pub(crate) fn lock_path(directory: &Path) -> PathBuf {
    directory.join("lock")
}

/// Positions and paths of the segments, in order.
pub(crate) fn list(directory: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(Error::io(directory, "read"))? {
        let entry = entry.map_err(Error::io(directory, "read"))?;
        let name = entry.file_name();
        if let Some(position) = name.to_str().and_then(position) {
            found.push((position, entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn position(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    (digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse().ok())?
}
