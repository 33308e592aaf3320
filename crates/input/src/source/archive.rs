use std::io::{self, Cursor, Read};

use bailiwick_core::Str;
use bailiwick_diag::Finding;
use flate2::read::MultiGzDecoder;

use super::unit::{bounded, lost};
use crate::limits::{MAX_FILE_BYTES, MAX_FILES};

/// What the first bytes say that a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Gzip,
    Tar,
    Zip,
    /// Our snapshot file, or another file that zstd has compressed.
    Zstd,
    /// Something that is no text.
    Binary,
}

impl Format {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let head = bytes.get(..8192).unwrap_or(bytes);
        match head {
            [0x1F, 0x8B, ..] => Self::Gzip,
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Self::Zstd,
            [b'P', b'K', 3 | 5, 4 | 6, ..] => Self::Zip,
            _ if head.get(257..262) == Some(b"ustar") => Self::Tar,
            [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] => Self::Text,
            _ if head.contains(&0) => Self::Binary,
            _ => Self::Text,
        }
    }
}

/// A file of an archive.
pub(crate) struct Member {
    /// Archive and path in it, as in `dump.tar.gz!roles/a.yaml`.
    pub(crate) name: Str,
    pub(crate) bytes: Vec<u8>,
}

/// Hands the manifests of an archive to `take`, one at a time, and gives what could not be read. What an archive unpacks
/// to is bounded as a whole.
pub(crate) fn members(
    archive: &str,
    format: Format,
    bytes: Vec<u8>,
    take: &mut dyn FnMut(Member),
) -> Option<Finding> {
    let mut unpack = Unpack {
        archive,
        take,
        bytes: 0,
        files: 0,
    };
    let outcome = match format {
        Format::Gzip => unpack.gzip(&bytes),
        Format::Tar => unpack.tar(bytes.as_slice()),
        _ => unpack.zip(bytes),
    };
    let (message, help) = match outcome {
        Ok(()) => return None,
        Err(Stop::Broken(error)) => (
            format!("{archive}: the archive is broken or cut short: {error}"),
            "fetch it again; what came before the break has been read",
        ),
        Err(Stop::TooLarge) => (
            format!(
                "{archive}: it unpacks to more than {} MiB",
                MAX_FILE_BYTES >> 20
            ),
            "unpack it and name the directory",
        ),
        Err(Stop::TooMany) => (
            format!("{archive}: it holds more than {MAX_FILES} files"),
            "unpack it and name the directory",
        ),
    };
    Some(lost("broken-archive", message, help))
}

enum Stop {
    Broken(io::Error),
    TooLarge,
    TooMany,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

struct Unpack<'a> {
    archive: &'a str,
    take: &'a mut dyn FnMut(Member),
    bytes: u64,
    files: usize,
}

impl Unpack<'_> {
    /// A compressed tar, or a compressed manifest.
    fn gzip(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let mut head = Vec::new();
        MultiGzDecoder::new(bytes)
            .take(512)
            .read_to_end(&mut head)?;
        if Format::of(&head) == Format::Tar {
            return self.tar(MultiGzDecoder::new(bytes));
        }
        let text = bounded(MultiGzDecoder::new(bytes), 0)?.ok_or(Stop::TooLarge)?;
        (self.take)(Member {
            name: self.archive.into(),
            bytes: text,
        });
        Ok(())
    }

    fn tar(&mut self, reader: impl Read) -> Result<(), Stop> {
        // Also what is skipped has to be unpacked.
        let mut archive = tar::Archive::new(reader.take(MAX_FILE_BYTES * 2));
        for entry in archive.entries()? {
            let entry = entry?;
            self.count()?;
            let path = entry.path()?.to_string_lossy().into_owned();
            if entry.header().entry_type().is_file() && is_manifest(&path) {
                let size = entry.size();
                self.member(&path, entry, size)?;
            }
        }
        Ok(())
    }

    fn zip(&mut self, bytes: Vec<u8>) -> Result<(), Stop> {
        let broken =
            |error: zip::result::ZipError| Stop::Broken(io::Error::other(error.to_string()));
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
        for position in 0..archive.len() {
            self.count()?;
            let file = archive.by_index(position).map_err(broken)?;
            let path = file.name().map_err(broken)?.into_owned();
            if file.is_file() && is_manifest(&path) {
                let size = file.size();
                self.member(&path, file, size)?;
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), Stop> {
        self.files += 1;
        if self.files > MAX_FILES {
            return Err(Stop::TooMany);
        }
        Ok(())
    }

    fn member(&mut self, path: &str, reader: impl Read, size: u64) -> Result<(), Stop> {
        // The size that an archive names is only believed as far as it costs nothing.
        let bytes = bounded(reader, size.min(1 << 20))?.ok_or(Stop::TooLarge)?;
        self.bytes += bytes.len() as u64;
        if self.bytes > MAX_FILE_BYTES {
            return Err(Stop::TooLarge);
        }
        (self.take)(Member {
            name: format!("{}!{path}", self.archive).into(),
            bytes,
        });
        Ok(())
    }
}

fn is_manifest(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    !name.starts_with('.')
        && [".json", ".yaml", ".yml"]
            .iter()
            .any(|extension| name.ends_with(extension))
}
