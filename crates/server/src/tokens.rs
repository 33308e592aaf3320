//! Callers that come with a token: JSON Web Tokens (RFC 7519) of configured issuers, for a configured audience.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use tokio::sync::watch;

use crate::error::Error;

/// Who signs tokens, for whom, and with which keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenIssuer {
    /// `iss` of its tokens.
    pub issuer: String,
    /// What `aud` has to name.
    pub audience: String,
    /// A file with its public keys, as a JSON Web Key Set (RFC 7517).
    pub keys: PathBuf,
}

/// Verifies tokens.
#[derive(Debug)]
pub struct Tokens {
    issuers: Vec<Keyed>,
}

#[derive(Debug)]
struct Keyed {
    issuer: TokenIssuer,
    loaded: RwLock<Arc<Loaded>>,
}

/// The keys of a file, and the bytes that they were read from.
struct Loaded {
    bytes: Vec<u8>,
    keys: Vec<Key>,
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} keys", self.keys.len())
    }
}

struct Key {
    id: Option<String>,
    algorithms: &'static [Algorithm],
    key: DecodingKey,
}

/// Who a token speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) sub: String,
}

/// Bytes of a token; nobody needs longer ones.
pub(crate) const LONGEST: usize = 16 << 10;
/// Bytes of a file of keys.
const MOST_BYTES: u64 = 1 << 20;
/// Keys of an issuer.
const MOST_KEYS: usize = 100;
/// Keys that a token without a key id is tried with.
const TRIES: usize = 4;
/// Seconds by which clocks may differ.
const LEEWAY: u64 = 30;
/// How often files of keys are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

impl Tokens {
    /// Reads the keys of every issuer.
    pub fn load(issuers: Vec<TokenIssuer>) -> Result<Self, Error> {
        let keyed = issuers.into_iter().map(|issuer| {
            let loaded = RwLock::new(Arc::new(Loaded::read(&issuer)?));
            Ok(Keyed { issuer, loaded })
        });
        Ok(Self {
            issuers: keyed.collect::<Result<_, Error>>()?,
        })
    }

    /// Takes new keys as they come, until `end` becomes true. A file that is broken changes nothing.
    pub async fn watch(self: Arc<Self>, mut end: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                _ = end.wait_for(|end| *end) => return,
            }
            let tokens = Arc::clone(&self);
            let _ = tokio::task::spawn_blocking(move || tokens.reload()).await;
        }
    }

    fn reload(&self) {
        for keyed in &self.issuers {
            let issuer = &keyed.issuer.issuer;
            match Loaded::read(&keyed.issuer) {
                Ok(loaded) if loaded.bytes == keyed.loaded().bytes => {}
                Ok(loaded) => {
                    tracing::info!(issuer, keys = loaded.keys.len(), "new keys in use");
                    let mut place = keyed.loaded.write().unwrap_or_else(PoisonError::into_inner);
                    *place = Arc::new(loaded);
                }
                Err(error) => {
                    tracing::warn!(issuer, %error, "new keys refused; the old ones stay");
                }
            }
        }
    }

    /// Who a token speaks of, if it is good now. Otherwise what is wrong, without a word of the token.
    pub(crate) fn verify(&self, token: &str) -> Result<Claims, &'static str> {
        if token.len() > LONGEST {
            return Err("it is longer than 16 KiB");
        }
        let head = decode_header(token).map_err(|_| "it is no JSON Web Token")?;
        let mut found = Err(
            "no key of a configured issuer has signed it for this audience, or it is not valid now",
        );
        for keyed in &self.issuers {
            let loaded = keyed.loaded();
            let fits = |key: &&Key| {
                let named = head.kid.is_none() || key.id.is_none() || key.id == head.kid;
                named && key.algorithms.contains(&head.alg)
            };
            for key in loaded.keys.iter().filter(fits).take(TRIES) {
                if let Ok(claims) = keyed.issuer.check(token, head.alg, &key.key) {
                    found = Ok(claims);
                }
            }
        }
        found
    }
}

impl Keyed {
    fn loaded(&self) -> Arc<Loaded> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&loaded)
    }
}

impl TokenIssuer {
    fn check(
        &self,
        token: &str,
        algorithm: Algorithm,
        key: &DecodingKey,
    ) -> jsonwebtoken::errors::Result<Claims> {
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_audience(&[&self.audience]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        decode::<Claims>(token, key, &validation).map(|data| data.claims)
    }
}

impl Loaded {
    fn read(issuer: &TokenIssuer) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<serde_json::Value>,
        }
        let wrong = |why: String| Error::Pem {
            path: issuer.keys.clone(),
            what: "JSON Web Key Set",
            why,
        };
        let metadata = std::fs::metadata(&issuer.keys).map_err(|error| wrong(error.to_string()))?;
        if metadata.len() > MOST_BYTES {
            return Err(wrong("it is larger than 1 MiB".to_owned()));
        }
        let bytes = std::fs::read(&issuer.keys).map_err(|error| wrong(error.to_string()))?;
        let set: Set = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        if set.keys.len() > MOST_KEYS {
            return Err(wrong(format!("it holds more than {MOST_KEYS} keys")));
        }
        let keys: Vec<Key> = set.keys.into_iter().filter_map(Key::of).collect();
        if keys.is_empty() {
            let why = "no key in it is public and for signatures: RSA, P-256, P-384 or Ed25519";
            return Err(wrong(why.to_owned()));
        }
        Ok(Self { bytes, keys })
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

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    use super::*;

