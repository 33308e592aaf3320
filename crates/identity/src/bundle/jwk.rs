use serde::Deserialize;
use serde_json::{Map, Value, json};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey as Parsed;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::{Bundle, BundleError, MAX_BUNDLE_BYTES, MAX_KEYS};
use crate::encoding::{from_standard, from_url, standard, url};
use crate::jwt::{Algorithm, Curve, Numbers};
use crate::{PublicKey, TrustDomain};

/// A key that tokens of a trust domain are checked with: JWT-SVIDs or WIT-SVIDs, never both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtKey {
    kid: String,
    numbers: Numbers,
}

impl JwtKey {
    /// Its name, which tokens carry as `kid`.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) fn of(kid: &str, key: &PublicKey) -> Option<Self> {
        let numbers = numbers(&key.spki())?;
        (!kid.is_empty()).then(|| Self {
            kid: kid.to_owned(),
            numbers,
        })
    }

    pub(crate) fn verifies(&self, algorithm: Algorithm, signed: &str, signature: &[u8]) -> bool {
        algorithm.verifies(&self.numbers, signed.as_bytes(), signature)
    }

    /// The algorithm that it is for, as `alg` names it.
    pub(crate) fn algorithm(&self) -> &'static str {
        self.numbers.algorithm().name()
    }

    /// As a JWK; `use` says for which documents.
    pub(crate) fn to_json(&self, purpose: &str) -> Value {
        let mut jwk = number_fields(&self.numbers);
        jwk.insert("use".into(), purpose.into());
        jwk.insert("kid".into(), self.kid.as_str().into());
        Value::Object(jwk)
    }
}

/// The JSON of a bundle before its keys are read.
#[derive(Deserialize)]
pub(super) struct Document {
    keys: Option<Vec<Value>>,
    spiffe_sequence: Option<u64>,
    spiffe_refresh_hint: Option<u64>,
}

impl Document {
    /// Reads the keys. Those of an unknown `kty` or `use` are left out (B-1); one that SPIFFE knows and that cannot be
    /// read makes the bundle unusable, so that half of a bundle never passes for the whole.
    pub(super) fn bundle(self, domain: TrustDomain) -> Result<Bundle, BundleError> {
        let keys = self
            .keys
            .ok_or_else(|| BundleError::Json("`keys` is missing".into()))?;
        if keys.len() > MAX_KEYS {
            return Err(BundleError::TooManyKeys(keys.len()));
        }
        let mut bundle = Bundle::new(domain);
        bundle.sequence = self.spiffe_sequence;
        bundle.refresh_hint = self.spiffe_refresh_hint;
        for (index, key) in keys.iter().enumerate() {
            let wrong = |problem| BundleError::Key { index, problem };
            match text(key, "use") {
                Some("x509-svid") => match certificate(key).map_err(wrong)? {
                    Some(der) => bundle
                        .add_x509(der)
                        .map_err(|_| wrong("`x5c` holds no certificate"))?,
                    None => continue,
                },
                Some("jwt-svid") => match jwt_key(key).map_err(wrong)? {
                    Some(key) => bundle.push_jwt(key)?,
                    None => continue,
                },
                Some("wit-svid") => match jwt_key(key).map_err(wrong)? {
                    Some(key) => bundle.push_wit(key)?,
                    None => continue,
                },
                _ => continue,
            }
        }
        Ok(bundle)
    }
}

impl Bundle {
    /// Reads the bundle of `domain` in SPIFFE format (B-1).
    ///
    /// # Errors
    /// When the text is none. `keys` may be empty, but has to be there.
    pub fn from_json(domain: TrustDomain, json: &[u8]) -> Result<Self, BundleError> {
        if json.len() > MAX_BUNDLE_BYTES {
            return Err(BundleError::TooLong(json.len()));
        }
        let malformed = |error: serde_json::Error| BundleError::Json(error.to_string());
        let document: Document = serde_json::from_slice(json).map_err(malformed)?;
        document.bundle(domain)
    }

    /// Writes the bundle in SPIFFE format (X-8, J-5, W-4).
    pub fn to_json(&self) -> Value {
        let x509 = self.x509_authorities().iter();
        let mut keys: Vec<Value> = x509.filter_map(|der| certificate_jwk(der)).collect();
        let jwt = self.jwt_authorities().iter();
        keys.extend(jwt.map(|key| key.to_json("jwt-svid")));
        let wit = self.wit_authorities().iter();
        keys.extend(wit.map(|key| key.to_json("wit-svid")));
        let mut document = json!({ "keys": keys });
        if let Some(fields) = document.as_object_mut() {
            let mut add = |name: &str, value: Option<u64>| {
                value.map(|value| fields.insert(name.into(), value.into()))
            };
            add("spiffe_sequence", self.sequence);
            add("spiffe_refresh_hint", self.refresh_hint);
        }
        document
    }

