use std::time::Duration;

/// How a log is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// A segment that reaches this size is ended, in bytes.
    pub segment_size: u64,
    /// A segment that reaches this age is ended, if it holds anything.
    pub segment_age: Duration,
    /// How long after a write the disk is asked to confirm it. At most 10 ms keep the promise of the documentation.
    pub sync_after: Duration,
    /// Bytes of records that may wait for the disk. Whoever comes when they are used up waits for room.
    pub waiting_bytes: u32,
    /// Version of the program, for the first record of a segment.
    pub program: String,
}

impl Default for Options {
    /// 64 MiB, one day, 5 ms, 16 MiB.
    fn default() -> Self {
        Self {
            segment_size: 64 << 20,
            segment_age: Duration::from_secs(24 * 3600),
            sync_after: Duration::from_millis(5),
            waiting_bytes: 16 << 20,
            program: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
