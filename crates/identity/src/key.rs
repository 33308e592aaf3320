use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature as lc;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use x509_parser::asn1_rs::Oid;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey as Parsed;
use x509_parser::x509::SubjectPublicKeyInfo;

/// Kinds of keys that an authority makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum KeyType {
    /// ECDSA on P-256.
    EcP256,
    /// ECDSA on P-384.
    EcP384,
    /// RSA with 2048 bits.
    Rsa2048,
    /// RSA with 4096 bits.
    Rsa4096,
}

impl KeyType {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::EcP256, Self::EcP384, Self::Rsa2048, Self::Rsa4096];

    /// The word for it: `ec-p256`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EcP256 => "ec-p256",
            Self::EcP384 => "ec-p384",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa4096 => "rsa-4096",
        }
    }

    /// How keys of this kind sign.
    pub fn scheme(self) -> Scheme {
        match self {
            Self::EcP256 => Scheme::Es256,
            Self::EcP384 => Scheme::Es384,
            Self::Rsa2048 | Self::Rsa4096 => Scheme::Rs256,
        }
    }

    pub(crate) fn rcgen(self) -> &'static rcgen::SignatureAlgorithm {
        match self {
            Self::EcP256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::EcP384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            Self::Rsa2048 | Self::Rsa4096 => &rcgen::PKCS_RSA_SHA256,
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How an authority signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Scheme {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
}

/// The public half of a key of one of the known kinds.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    key_type: KeyType,
    /// The bits of the key without the algorithm around them.
    bits: Vec<u8>,
}

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The bytes are no key.
    #[error("no public key in DER (SubjectPublicKeyInfo)")]
    Malformed,
    /// A kind that no authority signs for.
    #[error("a {0} key: take ec-p256, ec-p384, rsa-2048 or rsa-4096")]
    Unsupported(String),
}

/// Why nothing was signed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the key did not sign: {0}")]
pub struct SignError(pub String);

/// A private key that signs and is never seen.
pub trait Signer: Send + Sync {
    /// The public half.
    fn public_key(&self) -> &PublicKey;

    /// Signs `message`, which it hashes itself. ECDSA gives the two numbers side by side, each as long as the curve
    /// (RFC 7518 3.4), as hardware modules do.
    ///
    /// # Errors
    /// When whatever holds the key does not answer.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

impl<S: Signer + ?Sized> Signer for &S {
    fn public_key(&self) -> &PublicKey {
        (**self).public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        (**self).sign(message)
    }
}

impl<S: Signer + ?Sized> Signer for Arc<S> {
    fn public_key(&self) -> &PublicKey {
        (**self).public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        (**self).sign(message)
    }
}

impl PublicKey {
    /// An uncompressed point (`04 x y`) of P-256 or P-384; `None` for any other bytes.
    pub fn ec(point: &[u8]) -> Option<Self> {
        let key_type = match point {
            [4, rest @ ..] if rest.len() == 64 => KeyType::EcP256,
            [4, rest @ ..] if rest.len() == 96 => KeyType::EcP384,
            _ => return None,
        };
        let bits = point.to_vec();
        Some(Self { key_type, bits })
    }

    /// Modulus and exponent of RSA, big-endian; `None` for lengths that no authority has.
    pub fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let key_type = match modulus.len() {
            256 => KeyType::Rsa2048,
            512 => KeyType::Rsa4096,
            _ => return None,
        };
        let numbers = [integer(modulus), integer(exponent)].concat();
        let bits = tlv(0x30, &numbers);
        Some(Self { key_type, bits })
    }