    /// The keys for tokens as other verifiers of JWTs read them: `use` is `sig`, and `alg` is there.
    pub fn to_oidc_json(&self) -> Value {
        let keys = self.jwt_authorities().iter().map(|key| {
            let mut jwk = key.to_json("sig");
            if let Some(fields) = jwk.as_object_mut() {
                fields.insert("alg".into(), key.algorithm().into());
            }
            jwk
        });
        json!({ "keys": keys.collect::<Vec<_>>() })
    }
}

/// The first certificate of `x5c`; an entry without it is left out.
fn certificate(key: &Value) -> Result<Option<Vec<u8>>, &'static str> {
    let Some(x5c) = key.get("x5c") else {
        return Ok(None);
    };
    let chain = x5c.as_array().ok_or("`x5c` is no list")?;
    let Some(first) = chain.first() else {
        return Ok(None);
    };
    let first = first.as_str().ok_or("`x5c` holds something but text")?;
    from_standard(first).map(Some).ok_or("`x5c` is not base64")
}

/// A key for tokens; `None` for one of a family that JWT-SVID does not know.
fn jwt_key(key: &Value) -> Result<Option<JwtKey>, &'static str> {
    let Some(numbers) = public_numbers(key)? else {
        return Ok(None);
    };
    match text(key, "kid") {
        Some(kid) if !kid.is_empty() => Ok(Some(JwtKey {
            kid: kid.to_owned(),
            numbers,
        })),
        _ => Err("`kid` is missing"),
    }
}

/// The numbers of a public key in a JWK; `None` for one of a family or curve that no SVID is signed with.
pub(crate) fn public_numbers(key: &Value) -> Result<Option<Numbers>, &'static str> {
    Ok(match text(key, "kty") {
        Some("RSA") => Some(Numbers::Rsa {
            n: number(key, "n")?,
            e: number(key, "e")?,
        }),
        Some("EC") => {
            let named = text(key, "crv");
            let mut curves = Curve::ALL.into_iter();
            let Some(curve) = curves.find(|curve| Some(curve.name()) == named) else {
                return Ok(None);
            };
            let (x, y) = (number(key, "x")?, number(key, "y")?);
            if x.len() != curve.bytes() || y.len() != curve.bytes() {
                return Err("`x` and `y` have to be as long as the curve says");
            }
            let point = [&[4], x.as_slice(), y.as_slice()].concat();
            Some(Numbers::Ec { curve, point })
        }
        _ => None,
    })
}

/// A public key as the fields of a JWK, with the algorithm that it signs with; `None` for one that signs no SVID.
pub(crate) fn public_jwk(key: &PublicKey) -> Option<Map<String, Value>> {
    let numbers = numbers(&key.spki())?;
    let mut jwk = number_fields(&numbers);
    jwk.insert("alg".into(), numbers.algorithm().name().into());
    Some(jwk)
}

fn text<'k>(key: &'k Value, name: &str) -> Option<&'k str> {
    key.get(name).and_then(Value::as_str)
}

fn number(key: &Value, name: &'static str) -> Result<Vec<u8>, &'static str> {
    text(key, name)
        .and_then(from_url)
        .filter(|bytes| !bytes.is_empty())
        .ok_or("a number of the key is missing or not base64url")
}

fn certificate_jwk(der: &[u8]) -> Option<Value> {
    let certificate = crate::x509::readable(der).ok()?;
    let mut jwk = numbers(certificate.public_key().raw)
        .map(|numbers| number_fields(&numbers))
        .unwrap_or_default();
    jwk.insert("use".into(), "x509-svid".into());
    jwk.insert("x5c".into(), json!([standard(der)]));
    Some(Value::Object(jwk))
}

fn number_fields(numbers: &Numbers) -> Map<String, Value> {
    let fields = match numbers {
        Numbers::Rsa { n, e } => json!({"kty": "RSA", "n": url(n), "e": url(e)}),
        Numbers::Ec { curve, point } => {
            let (x, y) = point.get(1..).unwrap_or_default().split_at(curve.bytes());
            json!({"kty": "EC", "crv": curve.name(), "x": url(x), "y": url(y)})
        }
    };
    fields.as_object().cloned().unwrap_or_default()
}

/// The numbers of a SubjectPublicKeyInfo.
fn numbers(spki: &[u8]) -> Option<Numbers> {
    let (_, spki) = SubjectPublicKeyInfo::from_der(spki).ok()?;
    match spki.parsed().ok()? {
        Parsed::RSA(key) => {
            let strip = |bytes: &[u8]| {
                let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                bytes.get(zeros..).unwrap_or_default().to_vec()
            };
            Some(Numbers::Rsa {
                n: strip(key.modulus),
                e: strip(key.exponent),
            })
        }
        Parsed::EC(point) => {
            let point = point.data().to_vec();
            let mut curves = Curve::ALL.into_iter();
            let curve = curves.find(|curve| point.len() == 1 + 2 * curve.bytes())?;
            (point.first() == Some(&4)).then_some(Numbers::Ec { curve, point })
        }
        _ => None,
    }
}
