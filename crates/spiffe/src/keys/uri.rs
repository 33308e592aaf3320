use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// A key in a PKCS#11 token, by the URI of RFC 7512:
/// `pkcs11:token=LABEL;object=LABEL?module-path=FILE&pin-source=FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUri {
    /// The label of the token.
    pub token: String,
    /// The label of the key.
    pub object: String,
    /// The module's library.
    pub module: PathBuf,
    /// The file with the PIN of the token's user.
    pub pin_source: PathBuf,
}

/// Why a text is no URI of a key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyUriError {
    /// Another scheme, or broken escapes.
    #[error(
        "no URI of PKCS#11: write pkcs11:token=LABEL;object=LABEL?module-path=FILE&pin-source=FILE"
    )]
    Malformed,
    /// A part that has to be there.
    #[error(
        "`{0}` is missing: write pkcs11:token=LABEL;object=LABEL?module-path=FILE&pin-source=FILE"
    )]
    Missing(&'static str),
    /// A part that would say which key is meant and is not looked at, or one that is there twice.
    #[error(
        "`{0}` is not known or there twice: token, object, module-path and pin-source name a key"
    )]
    Unknown(String),
    /// A PIN in the URI would be seen in the list of processes.
    #[error("a PIN does not belong into a URI: put it into a file and write pin-source=FILE")]
    Pin,
}

impl FromStr for KeyUri {
    type Err = KeyUriError;

    fn from_str(text: &str) -> Result<Self, KeyUriError> {
        let rest = text.strip_prefix("pkcs11:").ok_or(KeyUriError::Malformed)?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let parts = path.split(';').chain(query.split('&'));
        let (mut token, mut object, mut module, mut pin_source) = (None, None, None, None);
        for part in parts.filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or(KeyUriError::Malformed)?;
            let value = unescape(value).ok_or(KeyUriError::Malformed)?;
            let place = match name {
                "token" => &mut token,
                "object" => &mut object,
                "module-path" => &mut module,
                "pin-source" => &mut pin_source,
                // The key that signs is the private one.
                "type" if value == "private" => continue,
                "pin-value" => return Err(KeyUriError::Pin),
                _ => return Err(KeyUriError::Unknown(name.to_owned())),
            };
            if place.replace(value).is_some() {
                return Err(KeyUriError::Unknown(name.to_owned()));
            }
        }
        let need = |value: Option<String>, name| value.ok_or(KeyUriError::Missing(name));
        let pin_source = need(pin_source, "pin-source")?;
        Ok(Self {
            token: need(token, "token")?,
            object: need(object, "object")?,
            module: need(module, "module-path")?.into(),
            pin_source: pin_source
                .strip_prefix("file:")
                .unwrap_or(&pin_source)
                .into(),
        })
    }
}

/// `%41` is `A` (RFC 3986 2.1).
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_by_uris() {
        let check = |text: &str, expected: Result<[&str; 4], &str>| {
            let read = text.parse::<KeyUri>();
            match (&read, expected) {
                (Ok(uri), Ok([token, object, module, pin_source])) => {
                    assert_eq!((uri.token.as_str(), uri.object.as_str()), (token, object));
                    assert_eq!(uri.module, PathBuf::from(module));
                    assert_eq!(uri.pin_source, PathBuf::from(pin_source));
                }
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                _ => panic!("{text}: {read:?}"),
            }
        };
        check(
            "pkcs11:token=hsm;object=ca?module-path=/lib/p.so&pin-source=file:/etc/pin",
            Ok(["hsm", "ca", "/lib/p.so", "/etc/pin"]),
        );
        check(
            "pkcs11:object=my%20ca;type=private;token=a%3Bb?pin-source=/etc/pin&module-path=/lib/p.so",
            Ok(["a;b", "my ca", "/lib/p.so", "/etc/pin"]),
        );
        check(
            "pkcs11:token=a?module-path=/m&pin-source=/p",
            Err("`object` is missing"),
        );
        check(
            "pkcs11:token=a;object=b?module-path=/m",
            Err("`pin-source` is missing"),
        );
        check(
            "pkcs11:token=a;object=b;id=%01?module-path=/m&pin-source=/p",
            Err("`id` is not known"),
        );
        check(
            "pkcs11:token=a;token=b",
            Err("`token` is not known or there twice"),
        );
        check(
            "pkcs11:token=a;object=b?pin-value=1234",
            Err("does not belong into a URI"),
        );
        check("pkcs11:token", Err("no URI"));
        check("pkcs11:token=%4", Err("no URI"));
        check("pkcs11:token=%ff", Err("no URI"));
        check("/etc/ca.key", Err("no URI"));
    }
}
