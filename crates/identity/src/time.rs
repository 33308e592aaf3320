use std::fmt;

use bailiwick_core::Timestamp;
use serde::{Deserialize, Serialize};

/// A moment in whole seconds since 1970-01-01T00:00:00Z, leap seconds left out.
///
/// Certificates and tokens know nothing finer.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UnixTime(u64);

impl UnixTime {
    /// A moment.
    pub const fn new(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub const fn seconds(self) -> u64 {
        self.0
    }

    /// The moment so many seconds later; the last one that there is when that is too far.
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// The moment so many seconds earlier; 1970 when that is too far.
    pub const fn minus(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }

    /// Seconds since `earlier`; 0 when that is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// As the builder of certificates has it; `None` after the year 9999, which X.509 cannot say.
    pub(crate) fn calendar(self) -> Option<::time::OffsetDateTime> {
        let seconds = i64::try_from(self.0).ok()?;
        ::time::OffsetDateTime::from_unix_timestamp(seconds).ok()
    }
}

/// What is after the year 9999 becomes its last second.
impl From<UnixTime> for Timestamp {
    fn from(time: UnixTime) -> Self {
        Self::from_seconds(i64::try_from(time.0).unwrap_or(i64::MAX))
    }
}

/// RFC 3339, as Kubernetes writes it: `2026-11-21T12:00:00Z`.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Timestamp::from(*self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_kubernetes_does() {
        let check = |seconds, expected: &str| {
            assert_eq!(UnixTime::new(seconds).to_string(), expected);
        };
        check(0, "1970-01-01T00:00:00Z");
        check(1_795_262_400, "2026-11-21T12:00:00Z");
        check(253_402_300_799, "9999-12-31T23:59:59Z");
        check(u64::MAX, "9999-12-31T23:59:59Z");
    }
}
