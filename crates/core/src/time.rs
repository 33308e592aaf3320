use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time: microseconds since 1970-01-01T00:00:00Z, without leap seconds.
///
/// As text it is RFC 3339. It is printed in UTC, to the second, or with `{:.6}` to the microsecond: texts of one length
/// then sort as the times do. JSON has it to the microsecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A text that is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time: write it as RFC 3339 does, such as `2026-11-21T18:00:00Z`")]
pub struct TimestampError(String);

const SECOND: i64 = 1_000_000;

impl Timestamp {
    /// The first moment of the year 0000, before which RFC 3339 has no text.
    pub const MIN: Self = Self(-62_167_219_200 * SECOND);
    /// The last microsecond of the year 9999, after which RFC 3339 has no text.
    pub const MAX: Self = Self(253_402_300_800 * SECOND - 1);

    /// Seconds since 1970; what RFC 3339 cannot write becomes the nearest that it can.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self::from_micros(seconds.saturating_mul(SECOND))
    }

    /// Microseconds since 1970; what RFC 3339 cannot write becomes the nearest that it can.
    pub const fn from_micros(micros: i64) -> Self {
        if micros < Self::MIN.0 {
            Self::MIN
        } else if micros > Self::MAX.0 {
            Self::MAX
        } else {
            Self(micros)
        }
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(SECOND)
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// So much later, [`Timestamp::MAX`] at most.
    #[must_use]
    pub fn plus(self, time: Duration) -> Self {
        Self::from_micros(self.0.saturating_add(micros(time)))
    }

    /// So much earlier, [`Timestamp::MIN`] at least.
    #[must_use]
    pub fn minus(self, time: Duration) -> Self {
        Self::from_micros(self.0.saturating_sub(micros(time)))
    }

    /// How long this is after `earlier`; nothing when it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

impl Timestamp {
    /// As the calendar has it.
    fn moment(self) -> OffsetDateTime {
        // Both ends of the range are within what it can hold.
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = self.moment();
        let (year, month, day) = moment.to_calendar_date();
        let (hour, minute, second, micros) = moment.to_hms_micro();
        write!(f, "{year:04}-{:02}-{day:02}", u8::from(month))?;
        write!(f, "T{hour:02}:{minute:02}:{second:02}")?;
        match f.precision() {
            None | Some(0) => {}
            Some(digits) => {
                let digits = digits.min(6);
                let dropped = u32::try_from(6 - digits).unwrap_or(0);
                write!(f, ".{:0digits$}", micros / 10_u32.pow(dropped))?;
            }
        }
        f.write_str("Z")
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads RFC 3339, lower-case letters included. Beyond microseconds a fraction is cut off; a leap second is refused.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let refused = || TimestampError(text.chars().take(64).collect());
        // The parser lets a leap second and a space for the `T` pass.
        if !shaped(text.as_bytes()) {
            return Err(refused());
        }
        let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| refused())?;
        let micros = moment.unix_timestamp_nanos().div_euclid(1_000);
        let micros = i64::try_from(micros).map_err(|_| refused())?;
        let time = Self::from_micros(micros);
        (time.0 == micros).then_some(time).ok_or_else(refused)
    }
}

