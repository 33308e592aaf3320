use std::sync::Arc;

use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPrivateKeyBin};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use bailiwick_identity::wit::private_jwk;
use bailiwick_identity::x509::request_for;
use bailiwick_identity::{KeyType, PublicKey, SignError, Signer};
use zeroize::Zeroizing;

/// A key in the memory of this process.
pub(super) struct SoftwareKey {
    public: PublicKey,
    private: Private,
}

enum Private {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl SoftwareKey {
    /// Makes a key; the bytes are its PKCS#8 form, to be sealed.
    pub(super) fn generate(key_type: KeyType) -> Result<(Self, Zeroizing<Vec<u8>>), SignError> {
        let failed = |_| SignError("no key was made".into());
        let pkcs8 = match key_type {
            KeyType::Rsa2048 | KeyType::Rsa4096 => {
                let size = match key_type {
                    KeyType::Rsa4096 => KeySize::Rsa4096,
                    _ => KeySize::Rsa2048,
                };
                let pair = RsaKeyPair::generate(size).map_err(failed)?;
                let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                Zeroizing::new(der.as_ref().to_vec())
            }
            _ => {
                let pair = EcdsaKeyPair::generate(curve(key_type)).map_err(failed)?;
                // Version 1 with the public key inside, which every reader of PKCS#8 takes.
                let der = pair.to_pkcs8v1().map_err(failed)?;
                Zeroizing::new(der.as_ref().to_vec())
            }
        };
        let key = Self::from_pkcs8(key_type, &pkcs8);
        let key = key.ok_or_else(|| SignError("the key that was made is unusable".into()))?;
        Ok((key, pkcs8))
    }

    /// Reads a key of that kind; `None` where the bytes are none.
    pub(super) fn from_pkcs8(key_type: KeyType, pkcs8: &[u8]) -> Option<Self> {
        let (spki, private) = match key_type {
            KeyType::Rsa2048 | KeyType::Rsa4096 => {
                let pair = RsaKeyPair::from_pkcs8(pkcs8).ok()?;
                let spki = pair.public_key().as_der().ok()?.as_ref().to_vec();
                (spki, Private::Rsa(pair))
            }
            _ => {
                let pair = EcdsaKeyPair::from_pkcs8(curve(key_type), pkcs8).ok()?;
                let spki = pair.public_key().as_der().ok()?.as_ref().to_vec();
                (spki, Private::Ec(pair))
            }
        };
        let public = PublicKey::from_spki(&spki).ok()?;
        (public.key_type() == key_type).then_some(Self { public, private })
    }
}

/// The first key of this kind among blocks of PEM (PKCS#8, without a password).
pub(crate) fn private_key(key_type: KeyType, pem: &[u8]) -> Option<Arc<dyn Signer>> {
    let blocks = crate::pem::decode("PRIVATE KEY", std::str::from_utf8(pem).ok()?)?;
    let mut blocks = blocks.into_iter().map(Zeroizing::new);
    let key = blocks.find_map(|block| SoftwareKey::from_pkcs8(key_type, &block))?;
    Some(Arc::new(key))
}

fn curve(key_type: KeyType) -> &'static EcdsaSigningAlgorithm {
    match key_type {
        KeyType::EcP384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        _ => &ECDSA_P256_SHA256_FIXED_SIGNING,
    }
}

impl Signer for SoftwareKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let random = SystemRandom::new();
        let failed = |_| SignError("the signature was not made".into());
        match &self.private {
            Private::Ec(pair) => {
                let signature = pair.sign(&random, message).map_err(failed)?;
                Ok(signature.as_ref().to_vec())
            }
            Private::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(failed)?;
                Ok(signature)
            }
        }
    }
}

/// The key of a workload, which is made for it and handed over to it: the one private key that leaves.
pub(crate) struct WorkloadKey {
    /// The public half, for the certificate.
    pub(crate) public: PublicKey,
    /// PKCS#8 in DER, not encrypted (Workload API 5.2.1).
    pub(crate) pkcs8: Zeroizing<Vec<u8>>,
}

impl WorkloadKey {
    /// Makes a key.
    pub(crate) fn generate(key_type: KeyType) -> Result<Self, SignError> {
        let (key, pkcs8) = SoftwareKey::generate(key_type)?;
        Ok(Self {
            public: key.public,
            pkcs8,
        })
    }

    /// A key that was made before; `None` where the bytes are none of that kind.
    pub(crate) fn from_pkcs8(key_type: KeyType, pkcs8: Zeroizing<Vec<u8>>) -> Option<Self> {
        let public = SoftwareKey::from_pkcs8(key_type, &pkcs8)?.public;
        Some(Self { public, pkcs8 })
    }

    /// A request for a certificate, which shows that we have the key.
    pub(crate) fn request(&self) -> Result<Vec<u8>, SignError> {
        let signer = self.signer();
        let signer = signer.ok_or_else(|| SignError("the key is none".into()))?;
        request_for(&signer).map_err(|error| SignError(error.to_string()))
    }

    /// As a JWK with its private number; `None` for a key of RSA.
    pub(crate) fn jwk(&self) -> Option<Zeroizing<String>> {
        if matches!(self.public.key_type(), KeyType::Rsa2048 | KeyType::Rsa4096) {
            return None;
        }
        let pair = EcdsaKeyPair::from_pkcs8(curve(self.public.key_type()), &self.pkcs8).ok()?;
        let number: EcPrivateKeyBin<'static> = pair.private_key().as_be_bytes().ok()?;
        private_jwk(&self.public, number.as_ref())
    }

    /// What signs with it.
    fn signer(&self) -> Option<impl Signer + use<>> {
        SoftwareKey::from_pkcs8(self.public.key_type(), &self.pkcs8)
    }
}
