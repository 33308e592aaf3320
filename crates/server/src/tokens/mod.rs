//! Callers that come with a token: JSON Web Tokens (RFC 7519) of configured issuers, for a configured audience.

mod keys;
mod remote;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use self::remote::{KeyAddress, RemoteKeys};

use self::keys::Loaded;
use self::remote::Refresher;
use crate::error::Error;

/// Who signs tokens, for whom, and with which keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenIssuer {
    /// `iss` of its tokens.
    pub issuer: String,
    /// What `aud` has to name.
    pub audience: String,
    /// Where its public keys are.
    pub keys: KeySource,
}

/// Where public keys are, as a JSON Web Key Set (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// In a file.
    File(PathBuf),
    /// Wherever the issuer tells them.
    Remote(RemoteKeys),
}

/// Verifies tokens.
#[derive(Debug)]
pub struct Tokens {
    issuers: Vec<Arc<Keyed>>,
}

#[derive(Debug)]
struct Keyed {
    issuer: TokenIssuer,
    loaded: RwLock<Option<Arc<Loaded>>>,
    refresher: Refresher,
}

/// Why nobody comes in with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// What is wrong with it, without a word of it.
    NotAccepted(&'static str),
    /// The keys of its issuer cannot be had.
    NobodyCanSay,
}

/// Who a token speaks of.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) sub: String,
    /// Seconds since 1970, perhaps with a fraction (RFC 7519, section 2).
    #[serde(default)]
    exp: Option<f64>,
    #[serde(default)]
    nbf: Option<f64>,
}

impl Claims {
    fn are_valid_at(&self, now: SystemTime) -> bool {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = since.as_secs_f64();
        let begun = self.nbf.is_none_or(|begin| begin <= now + LEEWAY);
        begun && self.exp.is_some_and(|end| now < end + LEEWAY)
    }
}

/// Bytes of a token; nobody needs longer ones.
pub(crate) const LONGEST: usize = 16 << 10;
/// Keys that a token without a key id is tried with.
const TRIES: usize = 4;
/// Seconds by which clocks may differ.
const LEEWAY: f64 = 30.0;
/// How often files of keys are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

impl Tokens {
    /// Reads the keys of every issuer that has them in a file. Others are asked once somebody [watches](Self::watch).
    pub fn load(issuers: Vec<TokenIssuer>) -> Result<Self, Error> {
        let keyed = issuers.into_iter().map(|issuer| {
            let loaded = match &issuer.keys {
                KeySource::File(path) => Some(Arc::new(Loaded::read(path)?)),
                KeySource::Remote(remote) => {
                    remote.check(&issuer.issuer)?;
                    None
                }
            };
            Ok(Arc::new(Keyed {
                issuer,
                loaded: RwLock::new(loaded),
                refresher: Refresher::default(),
            }))
        });
        Ok(Self {
            issuers: keyed.collect::<Result<_, Error>>()?,
        })
    }

    /// Takes new keys as they come, until `end` becomes true. What is broken changes nothing.
    pub async fn watch(self: Arc<Self>, mut end: watch::Receiver<bool>) {
        let mut asking = JoinSet::new();
        for keyed in &self.issuers {
            if let KeySource::Remote(remote) = &keyed.issuer.keys {
                asking.spawn(remote::follow(Arc::clone(keyed), remote.clone()));
            }
        }
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
            let KeySource::File(path) = &keyed.issuer.keys else {
                continue;
            };
            let issuer = &keyed.issuer.issuer;
            match Loaded::read(path) {
                Ok(loaded) => keyed.take(loaded),
                Err(error) => {
                    tracing::warn!(issuer, %error, "new keys refused; the old ones stay");
                }
            }
        }
    }

    /// Who a token speaks of, if it is good `now`. Where it names a key that its issuer did not have when it was last
    /// asked, the issuer is asked once more.
    pub(crate) async fn verify(&self, token: &str, now: SystemTime) -> Result<Claims, Refused> {
        let not = Refused::NotAccepted;
        if token.len() > LONGEST {
            return Err(not("it is longer than 16 KiB"));
        }
        let head = decode_header(token).map_err(|_| not("it is no JSON Web Token"))?;
        let refused = not(
            "no key of a configured issuer has signed it for this audience, or it is not valid now",
        );
        if let Some(claims) = self.known(token, &head, now) {
            return Ok(claims);
        }
        let Some(keyed) = self.said_issuer(token) else {
            return Err(refused);
        };
        let lacks = |keyed: &Keyed| match (keyed.loaded(), &head.kid) {
            (None, _) => true,
            (Some(loaded), Some(id)) => !loaded.has(id),
            (Some(_), None) => false,
        };
        if lacks(keyed)
            && keyed.refresher.once().await
            && let Some(claims) = self.known(token, &head, now)
        {
            return Ok(claims);
        }
        match keyed.loaded() {
            Some(_) => Err(refused),
            None => Err(Refused::NobodyCanSay),
        }
    }

    /// By the keys that are there.
    fn known(&self, token: &str, head: &Header, now: SystemTime) -> Option<Claims> {
        let mut found = None;
        for keyed in &self.issuers {
            let Some(loaded) = keyed.loaded() else {
                continue;
            };
            for key in loaded.fitting(head).take(TRIES) {
                if let Ok(claims) = keyed.issuer.check(token, head.alg, key)
                    && claims.are_valid_at(now)
                {
                    found = Some(claims);
                }
            }
        }
        found
    }

    /// The issuer that a token says to be of and that can be asked. Nobody has verified the token.
    fn said_issuer(&self, token: &str) -> Option<&Keyed> {
        let claims = jsonwebtoken::dangerous::insecure_decode_claims::<Claims>(token).ok()?;
        let said = |keyed: &&Arc<Keyed>| {
            let remote = matches!(keyed.issuer.keys, KeySource::Remote(_));
            remote && keyed.issuer.issuer == claims.iss
        };
        self.issuers.iter().find(said).map(|keyed| &**keyed)
    }
}

