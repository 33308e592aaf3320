use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime as WebpkiTime};
use thiserror::Error;

use super::profile::{authority_profile, leaf_profile, read, validity};
use super::{Profile, ProfileError};
use crate::{SpiffeId, TrustDomain, UnixTime};

/// The most certificates that a peer may send, the leaf included.
pub const MAX_CHAIN: usize = 10;

/// Where the authorities of a trust domain are found.
///
/// a validator has nothing but this; no store of the system is ever asked.
pub trait Anchors {
    /// The root certificates of `domain` in DER; `None` when nothing is known of it.
    fn x509_authorities(&self, domain: &TrustDomain) -> Option<&[Vec<u8>]>;
}

/// An X509-SVID that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Svid {
    /// What the leaf says.
    pub profile: Profile,
}

impl Svid {
    /// Who showed it.
    pub fn id(&self) -> &SpiffeId {
        &self.profile.id
    }
}

/// Why a chain is not believed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ValidateError {
    /// Nothing to check.
    #[error("there is no certificate")]
    Empty,
    /// More certificates than any real chain has.
    #[error("{0} certificates in one chain: the most is {MAX_CHAIN}")]
    TooLong(usize),
    /// The leaf is no X509-SVID.
    #[error("the certificate is no X509-SVID: {0}")]
    Leaf(#[source] ProfileError),
    /// A certificate between leaf and root may not sign.
    #[error("certificate {position} of the chain may not sign: {error}")]
    Intermediate {
        /// Counted from the leaf, which is 0.
        position: usize,
        /// Which rule it breaks.
        #[source]
        error: ProfileError,
    },
    /// A certificate between leaf and root belongs to another domain.
    #[error("certificate {position} of the chain is of the trust domain `{domain}`")]
    ForeignIntermediate {
        /// Counted from the leaf, which is 0.
        position: usize,
        /// Whose it is.
        domain: TrustDomain,
    },
    /// Nothing is known of the trust domain.
    #[error("no bundle of the trust domain `{0}`: federate with it first")]
    UnknownDomain(TrustDomain),
    /// The bundle has no authority, which revokes everything (B-1).
    #[error("the bundle of `{0}` has no X.509 authority, so nothing of that domain counts")]
    EmptyBundle(TrustDomain),
    /// No path from the leaf to an authority of the domain.
    #[error("no path to an authority of `{domain}`: {error}")]
    Path {
        /// The domain of the leaf.
        domain: TrustDomain,
        /// What the last tried path lacks.
        #[source]
        error: webpki::Error,
    },
}

/// Checks a chain, leaf first, at the moment `now`: the path by RFC 5280, the leaf by, and that
/// the authority is one of the leaf's own trust domain.
///
/// # Errors
/// When the chain is not to be believed.
pub fn validate(
    chain: &[Vec<u8>],
    anchors: &dyn Anchors,
    now: UnixTime,
) -> Result<Svid, ValidateError> {
    let (leaf, intermediates) = chain.split_first().ok_or(ValidateError::Empty)?;
    if chain.len() > MAX_CHAIN {
        return Err(ValidateError::TooLong(chain.len()));
    }
    let profile = leaf_profile(leaf).map_err(ValidateError::Leaf)?;
    let domain = profile.id.trust_domain();
    for (index, der) in intermediates.iter().enumerate() {
        check_intermediate(der, index + 1, &domain)?;
    }
    let Some(roots) = anchors.x509_authorities(&domain) else {
        return Err(ValidateError::UnknownDomain(domain));
    };
    if roots.is_empty() {
        return Err(ValidateError::EmptyBundle(domain));
    }
    match check_path(leaf, intermediates, roots, now) {
        Ok(()) => Ok(Svid { profile }),
        Err(error) => Err(ValidateError::Path { domain, error }),
    }
}

fn check_intermediate(
    der: &[u8],
    position: usize,
    domain: &TrustDomain,
) -> Result<(), ValidateError> {
    let profile =
        authority_profile(der).map_err(|error| ValidateError::Intermediate { position, error })?;
    match profile.id.map(|id| id.trust_domain()) {
        Some(other) if other != *domain => Err(ValidateError::ForeignIntermediate {
            position,
            domain: other,
        }),
        _ => Ok(()),
    }
}

fn check_path(
    leaf: &[u8],
    intermediates: &[Vec<u8>],
    roots: &[Vec<u8>],
    now: UnixTime,
) -> Result<(), webpki::Error> {
    let time = WebpkiTime::since_unix_epoch(std::time::Duration::from_secs(now.seconds()));
    let leaf = CertificateDer::from(leaf);
    let leaf = webpki::EndEntityCert::try_from(&leaf)?;
    let roots: Vec<CertificateDer<'_>> = roots
        .iter()
        .filter(|root| counts_at(root, now))
        .map(|root| CertificateDer::from(root.as_slice()))
        .collect();
    let anchors: Vec<TrustAnchor<'_>> = roots
        .iter()
        .filter_map(|root| webpki::anchor_from_trusted_cert(root).ok())
        .collect();
    let intermediates: Vec<CertificateDer<'_>> = intermediates
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors,
        &intermediates,
        time,
        webpki::KeyUsage::client_auth(),
        None,
        None,
    )?;
    Ok(())
}

/// webpki takes an authority for good whatever its dates say; one that has run out signs for nobody.
fn counts_at(root: &[u8], now: UnixTime) -> bool {
    let validity = read(root).ok().and_then(|root| validity(&root));
    validity.is_some_and(|validity| validity.not_before <= now && now <= validity.not_after)
}

#[cfg(test)]
mod tests;
