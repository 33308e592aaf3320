use thiserror::Error;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::Validity;
use crate::{IdError, PublicKey, SpiffeId, UnixTime};

/// What a certificate says that matters to SPIFFE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile<Id = SpiffeId> {
    /// Whom it names.
    pub id: Id,
    /// DNS names besides.
    pub dns_names: Vec<String>,
    /// When it counts.
    pub validity: Validity,
    /// The key that it is bound to; `None` for a kind that Bailiwick does not sign for.
    pub public_key: Option<PublicKey>,
    /// Its number in lower-case hexadecimal digits.
    pub serial: String,
}

/// Why a certificate is no X509-SVID.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// No certificate at all.
    #[error("the bytes are no certificate in DER")]
    Malformed,
    /// An extension that is there twice or cannot be read.
    #[error("the extension {0} cannot be read or is there twice")]
    Extension(&'static str),
    /// None or several URIs among the names (X509-SVID 2).
    #[error("the certificate has {0} URI names: an SVID has exactly one")]
    Uris(usize),
    /// The URI is no SPIFFE ID.
    #[error("the URI name is no SPIFFE ID: {0}")]
    Id(#[from] IdError),
    /// A leaf that names a trust domain (X509-SVID 5.2).
    #[error("`{0}` has no path: a workload has one")]
    NoPath(SpiffeId),
    /// An authority that names a workload (X509-SVID 3.1).
    #[error("`{0}` has a path: an authority has none")]
    Path(SpiffeId),
    /// An authority where a leaf is expected.
    #[error("the certificate is of an authority: a workload cannot show it")]
    Authority,
    /// A leaf where an authority is expected.
    #[error("the certificate is of no authority (basicConstraints without CA)")]
    NoAuthority,
    /// keyUsage is not there or not critical (X509-SVID 4.3).
    #[error("keyUsage has to be there and to be critical")]
    KeyUsage,
    /// A leaf whose key must not sign.
    #[error("keyUsage lacks digitalSignature")]
    NoSignature,
    /// A leaf that would be an authority by its key usage.
    #[error("keyUsage has {0}, which a workload must not have")]
    SignsCertificates(&'static str),
    /// An authority that may not sign certificates.
    #[error("keyUsage lacks keyCertSign")]
    NoCertSign,
    /// extendedKeyUsage is there and lacks one of the two (X509-SVID 4.4).
    #[error("extendedKeyUsage has to name serverAuth and clientAuth")]
    ExtendedKeyUsage,
    /// No subject, and names that may be overlooked (RFC 5280 4.2.1.6).
    #[error("the subject is empty, so subjectAltName has to be critical")]
    NamesNotCritical,
    /// A date before 1970 or an end before its begin.
    #[error("the validity cannot be read")]
    Validity,
}

/// Reads a leaf and checks that it is an X509-SVID. Nothing is said about who signed it.
///
/// # Errors
/// The first rule that it breaks.
pub fn leaf_profile(der: &[u8]) -> Result<Profile, ProfileError> {
    let certificate = read(der)?;
    let (uris, dns_names) = names(&certificate)?;
    let [uri] = uris.as_slice() else {
        return Err(ProfileError::Uris(uris.len()));
    };
    let id = SpiffeId::parse(uri)?;
    if id.path().is_empty() {
        return Err(ProfileError::NoPath(id));
    }
    let constraints = certificate
        .basic_constraints()
        .map_err(|_| ProfileError::Extension("basicConstraints"))?;
    if constraints.is_some_and(|constraints| constraints.value.ca) {
        return Err(ProfileError::Authority);
    }
    let usage = key_usage(&certificate)?.ok_or(ProfileError::KeyUsage)?;
    if !usage.digital_signature() {
        return Err(ProfileError::NoSignature);
    }
    if usage.key_cert_sign() {
        return Err(ProfileError::SignsCertificates("keyCertSign"));
    }
    if usage.crl_sign() {
        return Err(ProfileError::SignsCertificates("cRLSign"));
    }
    let extended = certificate
        .extended_key_usage()
        .map_err(|_| ProfileError::Extension("extendedKeyUsage"))?;
    if extended.is_some_and(|extended| !(extended.value.server_auth && extended.value.client_auth))
    {
        return Err(ProfileError::ExtendedKeyUsage);
    }
    profile(&certificate, id, dns_names)
}

/// Reads the certificate of an authority and checks X-5. One without URI names (of a PKI above SPIFFE) is fine.
///
/// # Errors
/// The first rule that it breaks.
pub(super) fn authority_profile(der: &[u8]) -> Result<Profile<Option<SpiffeId>>, ProfileError> {
    let certificate = read(der)?;
    let (uris, dns_names) = names(&certificate)?;
    let id = match uris.as_slice() {
        [] => None,
        [uri] => Some(SpiffeId::parse(uri)?),
        _ => return Err(ProfileError::Uris(uris.len())),
    };
    if let Some(id) = id.as_ref().filter(|id| !id.path().is_empty()) {
        return Err(ProfileError::Path(id.clone()));
    }
    if !certificate.is_ca() {
        return Err(ProfileError::NoAuthority);
    }
    let usage = key_usage(&certificate)?.ok_or(ProfileError::KeyUsage)?;
    if !usage.key_cert_sign() {
        return Err(ProfileError::NoCertSign);
    }
    profile(&certificate, id, dns_names)
}

/// The SPIFFE ID that the certificate of an authority names, where it names one.
pub(crate) fn authority_id(der: &[u8]) -> Option<SpiffeId> {
    let certificate = read(der).ok()?;
    let (uris, _) = names(&certificate).ok()?;
    uris.iter().find_map(|uri| SpiffeId::parse(uri).ok())
}

fn profile<Id>(
    certificate: &X509Certificate<'_>,
    id: Id,
    dns_names: Vec<String>,
) -> Result<Profile<Id>, ProfileError> {
    let validity = validity(certificate).ok_or(ProfileError::Validity)?;
    Ok(Profile {
        id,
        dns_names,
        validity,
        public_key: PublicKey::of(certificate.public_key()).ok(),
        serial: hex(certificate.raw_serial()),
    })
}

pub(crate) fn read(der: &[u8]) -> Result<X509Certificate<'_>, ProfileError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(ProfileError::Malformed),
    }
}

