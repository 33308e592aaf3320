//! The portable snapshot file: what `bailiwick snapshot -o FILE` writes and `-f FILE` reads.
//!
//! JSON lines, compressed with zstd: a header ([`FORMAT`], version, cluster, files, gaps), one object a line with its
//! origin, and an end with their number and a checksum, so that a file that was cut short is noticed. The same snapshot
//! gives the same bytes. A reader refuses a newer version; types of objects that it does not know become a gap. The
//! header names the kinds that its writer reads: of a kind that the reader knows and the writer did not, nothing is known,
//! which is a gap as well.

mod gaps;
mod read;
mod write;

use std::io;

use bailiwick_model::{ClusterInfo, Object, Origin, SourceFile};
use serde::{Deserialize, Serialize};

use self::gaps::WrittenGap;

pub use read::read;
pub use write::write;

/// What the first line of every snapshot file names as its format.
pub const FORMAT: &str = "bailiwick.dev/snapshot";

/// The version that is written, and the newest that is read.
pub const VERSION: u32 = 1;

/// Why a snapshot file could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The file could not be written.
    #[error("the snapshot cannot be written")]
    Write(#[source] io::Error),
    /// The file could not be read or unpacked.
    #[error("the snapshot cannot be unpacked; it is broken or cut short")]
    Unpack(#[source] io::Error),
    /// It is something else.
    #[error(
        "this is no snapshot file; name files of YAML or JSON, an archive, or a file that `bailiwick snapshot` wrote"
    )]
    Foreign,
    /// It was written by a newer Bailiwick.
    #[error(
        "the snapshot has version {0} and this program reads up to {VERSION}; update Bailiwick"
    )]
    Newer(u32),
    /// A line is not what it should be.
    #[error("line {line} of the snapshot is broken")]
    Broken {
        /// The line, from 1, of the unpacked file.
        line: u64,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// The end is missing.
    #[error("the snapshot is cut short after {0} objects; fetch it again")]
    CutShort(u64),
    /// Contents and checksum do not agree.
    #[error("the checksum of the snapshot is wrong; fetch it again")]
    Checksum,
    /// It unpacks to more than any cluster holds.
    #[error("the snapshot unpacks to more than {0} MiB; is it one of ours?")]
    TooLarge(u64),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    format: String,
    version: u32,
    #[serde(default)]
    created_by: String,
    #[serde(default)]
    cluster: ClusterInfo,
    #[serde(default)]
    files: Vec<SourceFile>,
    #[serde(default)]
    gaps: Vec<WrittenGap>,
    /// The kinds that the writer reads; `None` where it did not say yet.
    #[serde(default)]
    kinds: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    object: Object,
    origin: Origin,
}

#[derive(Serialize, Deserialize)]
struct End {
    end: Totals,
}

#[derive(Serialize, Deserialize)]
struct Totals {
    objects: u64,
    /// SHA-256 of all bytes before this line, in hexadecimal digits.
    sha256: String,
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
