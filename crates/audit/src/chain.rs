use std::fmt;
use std::io::Write as _;
use std::str::FromStr;

use bailiwick_core::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

use crate::event::Encoded;

/// A SHA-256 hash; 64 letters of lower-case hex.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

/// Why a text is no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no hash; a hash is 64 letters of lower-case hex")]
pub struct DigestParseError;

impl Digest {
    /// Before the first record of a log.
    pub const ZERO: Self = Self([0; 32]);

    /// The hash of a record: over the hash before it and its JSON.
    pub(crate) fn link(self, json: &[u8]) -> Self {
        Self(
            Sha256::new()
                .chain_update(self.0)
                .chain_update(json)
                .finalize()
                .into(),
        )
    }

    fn hex(self) -> [u8; 64] {
        const LETTERS: &[u8; 16] = b"0123456789abcdef";
        let letter = |half: u8| LETTERS.get(usize::from(half)).copied().unwrap_or_default();
        let mut hex = [0; 64];
        for (pair, byte) in hex.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = [letter(byte >> 4), letter(byte & 15)];
        }
        hex
    }

    pub(crate) fn from_hex(hex: &[u8]) -> Result<Self, DigestParseError> {
        let value = |letter: u8| match letter {
            b'0'..=b'9' => Ok(letter - b'0'),
            b'a'..=b'f' => Ok(letter - b'a' + 10),
            _ => Err(DigestParseError),
        };
        let (pairs, rest) = hex.as_chunks::<2>();
        let mut digest = [0; 32];
        if pairs.len() != digest.len() || !rest.is_empty() {
            return Err(DigestParseError);
        }
        for (byte, &[high, low]) in digest.iter_mut().zip(pairs) {
            *byte = value(high)? << 4 | value(low)?;
        }
        Ok(Self(digest))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Digest {
    type Err = DigestParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_hex(text.as_bytes())
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// The end of a log, where the next record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    next: u64,
    head: Digest,
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

impl Chain {
    /// Before the first record.
    pub fn new() -> Self {
        Self::after(0, Digest::ZERO)
    }

    /// After the record with this number and hash.
    pub fn after(number: u64, head: Digest) -> Self {
        Self {
            next: number.saturating_add(1),
            head,
        }
    }

    /// The number of the next record, from 1.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The hash of the last record.
    pub fn head(&self) -> Digest {
        self.head
    }

    /// Appends a record to `out` as one line and gives its number.
    pub fn append(&mut self, at: Timestamp, event: &Encoded, out: &mut Vec<u8>) -> u64 {
        let number = self.next;
        let start = out.len();
        out.extend_from_slice(&[b' '; HASH + 1]);
        // Writing to memory does not fail.
        let _ = write!(out, "{{\"n\":{number},\"at\":\"{at:.6}\",");
        out.extend_from_slice(event.json.get(1..).unwrap_or_default());
        let json = out.get(start + HASH + 1..).unwrap_or_default();
        self.head = self.head.link(json);
        if let Some(hash) = out.get_mut(start..start + HASH) {
            hash.copy_from_slice(&self.head.hex());
        }
        out.push(b'\n');
        self.next = number.saturating_add(1);
        number
    }
}

/// Letters of a hash.
pub(crate) const HASH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{CloseReason, Event};

    #[test]
    fn a_line_is_what_the_documentation_says() {
        let event = Event::Closed {
            reason: CloseReason::Size,
        };
        let mut out = Vec::new();
        let mut chain = Chain::new();
        let number = chain.append(
            Timestamp::from_micros(7),
            &event.encode().unwrap(),
            &mut out,
        );
        let json = r#"{"n":1,"at":"1970-01-01T00:00:00.000007Z","kind":"closed","reason":"size"}"#;
        let mut hashed = vec![0; 32];
        hashed.extend_from_slice(json.as_bytes());
        let hash = Digest(Sha256::digest(&hashed).into());
        assert_eq!(String::from_utf8(out).unwrap(), format!("{hash} {json}\n"));
        assert_eq!((number, chain.next(), chain.head()), (1, 2, hash));
    }

    #[test]
    fn hashes_are_lower_case_hex() {
        let text = "00ff".repeat(16);
        let digest: Digest = text.parse().unwrap();
        assert_eq!(digest.to_string(), text);
        assert_eq!(digest.hex().as_slice(), text.as_bytes());
        for bad in [
            text.to_uppercase(),
            text[1..].to_owned(),
            format!("{text}00"),
        ] {
            assert_eq!(bad.parse::<Digest>(), Err(DigestParseError), "{bad}");
        }
    }
}
