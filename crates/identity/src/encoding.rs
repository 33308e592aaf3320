//! Base64 as JOSE and JWK have it (RFC 7515, RFC 7517): strict, no padding in the URL form.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// The URL form without padding.
pub(crate) fn url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads the URL form; `None` for anything that [`url`] would not write.
pub(crate) fn from_url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The standard form with padding, as `x5c` has it.
pub(crate) fn standard(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads the standard form.
pub(crate) fn from_standard(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Bytes in JSON, for `#[serde(with)]`.
pub(crate) mod serde_standard {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::standard(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::from_standard(&text).ok_or_else(|| D::Error::custom("no base64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_would_be_written_is_read() {
        let check = |text: &str, expected: Option<&[u8]>| {
            assert_eq!(from_url(text).as_deref(), expected, "{text:?}");
        };
        check("", Some(b""));
        check("_-8", Some(&[0xff, 0xef]));
        check("_-8=", None);
        check("/+8", None);
        // The last letter has bits that belong to no byte.
        check("_-9", None);
        check("_-8\n", None);
        check("a", None);
    }
}
