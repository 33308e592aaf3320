use aws_lc_rs::signature as lc;
use rcgen::{CertificateParams, DistinguishedName};
use thiserror::Error;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use super::IssueError;
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
    // A signature is whole bytes.
    if !rest.is_empty() || request.signature_value.unused_bits != 0 {
        return Err(RequestError::Malformed);
    }
    let info = &request.certification_request_info;
    let key = PublicKey::of(&info.subject_pki)?;
    // Each kind of key has the one hash that everybody takes for it.
    let (oid, algorithm): (_, &dyn lc::VerificationAlgorithm) = match key.key_type() {
        KeyType::EcP256 => ("1.2.840.10045.4.3.2", &lc::ECDSA_P256_SHA256_ASN1),
        KeyType::EcP384 => ("1.2.840.10045.4.3.3", &lc::ECDSA_P384_SHA384_ASN1),
        KeyType::Rsa2048 | KeyType::Rsa4096 => {
            ("1.2.840.113549.1.1.11", &lc::RSA_PKCS1_2048_8192_SHA256)
        }
    };
    if request.signature_algorithm.algorithm.to_id_string() != oid {
        return Err(RequestError::Signature);
    }
    let signature = &request.signature_value.data;
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
