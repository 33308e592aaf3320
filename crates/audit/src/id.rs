use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The name of one decision: which run of the program made it, and its number in that run.
///
/// It stands in the log, in the reason that a user reads, and in what an application gets. It says nothing about who
/// asked for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DecisionId {
    /// Drawn at random when the program starts.
    pub run: u64,
    /// Counted from 1 within the run.
    pub number: u64,
}

/// Why a text names no decision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no decision id; it looks like 00c5f2a19d03e8b7-1f")]
pub struct DecisionIdParseError(String);

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:x}", self.run, self.number)
    }
}

impl FromStr for DecisionId {
    type Err = DecisionIdParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (run, number) = text.split_once('-')?;
            Some(Self {
                run: u64::from_str_radix(run, 16).ok()?,
                number: u64::from_str_radix(number, 16).ok()?,
            })
        };
        read()
            .filter(|id| id.to_string() == text)
            .ok_or_else(|| DecisionIdParseError(text.to_owned()))
    }
}

impl Serialize for DecisionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DecisionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read_back() {
        let id = DecisionId {
            run: 0x00c5_f2a1_9d03_e8b7,
            number: 31,
        };
        assert_eq!(id.to_string(), "00c5f2a19d03e8b7-1f");
        assert_eq!("00c5f2a19d03e8b7-1f".parse(), Ok(id));
        for text in [
            "",
            "-",
            "c5f2a19d03e8b7-1f",
            "00c5f2a19d03e8b7-1F",
            "00c5f2a19d03e8b7-01f",
        ] {
            assert!(text.parse::<DecisionId>().is_err(), "{text}");
        }
    }
}