    struct Signer {
        pair: rcgen::KeyPair,
        id: &'static str,
    }

    impl Signer {
        fn new(id: &'static str) -> Self {
            let pair = rcgen::KeyPair::generate().unwrap();
            Self { pair, id }
        }

        fn jwk(&self) -> Value {
            let point = self.pair.public_key_raw();
            let part = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
            json!({"kty": "EC", "crv": "P-256", "kid": self.id, "x": part(1..33), "y": part(33..65)})
        }

        fn sign(&self, claims: &Value) -> String {
            let mut head = Header::new(Algorithm::ES256);
            head.kid = Some(self.id.to_owned());
            let key = EncodingKey::from_ec_der(self.pair.serialized_der());
            encode(&head, claims, &key).unwrap()
        }
    }

    fn claims(change: Value) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let mut claims = json!({
            "iss": "https://issuer", "aud": ["other", "bailiwick"], "sub": "shop", "exp": now.as_secs() + 60,
        });
        if let Value::Object(change) = change {
            for (name, value) in change {
                claims[name] = value;
            }
        }
        claims
    }

    #[test]
    fn only_tokens_of_the_issuer_for_the_audience_while_they_are_valid() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        let (one, two) = (Signer::new("one"), Signer::new("two"));
        let write = |keys: Value| std::fs::write(&path, json!({"keys": keys}).to_string()).unwrap();
        let secret = json!({"kty": "oct", "kid": "one", "k": URL_SAFE_NO_PAD.encode("secret")});
        write(json!([{"kty": "strange"}, secret, one.jwk()]));
        let issuer = TokenIssuer {
            issuer: "https://issuer".into(),
            audience: "bailiwick".into(),
            keys: path.clone(),
        };
        let tokens = Tokens::load(vec![issuer.clone()]).unwrap();
        let check = |token: &str, expected: Result<&str, &str>| match tokens.verify(token) {
            Ok(claims) => assert_eq!(Ok(&*claims.sub), expected),
            Err(why) => assert!(why.contains(expected.unwrap_err()), "{why}"),
        };
        let no = Err("no key of a configured issuer");
        check(&one.sign(&claims(json!({}))), Ok("shop"));
        check(&one.sign(&claims(json!({"aud": "bailiwick"}))), Ok("shop"));
        for (name, value) in [
            ("iss", json!("https://other")),
            ("aud", json!("other")),
            ("aud", json!([])),
            ("exp", json!(1)),
            ("exp", Value::Null),
            ("nbf", json!(4_000_000_000_u64)),
            ("sub", Value::Null),
        ] {
            let mut changed = claims(json!({}));
            match value {
                Value::Null => drop(changed.as_object_mut().unwrap().remove(name)),
                value => changed[name] = value,
            }
            check(&one.sign(&changed), no);
        }
        // Another key, under the name of the known one.
        let forged = Signer {
            id: "one",
            ..Signer::new("x")
        };
        check(&forged.sign(&claims(json!({}))), no);
        // The shared secret, and no signature at all.
        let mut head = Header::new(Algorithm::HS256);
        head.kid = Some("one".into());
        let shared = encode(
            &head,
            &claims(json!({})),
            &EncodingKey::from_secret(b"secret"),
        );
        check(&shared.unwrap(), no);
        let text = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let none = format!(
            "{}.{}.",
            text(json!({"alg": "none"})),
            text(claims(json!({})))
        );
        check(&none, Err("it is no JSON Web Token"));
        check("x", Err("it is no JSON Web Token"));
        check(&"x".repeat(LONGEST + 1), Err("longer than 16 KiB"));

        // Keys come and go; a broken file changes nothing.
        check(&two.sign(&claims(json!({}))), no);
        write(json!([one.jwk(), two.jwk()]));
        tokens.reload();
        check(&two.sign(&claims(json!({}))), Ok("shop"));
        write(json!([two.jwk()]));
        tokens.reload();
        check(&one.sign(&claims(json!({}))), no);
        for broken in [
            "{",
            "{\"keys\": []}",
            "{\"keys\": [{\"kty\": \"oct\", \"k\": \"eA\"}]}",
        ] {
            std::fs::write(&path, broken).unwrap();
            tokens.reload();
            assert!(Tokens::load(vec![issuer.clone()]).is_err());
            check(&two.sign(&claims(json!({}))), Ok("shop"));
        }
    }
}
