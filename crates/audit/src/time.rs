use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time in microseconds since 1970-01-01T00:00:00Z, without leap seconds.
///
/// Written as RFC 3339 in UTC with six digits of fraction, always 27 letters, so that equal times are equal texts and
/// times sort as texts do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// Why a text is no timestamp.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time; write it like 2026-11-21T12:00:00.000000Z")]
pub struct TimestampParseError(String);

const DAY: u64 = 86_400_000_000;
/// 9999-12-31T23:59:59.999999Z, the last one that has four digits of year.
const LAST: u64 = 253_402_300_799_999_999;

impl Timestamp {
    /// `micros` after the epoch; what lies after the year 9999 becomes its end.
    pub fn from_micros(micros: u64) -> Self {
        Self(micros.min(LAST))
    }

    /// Microseconds since the epoch.
    pub fn as_micros(self) -> u64 {
        self.0
    }
}

/// Year, month and day of a day counted from 1970-01-01 (the inverse of [`day_of`]).
fn date_of(day: u64) -> (u64, u64, u64) {
    // Years that begin in March put the leap day at the end; 400 of them are 146,097 days.
    let shifted = day + 719_468;
    let (era, in_era) = (shifted / 146_097, shifted % 146_097);
    let year = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let march = (5 * in_year + 2) / 153;
    let day = in_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

/// The day of a date, counted from 1970-01-01; `None` before it.
fn day_of(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = year.checked_sub(u64::from(month <= 2))?;
    let (era, in_era) = (year / 400, year % 400);
    let march = (month + 9) % 12;
    let in_year = (153 * march + 2) / 5 + day - 1;
    let days = era * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year;
    days.checked_sub(719_468)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date_of(self.0 / DAY);
        let micros = self.0 % DAY;
        let seconds = micros / 1_000_000;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}Z",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60,
            micros % 1_000_000
        )
    }
}

impl FromStr for Timestamp {
    type Err = TimestampParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || -> Option<Self> {
            let number =
                |range: std::ops::Range<usize>| -> Option<u64> { text.get(range)?.parse().ok() };
            let day = day_of(number(0..4)?, number(5..7)?, number(8..10)?)?;
            let seconds = number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
            Some(Self(day * DAY + seconds * 1_000_000 + number(20..26)?))
        };
        // Whatever is not written back as it was read was no timestamp.
        read()
            .filter(|time| time.to_string() == text)
            .ok_or_else(|| TimestampParseError(text.to_owned()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(micros: u64, expected: &str) {
        let time = Timestamp::from_micros(micros);
        assert_eq!(time.to_string(), expected);
        assert_eq!(expected.parse(), Ok(time));
    }

    #[test]
    fn written_and_read_back() {
        check(0, "1970-01-01T00:00:00.000000Z");
        check(951_782_400_000_001, "2000-02-29T00:00:00.000001Z");
        check(1_709_251_199_999_999, "2024-02-29T23:59:59.999999Z");
        check(1_795_262_400_000_000, "2026-11-21T12:00:00.000000Z");
        check(4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z");
        check(LAST, "9999-12-31T23:59:59.999999Z");
        assert_eq!(Timestamp::from_micros(u64::MAX).as_micros(), LAST);
    }

    #[test]
    fn every_day_of_four_centuries() {
        for day in 0..146_097 {
            let (year, month, of_month) = date_of(day);
            assert_eq!(day_of(year, month, of_month), Some(day));
        }
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T12:00:00Z",
            "2026-02-30T12:00:00.000000Z",
            "2026-13-01T12:00:00.000000Z",
            "2026-11-21T24:00:00.000000Z",
            "2026-11-21T12:00:00.000000z",
            "1969-12-31T23:59:59.000000Z",
            "2026-11-21T12:00:00.+00000Z",
            "2026-11-21T12:00:00.000000Zx",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }
}
