use bailiwick_core::Timestamp;
use serde::Deserialize;

use crate::chain::{Digest, HASH};
use crate::event::Event;

/// The longest line of a log in bytes, its end included. A question of 64 KiB fits, however it has to be escaped.
pub const MAX_LINE: usize = 1 << 20;

/// One line, read without looking into its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its hash as it stands there.
    pub hash: Digest,
    /// Number of the record, from 1.
    pub number: u64,
    /// What the hash is over, beside the hash before.
    pub json: &'a [u8],
}

/// Why a line is none of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// It does not start with a hash and a space.
    #[error("it does not start with a hash")]
    Hash,
    /// What follows is no JSON object with a number and a time.
    #[error("what follows the hash is no record")]
    Json,
    /// It is longer than [`MAX_LINE`].
    #[error("it is longer than {MAX_LINE} bytes")]
    Long,
}

#[derive(Deserialize)]
struct Head {
    n: u64,
    #[serde(rename = "at")]
    _at: Timestamp,
}

impl<'a> Line<'a> {
    /// Reads a line without the newline at its end.
    pub fn parse(line: &'a [u8]) -> Result<Self, LineError> {
        if line.len() >= MAX_LINE {
            return Err(LineError::Long);
        }
        let (hash, rest) = line.split_at_checked(HASH).ok_or(LineError::Hash)?;
        let hash = Digest::from_hex(hash).map_err(|_| LineError::Hash)?;
        let json = rest.strip_prefix(b" ").ok_or(LineError::Hash)?;
        let head: Head = serde_json::from_slice(json).map_err(|_| LineError::Json)?;
        Ok(Self {
            hash,
            number: head.n,
            json,
        })
    }

    /// Reads the event too; `None` where it is of a kind that this version does not know.
    pub fn record(&self) -> Option<Record> {
        serde_json::from_slice(self.json).ok()
    }
}

/// A record with its number and time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Record {
    /// Its number, from 1, over all segments.
    #[serde(rename = "n")]
    pub number: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What it is about.
    #[serde(flatten)]
    pub event: Event,
}
