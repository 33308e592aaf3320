use aws_lc_rs::signature as lc;

use crate::{KeyType, Scheme};

/// The algorithms that a JWT-SVID may be signed with (JWT-SVID 2.1); no other is ever tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are those of RFC 7518")]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Es256,
    Es384,
    Es512,
    Ps256,
    Ps384,
    Ps512,
}

/// What a JWK holds: the numbers of a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Numbers {
    /// Modulus and exponent, big-endian.
    Rsa {
        /// Modulus.
        n: Vec<u8>,
        /// Exponent.
        e: Vec<u8>,
    },
    /// An uncompressed point.
    Ec {
        /// Which curve.
        curve: Curve,
        /// `04 x y`.
        point: Vec<u8>,
    },
}

/// Curves of RFC 7518 6.2.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Numbers {
    /// The algorithm that such a key is used with where its owner does not say: SHA-2 as long as the curve; RSA with
    /// PKCS#1 v1.5 and SHA-256.
    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::Rs256,
            Self::Ec { curve, .. } => match curve {
                Curve::P256 => Algorithm::Es256,
                Curve::P384 => Algorithm::Es384,
                Curve::P521 => Algorithm::Es512,
            },
        }
    }
}

impl Curve {
    pub(crate) const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// Bytes of one coordinate.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
    ];

    /// The name in the header of a token.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }

    /// The algorithm that authorities of this kind of key sign with.
    pub(crate) fn of(key_type: KeyType) -> Self {
        match key_type.scheme() {
            Scheme::Es256 => Self::Es256,
            Scheme::Es384 => Self::Es384,
            Scheme::Rs256 => Self::Rs256,
        }
    }

    /// Whether `signature` is that of the key over `message`. A key of another family verifies nothing.
    pub(crate) fn verifies(self, key: &Numbers, message: &[u8], signature: &[u8]) -> bool {
        match key {
            Numbers::Rsa { n, e } => self.rsa().is_some_and(|parameters| {
                let key = lc::RsaPublicKeyComponents { n, e };
                key.verify(parameters, message, signature).is_ok()
            }),
            Numbers::Ec { curve, point } => self.ec(*curve).is_some_and(|algorithm| {
                let key = lc::UnparsedPublicKey::new(algorithm, point);
                key.verify(message, signature).is_ok()
            }),
        }
    }

    /// Whether keys of this family sign with it.
    pub(crate) fn is_for(self, key: &Numbers) -> bool {
        match key {
            Numbers::Rsa { .. } => self.rsa().is_some(),
            Numbers::Ec { curve, .. } => self.ec(*curve).is_some(),
        }
    }

    fn rsa(self) -> Option<&'static lc::RsaParameters> {
        match self {
            Self::Rs256 => Some(&lc::RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Some(&lc::RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Some(&lc::RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Some(&lc::RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Some(&lc::RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Some(&lc::RSA_PSS_2048_8192_SHA512),
            Self::Es256 | Self::Es384 | Self::Es512 => None,
        }
    }

    fn ec(self, curve: Curve) -> Option<&'static lc::EcdsaVerificationAlgorithm> {
        match (self, curve) {
            (Self::Es256, Curve::P256) => Some(&lc::ECDSA_P256_SHA256_FIXED),
            (Self::Es384, Curve::P384) => Some(&lc::ECDSA_P384_SHA384_FIXED),
            (Self::Es512, Curve::P521) => Some(&lc::ECDSA_P521_SHA512_FIXED),
            _ => None,
        }
    }
}
