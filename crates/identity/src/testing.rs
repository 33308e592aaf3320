//! Keys, authorities and odd certificates for the tests of this crate.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};

use crate::x509::{Issuer, Serial, Validity, root};
use crate::{KeyType, PublicKey, SignError, Signer, TrustDomain, UnixTime};

/// 2026-11-21T12:00:00Z.
pub(crate) const NOW: UnixTime = UnixTime::new(1_795_262_400);

pub(crate) fn domain(name: &str) -> TrustDomain {
    TrustDomain::parse(name).unwrap()
}

/// A key that signs, made for this run.
pub(crate) struct Key {
    public: PublicKey,
    private: Private,
}

enum Private {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Key {
    pub(crate) fn new(key_type: KeyType) -> Self {
        let ec = |algorithm: &'static EcdsaSigningAlgorithm| {
            let pair = EcdsaKeyPair::generate(algorithm).unwrap();
            let der = pair.public_key().as_der().unwrap();
            let public = PublicKey::from_spki(der.as_ref()).unwrap();
            let private = Private::Ec(pair);
            Self { public, private }
        };
        match key_type {
            KeyType::EcP256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            KeyType::EcP384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            _ => {
                let pair = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
                let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
                let public = PublicKey::from_spki(der.as_ref()).unwrap();
                let private = Private::Rsa(pair);
                Self { public, private }
            }
        }
    }

    pub(crate) fn ec() -> Self {
        Self::new(KeyType::EcP256)
    }
}

impl Signer for Key {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let random = SystemRandom::new();
        Ok(match &self.private {
            Private::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Private::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .unwrap();
                signature
            }
        })
    }
}

/// One RSA key for all tests: making one takes long.
pub(crate) fn rsa() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| Key::new(KeyType::Rsa2048))
}

/// A root of `td` that is valid for a year.
pub(crate) struct Root {
    pub(crate) key: Key,
    pub(crate) der: Vec<u8>,
}

impl Root {
    pub(crate) fn new(name: &str) -> Self {
        let key = Key::ec();
        let der = root(&domain(name), &key, Serial::new([7; 16]), year()).unwrap();
        Self { key, der }
    }

    pub(crate) fn issuer(&self) -> Issuer<&Key> {
        Issuer::new(&self.der, Vec::new(), &self.key).unwrap()
    }
}

pub(crate) fn year() -> Validity {
    Validity::new(NOW.minus(3600), NOW.plus(365 * 86_400)).unwrap()
}

pub(crate) fn hour() -> Validity {
    Validity::new(NOW.minus(10), NOW.plus(3600)).unwrap()
}
