//! The evidence log on disk.
//!
//! A directory holds segments (`00000000000000000001.log`, ...) and a file `lock` that keeps a second writer away.
//! [`Store::open`] starts a new segment in it; [`Store`] is the [`Log`](bailiwick_audit::Log) that doors write to.
//!
//! One thread writes: it takes whatever is waiting, appends it with one `write`, and only then are the answers let
//! go. Another thread makes the disk confirm, at most 10 ms after a write, or at once where somebody waits for it. A
//! disk that is full or does not answer keeps the records waiting; who gives up waiting is noted in a gap record.

mod directory;
mod error;
mod gaps;
mod options;
mod queue;
mod read;
mod recover;
mod segment;
mod store;
mod sync;
mod told;
mod writer;

pub use error::Error;
pub use options::Options;
pub use read::{Segment, find, is_being_written, segments, since, verify};
pub use store::{Health, Store};
