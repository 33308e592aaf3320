//! Public keys of an issuer, as a JSON Web Key Set (RFC 7517).

use std::path::Path;
use std::time::Instant;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde::Deserialize;

use crate::error::Error;

/// Keys, the bytes that they were read from, and when.
pub(super) struct Loaded {
    pub(super) bytes: Vec<u8>,
    pub(super) at: Instant,
    keys: Vec<Key>,
}

struct Key {
    id: Option<String>,
    algorithms: &'static [Algorithm],
    key: DecodingKey,
}

/// Bytes of a set of keys.
pub(super) const MOST_BYTES: usize = 1 << 20;
/// Keys of an issuer.
const MOST_KEYS: usize = 100;

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} keys", self.keys.len())
    }
}

impl Loaded {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |why: String| Error::Pem {
            path: path.to_owned(),
            what: "JSON Web Key Set",
            why,
        };
        let metadata = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
        if metadata.len() > MOST_BYTES as u64 {
            return Err(wrong("it is larger than 1 MiB".to_owned()));
        }
        let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        Self::of(bytes).map_err(wrong)
    }

    /// Reads a set, or says what is wrong with it.
    pub(super) fn of(bytes: Vec<u8>) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<serde_json::Value>,
        }
        let set: Set = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        if set.keys.len() > MOST_KEYS {
            return Err(format!("it holds more than {MOST_KEYS} keys"));
        }
        let keys: Vec<Key> = set.keys.into_iter().filter_map(Key::of).collect();
        if keys.is_empty() {
            let why = "no key in it is public and for signatures: RSA, P-256, P-384 or Ed25519";
            return Err(why.to_owned());
        }
        Ok(Self {
            bytes,
            at: Instant::now(),
            keys,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether a key has this id.
    pub(super) fn has(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id))
    }

    /// The keys that may have signed a token with this head.
    pub(super) fn fitting<'k>(&'k self, head: &'k Header) -> impl Iterator<Item = &'k DecodingKey> {
        let fits = |key: &&Key| {
            let named = head.kid.is_none() || key.id.is_none() || key.id == head.kid;
            named && key.algorithms.contains(&head.alg)
        };
        self.keys.iter().filter(fits).map(|key| &key.key)
    }
}

impl Key {
    /// `None` for keys of other kinds, which a set may hold. A shared secret is none that anybody but its owners
    /// should verify with.
    fn of(value: serde_json::Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let algorithms: &[Algorithm] = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => &[
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
            ],
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                &[Algorithm::ES256]
            }
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => {
                &[Algorithm::ES384]
            }
            AlgorithmParameters::OctetKeyPair(_) => &[Algorithm::EdDSA],
            _ => return None,
        };
        Some(Self {
            id: jwk.common.key_id.clone(),
            algorithms,
            key: DecodingKey::from_jwk(&jwk).ok()?,
        })
    }
}