    /// Reads a SubjectPublicKeyInfo (RFC 5280 4.1).
    ///
    /// # Errors
    /// When it is none, or the key is of a kind that authorities do not sign for.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let (rest, spki) = SubjectPublicKeyInfo::from_der(der).map_err(|_| KeyError::Malformed)?;
        if !rest.is_empty() {
            return Err(KeyError::Malformed);
        }
        Self::of(&spki)
    }

    pub(crate) fn of(spki: &SubjectPublicKeyInfo<'_>) -> Result<Self, KeyError> {
        let parameters = spki.algorithm.parameters.as_ref();
        let curve = parameters.and_then(|parameters| parameters.as_oid().ok());
        let key_type = match spki.parsed().map_err(|_| KeyError::Malformed)? {
            Parsed::EC(point) => match (curve.as_ref().map(Oid::as_bytes), point.data()) {
                (Some(P256), [4, rest @ ..]) if rest.len() == 64 => KeyType::EcP256,
                (Some(P384), [4, rest @ ..]) if rest.len() == 96 => KeyType::EcP384,
                _ => {
                    let curve = curve.map_or("unknown".to_owned(), |curve| curve.to_id_string());
                    return Err(KeyError::Unsupported(format!("EC {curve}")));
                }
            },
            Parsed::RSA(rsa) => match rsa.key_size() {
                2048 => KeyType::Rsa2048,
                4096 => KeyType::Rsa4096,
                bits => return Err(KeyError::Unsupported(format!("RSA {bits} bit"))),
            },
            _ => {
                return Err(KeyError::Unsupported(
                    spki.algorithm.algorithm.to_id_string(),
                ));
            }
        };
        let bits = spki.subject_public_key.data.to_vec();
        Ok(Self { key_type, bits })
    }

    /// Which kind of key it is.
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// As SubjectPublicKeyInfo in DER.
    pub fn spki(&self) -> Vec<u8> {
        rcgen::PublicKeyData::subject_public_key_info(self)
    }

    /// The key alone: an uncompressed point, or the modulus and exponent of RSA in DER.
    pub fn bits(&self) -> &[u8] {
        &self.bits
    }

    /// Whether `signature` (in the form of [`Signer::sign`]) is of this key over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &dyn lc::VerificationAlgorithm = match self.key_type.scheme() {
            Scheme::Es256 => &lc::ECDSA_P256_SHA256_FIXED,
            Scheme::Es384 => &lc::ECDSA_P384_SHA384_FIXED,
            Scheme::Rs256 => &lc::RSA_PKCS1_2048_8192_SHA256,
        };
        lc::UnparsedPublicKey::new(algorithm, &self.bits)
            .verify(message, signature)
            .is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.key_type)
    }
}

impl rcgen::PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.bits
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.key_type.rcgen()
    }
}

/// A [`Signer`] as the builder of certificates wants one.
pub(crate) struct CertificateSigner<S>(pub(crate) S);

impl<S: Signer> rcgen::PublicKeyData for CertificateSigner<S> {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().bits()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.0.public_key().key_type().rcgen()
    }
}

impl<S: Signer> rcgen::SigningKey for CertificateSigner<S> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = self
            .0
            .sign(message)
            .map_err(|_| rcgen::Error::RemoteKeyError)?;
        Ok(match self.0.public_key().key_type().scheme() {
            Scheme::Es256 | Scheme::Es384 => ecdsa_der(&signature),
            Scheme::Rs256 => signature,
        })
    }
}

/// `Ecdsa-Sig-Value` (RFC 3279 2.2.3) of two numbers that stand side by side.
pub(crate) fn ecdsa_der(fixed: &[u8]) -> Vec<u8> {
    let (r, s) = fixed.split_at(fixed.len() / 2);
    tlv(0x30, &[integer(r), integer(s)].concat())
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = bytes.get(zeros..).unwrap_or_default();
    // A number is positive: a high first bit, or no digit at all, needs a zero before it.
    let pad = digits.first().is_none_or(|first| *first >= 0x80);
    let zero: &[u8] = if pad { &[0] } else { &[] };
    tlv(0x02, &[zero, digits].concat())
}

/// Tag, length and content in DER (X.690 8.1).
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut der = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => der.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            let digits = bytes.get(zeros..).unwrap_or_default();
            // A length has at most 8 bytes.
            der.push(0x80 | u8::try_from(digits.len()).unwrap_or_default());
            der.extend(digits);
        }
    }
    der.extend(content);
    der
}

/// prime256v1, 1.2.840.10045.3.1.7.
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
/// secp384r1, 1.3.132.0.34.
const P384: &[u8] = &[0x2b, 0x81, 4, 0, 0x22];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_numbers_are_those_of_certificates() {
        let ec = crate::testing::Key::ec();
        let ec = ec.public_key();
        assert_eq!(PublicKey::ec(ec.bits()).as_ref(), Some(ec));
        assert_eq!(PublicKey::ec(&ec.bits()[1..]), None);
        let modulus = [0xc5; 256];
        let rsa = PublicKey::rsa(&modulus, &[1, 0, 1]).unwrap();
        assert_eq!(PublicKey::from_spki(&rsa.spki()), Ok(rsa));
        assert_eq!(PublicKey::rsa(&modulus[1..], &[1, 0, 1]), None);
    }

    #[test]
    fn ecdsa_signatures_become_der() {
        let check = |r: &[u8], s: &[u8], expected: &[u8]| {
            assert_eq!(ecdsa_der(&[r, s].concat()), expected);
        };
        check(&[1, 2], &[3, 4], &[0x30, 8, 2, 2, 1, 2, 2, 2, 3, 4]);
        check(&[0, 2], &[0x80, 4], &[0x30, 8, 2, 1, 2, 2, 3, 0, 0x80, 4]);
        check(&[0, 0], &[0, 0x80], &[0x30, 7, 2, 1, 0, 2, 2, 0, 0x80]);
    }
}