pub(crate) fn validity(certificate: &X509Certificate<'_>) -> Option<Validity> {
    let seconds = |at: i64| u64::try_from(at).ok().map(UnixTime::new);
    let validity = certificate.validity();
    Validity::new(
        seconds(validity.not_before.timestamp())?,
        seconds(validity.not_after.timestamp())?,
    )
}

/// URIs and DNS names.
fn names(certificate: &X509Certificate<'_>) -> Result<(Vec<String>, Vec<String>), ProfileError> {
    let extension = certificate
        .subject_alternative_name()
        .map_err(|_| ProfileError::Extension("subjectAltName"))?;
    let (mut uris, mut dns_names) = (Vec::new(), Vec::new());
    let Some(extension) = extension else {
        return Ok((uris, dns_names));
    };
    if certificate.subject().iter().next().is_none() && !extension.critical {
        return Err(ProfileError::NamesNotCritical);
    }
    for name in &extension.value.general_names {
        match name {
            GeneralName::URI(uri) => uris.push((*uri).to_owned()),
            GeneralName::DNSName(name) => dns_names.push((*name).to_owned()),
            // A name that cannot be read could be the second URI.
            GeneralName::Invalid(..) => return Err(ProfileError::Extension("subjectAltName")),
            _ => {}
        }
    }
    Ok((uris, dns_names))
}

/// What the key may be used for; an error where the extension is there and not critical.
fn key_usage<'c>(
    certificate: &'c X509Certificate<'_>,
) -> Result<Option<&'c x509_parser::extensions::KeyUsage>, ProfileError> {
    let usage = certificate
        .key_usage()
        .map_err(|_| ProfileError::Extension("keyUsage"))?;
    match usage {
        Some(usage) if !usage.critical => Err(ProfileError::KeyUsage),
        usage => Ok(usage.map(|usage| usage.value)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