impl Keyed {
    /// The keys; `None` where there are none yet, or none that count any more.
    fn loaded(&self) -> Option<Arc<Loaded>> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        let bound = match &self.issuer.keys {
            KeySource::File(_) => Duration::MAX,
            KeySource::Remote(remote) => remote.max_age,
        };
        let fresh = |loaded: &&Arc<Loaded>| loaded.at.elapsed() <= bound;
        loaded.as_ref().filter(fresh).cloned()
    }

    /// These are the keys from now on.
    fn take(&self, loaded: Loaded) {
        let mut place = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        let same = place.as_ref().is_some_and(|old| old.bytes == loaded.bytes);
        if !same {
            let issuer = &self.issuer.issuer;
            tracing::info!(issuer, keys = loaded.len(), "new keys in use");
        }
        *place = Some(Arc::new(loaded));
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
        // Against the time that the caller names: below.
        validation.validate_exp = false;
        validation.set_audience(&[&self.audience]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        decode::<Claims>(token, key, &validation).map(|data| data.claims)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "a test that cannot go on ends")]

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    use super::*;

    pub(super) struct Signer {
        pair: rcgen::KeyPair,
        pub(super) id: &'static str,
    }

    impl Signer {
        pub(super) fn new(id: &'static str) -> Self {
            let pair = rcgen::KeyPair::generate().unwrap();
            Self { pair, id }
        }

        pub(super) fn jwk(&self) -> Value {
            let point = self.pair.public_key_raw();
            let part = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
            json!({"kty": "EC", "crv": "P-256", "kid": self.id, "x": part(1..33), "y": part(33..65)})
        }

        pub(super) fn sign(&self, claims: &Value) -> String {
            let mut head = Header::new(Algorithm::ES256);
            head.kid = Some(self.id.to_owned());
            let key = EncodingKey::from_ec_der(self.pair.serialized_der());
            encode(&head, claims, &key).unwrap()
        }
    }

    pub(super) fn claims(change: Value) -> Value {
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
            keys: KeySource::File(path.clone()),
        };
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        let tokens = Tokens::load(vec![issuer.clone()]).unwrap();
        let check = |token: &str, expected: Result<&str, &str>| match runtime
            .block_on(tokens.verify(token, SystemTime::now()))
        {
            Ok(claims) => assert_eq!(Ok(&*claims.sub), expected),
            Err(Refused::NotAccepted(why)) => {
                assert!(why.contains(expected.unwrap_err()), "{why}");
            }
            Err(other) => panic!("{other:?}"),
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

    #[test]
    fn a_jump_of_the_clock_moves_the_life_of_a_token_and_nothing_else() {
        let claims = Claims {
            iss: String::new(),
            sub: String::new(),
            exp: Some(2_000.5),
            nbf: Some(1_000.0),
        };
        let check = |seconds: u64, expected: bool| {
            let now = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(claims.are_valid_at(now), expected, "{seconds}");
        };
        for (seconds, expected) in [
            (0, false),
            (969, false),
            (970, true),
            (2_030, true),
            (2_031, false),
        ] {
            check(seconds, expected);
        }
        check(4_000_000_000, false);
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert!(!claims.are_valid_at(before), "a clock before 1970");
        let endless = Claims {
            exp: None,
            ..claims
        };
        assert!(!endless.are_valid_at(UNIX_EPOCH + Duration::from_secs(1_500)));
    }
}
