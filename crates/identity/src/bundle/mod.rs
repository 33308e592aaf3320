//! Trust bundles: the public keys of a trust domain, as a JWKS (SPIFFE Trust Domain and Bundle 4) and in sets.

mod jwk;
mod map;
mod unique;

use thiserror::Error;

pub(crate) use jwk::{public_jwk, public_numbers};
pub(crate) use unique::UniqueMap;

pub use jwk::JwtKey;
pub use map::BundleMap;

use crate::x509::Anchors;
use crate::{PublicKey, TrustDomain};

/// A bundle is never longer.
pub const MAX_BUNDLE_BYTES: usize = 4 * 1024 * 1024;
/// No bundle has more keys.
const MAX_KEYS: usize = 1000;

/// The public keys of one trust domain. Two domains' keys are never in one (F-7): there is no way to join bundles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    domain: TrustDomain,
    x509: Vec<Vec<u8>>,
    jwt: Vec<JwtKey>,
    wit: Vec<JwtKey>,
    /// `spiffe_sequence`: grows with every change.
    pub sequence: Option<u64>,
    /// `spiffe_refresh_hint`: after how many seconds to ask again.
    pub refresh_hint: Option<u64>,
}

/// Why a text is no bundle, or a key does not go into one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Longer than [`MAX_BUNDLE_BYTES`].
    #[error("a bundle of {0} bytes: the most is {MAX_BUNDLE_BYTES}")]
    TooLong(usize),
    /// Not the JSON of a JWKS.
    #[error("no bundle in SPIFFE format (a JSON object with `keys`): {0}")]
    Json(String),
    /// More keys than anybody has.
    #[error("{0} keys in one bundle: the most is {MAX_KEYS}")]
    TooManyKeys(usize),
    /// A key of SPIFFE that cannot be read.
    #[error("key {index} of the bundle: {problem}")]
    Key {
        /// Counted from 0.
        index: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Two keys under one name.
    #[error("two keys have the id `{0}`: a token could mean either")]
    DuplicateKid(String),
    /// A name in a map of bundles that is no trust domain.
    #[error("`{name}` is no trust domain: {error}")]
    Domain {
        /// What stands there.
        name: String,
        /// Why not.
        #[source]
        error: crate::IdError,
    },
}

impl Bundle {
    /// A bundle without keys, which revokes everything of the domain (B-1).
    pub fn new(domain: TrustDomain) -> Self {
        Self {
            domain,
            x509: Vec::new(),
            jwt: Vec::new(),
            wit: Vec::new(),
            sequence: None,
            refresh_hint: None,
        }
    }

    /// Whose keys these are.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// Root certificates in DER.
    pub fn x509_authorities(&self) -> &[Vec<u8>] {
        &self.x509
    }

    /// Keys for tokens.
    pub fn jwt_authorities(&self) -> &[JwtKey] {
        &self.jwt
    }

    /// Keys for WIT-SVIDs.
    pub fn wit_authorities(&self) -> &[JwtKey] {
        &self.wit
    }

    /// Whether nothing of the domain counts any more.
    pub fn is_empty(&self) -> bool {
        self.x509.is_empty() && self.jwt.is_empty() && self.wit.is_empty()
    }

    /// Adds a root certificate in DER; one that is there already is not added again.
    ///
    /// # Errors
    /// When the bytes are no certificate.
    pub fn add_x509(&mut self, der: Vec<u8>) -> Result<(), BundleError> {
        let index = self.x509.len();
        crate::x509::readable(&der).map_err(|_| BundleError::Key {
            index,
            problem: "no certificate in DER",
        })?;
        if !self.x509.contains(&der) {
            self.x509.push(der);
        }
        Ok(())
    }

    /// Adds a key for tokens.
    ///
    /// # Errors
    /// When there is one of that name, or the key cannot be taken apart.
    pub fn add_jwt(&mut self, kid: &str, key: &PublicKey) -> Result<(), BundleError> {
        self.push_jwt(token_key(self.jwt.len(), kid, key)?)
    }

    fn push_jwt(&mut self, key: JwtKey) -> Result<(), BundleError> {
        self.check_name(&key)?;
        self.jwt.push(key);
        Ok(())
    }

    /// Adds a key for WIT-SVIDs.
    ///
    /// # Errors
    /// When there is one of that name, for whatever tokens (W-4), or the key cannot be taken apart.
    pub fn add_wit(&mut self, kid: &str, key: &PublicKey) -> Result<(), BundleError> {
        self.push_wit(token_key(self.wit.len(), kid, key)?)
    }

    fn push_wit(&mut self, key: JwtKey) -> Result<(), BundleError> {
        self.check_name(&key)?;
        self.wit.push(key);
        Ok(())
    }

    fn check_name(&self, key: &JwtKey) -> Result<(), BundleError> {
        let mut known = self.jwt.iter().chain(&self.wit);
        match known.any(|known| known.kid() == key.kid()) {
            true => Err(BundleError::DuplicateKid(key.kid().to_owned())),
            false => Ok(()),
        }
    }

    /// The same without the keys for certificates, as the JWT profile of the Workload API gives it.
    #[must_use]
    pub fn jwt_only(&self) -> Self {
        let mut bundle = self.clone();
        bundle.x509.clear();
        bundle.wit.clear();
        bundle
    }

    /// The same with the keys for WIT-SVIDs alone, as the WIT profile of the Workload API gives it.
    #[must_use]
    pub fn wit_only(&self) -> Self {
        let mut bundle = self.clone();
        bundle.x509.clear();
        bundle.jwt.clear();
        bundle
    }
}

fn token_key(index: usize, kid: &str, key: &PublicKey) -> Result<JwtKey, BundleError> {
    let problem = "no key that tokens are signed with";
    JwtKey::of(kid, key).ok_or(BundleError::Key { index, problem })
}

impl Anchors for Bundle {
    fn x509_authorities(&self, domain: &TrustDomain) -> Option<&[Vec<u8>]> {
        (*domain == self.domain).then_some(&self.x509)
    }
}

impl crate::jwt::JwtKeys for Bundle {
    fn jwt_authorities(&self, domain: &TrustDomain) -> Option<&[JwtKey]> {
        (*domain == self.domain).then_some(&self.jwt)
    }
}

impl crate::wit::WitKeys for Bundle {
    fn wit_authorities(&self, domain: &TrustDomain) -> Option<&[JwtKey]> {
        (*domain == self.domain).then_some(&self.wit)
    }
}

#[cfg(test)]
mod tests;
