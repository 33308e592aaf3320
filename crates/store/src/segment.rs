//! A segment that is being written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::directory::Directory;
use crate::error::Error;

/// The file that records are appended to.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) position: u64,
    file: Arc<File>,
    /// Bytes of whole records.
    size: u64,
    /// Bytes may lie behind the last whole record.
    dirty_tail: bool,
    opened: Instant,
    looked: Instant,
}

/// How long a file that somebody takes away may be written to before that is seen.
const LOOK: Duration = Duration::from_millis(10);

impl Segment {
    /// Makes the segment with its first record. It appears with that record or not at all.
    pub(crate) fn create(
        directory: &Directory,
        position: u64,
        opening: &[u8],
    ) -> Result<Self, Error> {
        let path = directory.segment(position);
        let part = path.with_extension("part");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&part).map_err(Error::io(&part, "made"))?;
        let written = (|| {
            file.write_all(opening)?;
            file.sync_all()?;
            fs::rename(&part, &path)?;
            directory.sync()
        })();
        if let Err(error) = written {
            // It would be overwritten anyway.
            let _ = fs::remove_file(&part);
            return Err(Error::io(&path, "written")(error));
        }
        Ok(Self {
            position,
            file: Arc::new(file),
            size: opening.len() as u64,
            dirty_tail: false,
            opened: Instant::now(),
            looked: Instant::now(),
        })
    }

    /// Appends whole records. After an error none of them is in the file.
    pub(crate) fn append(&mut self, records: &[u8]) -> io::Result<()> {
        self.cut_tail()?;
        let written = (&*self.file).write_all(records);
        if let Err(error) = written {
            self.dirty_tail = true;
            // Where this fails too, the next call tries again before it writes anything.
            let _ = self.cut_tail();
            return Err(error);
        }
        self.size += records.len() as u64;
        Ok(())
    }

    /// Takes away what a failed write left behind the last whole record.
    fn cut_tail(&mut self) -> io::Result<()> {
        if self.dirty_tail {
            self.file.set_len(self.size)?;
            (&*self.file).seek(SeekFrom::Start(self.size))?;
            self.dirty_tail = false;
        }
        Ok(())
    }

    /// Whether somebody has deleted the file, so that what is written to it is nowhere. Looked for every 10 ms.
    pub(crate) fn is_deleted(&mut self) -> bool {
        if self.looked.elapsed() < LOOK {
            return false;
        }
        self.looked = Instant::now();
        self.file.metadata().is_ok_and(|file| file.nlink() == 0)
    }

    pub(crate) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn age(&self) -> Duration {
        self.opened.elapsed()
    }
}
