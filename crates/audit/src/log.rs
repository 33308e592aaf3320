use std::future::Future;
use std::pin::Pin;

use crate::event::Encoded;
use crate::id::DecisionId;
use crate::line::Record;

/// A place for evidence. Doors write here before they answer.
pub trait Log: Send + Sync {
    /// Appends a record; the future is ready when the record is written as `durability` says, and gives its number.
    ///
    /// Nothing is promised about a record whose future was polled and is dropped before: it may be in the log or not,
    /// and the log says which in a [`Gap`](crate::Gap).
    fn append(&self, event: Encoded, durability: Durability) -> Pending;
}

/// A place where evidence is found again.
pub trait Records: Send + Sync {
    /// The record of a decision; `None` where there is none. May take its time: it may look through all of the log.
    ///
    /// # Errors
    /// Why the log cannot be read.
    fn find(&self, id: DecisionId) -> Result<Option<Record>, String>;
}

/// A record on its way.
pub type Pending = Pin<Box<dyn Future<Output = Result<u64, Refused>> + Send>>;

/// What has to be certain before an answer goes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Durability {
    /// The operating system has it: it survives the death of the program, and within 10 ms that of the machine.
    #[default]
    Written,
    /// The disk has it: it survives the death of the machine.
    Synced,
}

/// Why a record will not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The log has ended.
    #[error("the log is closed; the program is about to end")]
    Closed,
    /// The disk did not confirm what was written.
    #[error("the disk does not confirm what is written to it; look at its health")]
    Sync,
}
