use aws_lc_rs::signature as lc;
use rcgen::{CertificateParams, DistinguishedName};
use rustls_pki_types::alg_id::{ECDSA_SHA256, ECDSA_SHA384, RSA_PKCS1_SHA256};
use thiserror::Error;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use super::IssueError;
use super::der::{SEQUENCE, element, signed};
use crate::key::CertificateSigner;
use crate::{KeyError, KeyType, PublicKey, Signer};

/// No request is longer, in bytes: it is asked for a key alone.
pub const MAX_REQUEST_BYTES: usize = 10 * 1024;

/// Why a certificate signing request proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Not one.
    #[error("no certificate signing request in DER (PKCS#10)")]
    Malformed,
    /// Its key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Whoever made it does not have the key.
    #[error("the certificate signing request is not signed by the key that it is for")]
    Signature,
}

/// The key of a certificate signing request (RFC 2986), which whoever made it was shown to have. Nothing else in the
/// request is looked at: who gets what is proven otherwise.
///
/// # Errors
/// When the bytes are no request, the key is of another kind, or the signature is not of that key.
pub fn requested_key(der: &[u8]) -> Result<PublicKey, RequestError> {
    if der.len() > MAX_REQUEST_BYTES {
        return Err(RequestError::Malformed);
    }
    let parsed = X509CertificationRequest::from_der(der);
    let (rest, request) = parsed.map_err(|_| RequestError::Malformed)?;
    if !rest.is_empty() {
        return Err(RequestError::Malformed);
    }
    let info = &request.certification_request_info;
    let key = PublicKey::of(&info.subject_pki)?;
    // Each kind of key has the one hash that everybody takes for it.
    let (id, algorithm): (_, &dyn lc::VerificationAlgorithm) = match key.key_type() {
        KeyType::EcP256 => (ECDSA_SHA256, &lc::ECDSA_P256_SHA256_ASN1),
        KeyType::EcP384 => (ECDSA_SHA384, &lc::ECDSA_P384_SHA384_ASN1),
        KeyType::Rsa2048 | KeyType::Rsa4096 => (RSA_PKCS1_SHA256, &lc::RSA_PKCS1_2048_8192_SHA256),
    };
    let signature = &request.signature_value.data;
    // What surrounds the signed part is not signed: it has to be what it would be if we wrote it.
    if signed(info.raw, &element(SEQUENCE, &[&id]), signature) != der {
        return Err(RequestError::Signature);
    }
    lc::UnparsedPublicKey::new(algorithm, key.bits())
        .verify(info.raw, signature)
        .map_err(|_| RequestError::Signature)?;
    Ok(key)
}

/// A certificate signing request for a key, which says nothing but the key, in DER.
///
/// # Errors
/// When the key does not sign.
pub fn request_for(signer: &dyn Signer) -> Result<Vec<u8>, IssueError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&CertificateSigner(signer))?;
    Ok(request.der().to_vec())
}

#[cfg(test)]
mod tests {
    use rcgen::KeyPair;

    use super::*;
    use crate::testing::Key;

    fn request(algorithm: &'static rcgen::SignatureAlgorithm) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let params = CertificateParams::default();
        let request = params.serialize_request(&key).unwrap();
        (
            request.der().to_vec(),
            rcgen::PublicKeyData::subject_public_key_info(&key),
        )
    }

    #[test]
    fn our_own_requests_are_as_good() {
        for key_type in KeyType::ALL {
            if key_type == KeyType::Rsa4096 {
                // As RSA with 2048 bits, and slow to make.
                continue;
            }
            let key = Key::new(key_type);
            let der = request_for(&key).unwrap();
            assert_eq!(&requested_key(&der).unwrap(), key.public_key());
        }
    }

    /// A key of RSA that nobody has.
    struct MadeUp(Vec<u8>);

    impl rcgen::PublicKeyData for MadeUp {
        fn der_bytes(&self) -> &[u8] {
            &self.0
        }

        fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
            &rcgen::PKCS_RSA_SHA256
        }
    }

    impl rcgen::SigningKey for MadeUp {
        fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
            Ok(vec![1; 512])
        }
    }

    #[test]
    fn v_8_no_key_costs_more_than_those_that_are_signed_for() {
        let check = |modulus: usize, exponent: usize, part: &str| {
            let number = |bytes: usize| {
                let mut bytes = vec![0xff; bytes];
                bytes.insert(0, 0);
                element(2, &[&bytes])
            };
            let key = element(0x30, &[&number(modulus), &number(exponent)]);
            let params = CertificateParams::default();
            let request = params.serialize_request(&MadeUp(key)).unwrap();
            let error = requested_key(request.der()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        check(2048, 3, "RSA 16384 bit");
        check(1024, 3, "RSA 8192 bit");
        check(9000, 3, "RSA 72000 bit");
        check(11_000, 3, "no certificate signing request");
        // The work of a check grows with the exponent: one as long as the modulus is not tried.
        check(512, 512, "not signed by the key");
        check(512, 8000, "not signed by the key");
    }

    #[test]
    fn a_key_is_had_by_who_signs_with_it() {
        for algorithm in [
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &rcgen::PKCS_ECDSA_P384_SHA384,
        ] {
            let (der, spki) = request(algorithm);
            assert_eq!(requested_key(&der).unwrap().spki(), spki);
            // One bit of anything, and it is not what was signed, or nothing at all.
            for at in 0..der.len() {
                let mut other = der.clone();
                other[at] ^= 1;
                assert!(requested_key(&other).is_err(), "byte {at}");
                assert!(requested_key(&der[..at]).is_err(), "cut at {at}");
            }
        }
        let (mut der, _) = request(&rcgen::PKCS_ECDSA_P256_SHA256);
        der.push(0);
        assert_eq!(requested_key(&der), Err(RequestError::Malformed));
        let (der, _) = request(&rcgen::PKCS_ED25519);
        assert!(matches!(
            requested_key(&der),
            Err(RequestError::Key(KeyError::Unsupported(_)))
        ));
        assert_eq!(requested_key(&[0x30; 20_000]), Err(RequestError::Malformed));
    }
}