/// Whether a text has the letters of RFC 3339 in their places. What the numbers mean is not looked at, but for the
/// seconds, which are not 60.
fn shaped(text: &[u8]) -> bool {
    const DATE_AND_TIME: &[u8; 19] = b"0000-00-00T00:00:00";
    const OFFSET: &[u8; 6] = b"+00:00";
    fn like(text: &[u8], pattern: &[u8]) -> bool {
        text.len() == pattern.len()
            && text
                .iter()
                .zip(pattern)
                .all(|(byte, pattern)| match pattern {
                    b'0' => byte.is_ascii_digit(),
                    b'+' => matches!(byte, b'+' | b'-'),
                    other => byte.eq_ignore_ascii_case(other),
                })
    }
    let Some((start, rest)) = text.split_at_checked(DATE_AND_TIME.len()) else {
        return false;
    };
    let zone = match rest.split_first() {
        Some((b'.', fraction)) => {
            let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            if digits == 0 {
                return false;
            }
            fraction.get(digits..).unwrap_or_default()
        }
        _ => rest,
    };
    like(start, DATE_AND_TIME)
        && !start.ends_with(b":60")
        && (like(zone, b"Z") || like(zone, OFFSET))
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{self:.6}"))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rfc_3339_and_refuses_the_rest() {
        let check = |text: &str, expected: Option<i64>| {
            let read = text.parse::<Timestamp>().ok().map(Timestamp::micros);
            assert_eq!(read, expected, "{text:?}");
        };
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:30:45Z", 951_827_445),
            ("2026-11-21t18:00:00+01:30", 1_795_278_600),
            ("2026-11-21T15:00:00-01:30", 1_795_278_600),
            ("1969-12-31T23:59:59Z", -1),
            ("0000-01-01T00:00:00Z", -62_167_219_200),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            check(text, Some(seconds * SECOND));
        }
        check("2026-11-21T16:30:00.9999999z", Some(1_795_278_600_999_999));
        check("1969-12-31T23:59:59.9Z", Some(-100_000));
        for text in [
            "",
            "2026-11-21",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T00:00:60Z",
            "2026-11-21T00:00:00",
            "2026-11-21 00:00:00Z",
            "2026-11-21T00:00:00.Z",
            "2026-11-21T00:00:00,5Z",
            "2026-11-21T00:00:00+1:00",
            "2026-11-21T00:00:00+0100",
            "2026-11-21T00:00:00Z[UTC]",
            "20261121T000000Z",
            "+002026-11-21T00:00:00Z",
            "9999-12-31T23:59:59-01:00",
            "2026-11-21T00:00:00\u{e9}",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn writes_what_it_reads() {
        let time = Timestamp::from_micros(1_795_278_600_500_000);
        assert_eq!(time.to_string(), "2026-11-21T16:30:00Z");
        assert_eq!(format!("{time:.6}"), "2026-11-21T16:30:00.500000Z");
        assert_eq!(format!("{time:.2}"), "2026-11-21T16:30:00.50Z");
        for (micros, text) in [
            (Timestamp::MIN.micros(), "0000-01-01T00:00:00.000000Z"),
            (Timestamp::MAX.micros(), "9999-12-31T23:59:59.999999Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
        ] {
            let time = Timestamp::from_micros(micros);
            assert_eq!(format!("{time:.6}"), text);
            assert_eq!(text.parse(), Ok(time));
        }
    }

    #[test]
    fn json_has_microseconds() {
        let check = |json: &str, micros: i64, written: &str| {
            let time: Timestamp = serde_json::from_str(json).unwrap();
            assert_eq!(time.micros(), micros, "{json}");
            assert_eq!(serde_json::to_string(&time).unwrap(), written);
        };
        let whole = r#""1970-01-01T00:00:01Z""#;
        check(whole, SECOND, r#""1970-01-01T00:00:01.000000Z""#);
        let half = r#""1970-01-01T01:00:01.500+01:00""#;
        check(half, SECOND * 3 / 2, r#""1970-01-01T00:00:01.500000Z""#);
        assert!(serde_json::from_str::<Timestamp>("1").is_err());
    }

    #[test]
    fn stays_within_what_has_a_text() {
        let day = Duration::from_secs(86_400);
        assert_eq!(Timestamp::MAX.plus(day), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.minus(Duration::MAX), Timestamp::MIN);
        assert_eq!(Timestamp::from_seconds(i64::MAX), Timestamp::MAX);
        let noon = Timestamp::from_seconds(43_200);
        assert_eq!(noon.plus(day).since(noon), day);
        assert_eq!(noon.since(noon.plus(day)), Duration::ZERO);
        assert_eq!(noon.minus(day).seconds(), -43_200);
    }
}
