//! Federation: which other trust domains there are, where their bundles are, and which of those are believed (SPIFFE
//! Federation).

mod decode;
mod schedule;
#[cfg(test)]
mod tests;
mod url;

use thiserror::Error;

use crate::x509::authority_id;
use crate::{Bundle, SpiffeId, TrustDomain};

pub use decode::{
    FEDERATION_KIND, FederationDecodeError, IMPORTED_FEDERATION_KIND, decode, is_relationship,
};
pub use schedule::{Poll, next_poll};
pub use url::{EndpointUrl, EndpointUrlError};

/// Another trust domain and where its bundle is. Trust domain, address and profile are given one by one: none of them
/// follows from another (F-2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relationship {
    /// The other trust domain.
    pub domain: TrustDomain,
    /// Where its bundle is.
    pub url: EndpointUrl,
    /// How the endpoint proves itself.
    pub profile: EndpointProfile,
}

/// How a bundle endpoint proves itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointProfile {
    /// `https_web`: by its DNS name and a certificate authority of the web.
    Web {
        /// Certificates of authorities in DER that count in place of the system's.
        roots: Vec<Vec<u8>>,
    },
    /// `https_spiffe`: by an X509-SVID.
    Spiffe {
        /// The id that the endpoint has to show.
        id: SpiffeId,
        /// The bundle of the id's trust domain that the first question is asked with. Where it is not given, a
        /// relationship with that domain has to bring it.
        bootstrap: Option<Bundle>,
    },
}

impl EndpointProfile {
    /// As configurations name it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Web { .. } => "https_web",
            Self::Spiffe { .. } => "https_spiffe",
        }
    }
}

/// Why relationships cannot be had together, or a bundle that came is not believed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FederationError {
    /// A relationship with oneself.
    #[error("`{0}` is the own trust domain: its keys come from its own authority alone")]
    Own(TrustDomain),
    /// Two sources of one bundle.
    #[error("there are two relationships with `{0}`: leave one out")]
    Twice(TrustDomain),
    /// Nobody knows the keys of the endpoint.
    #[error(
        "the endpoint of `{domain}` shows an id of `{missing}`, of which there is no bundle: give one in `bundle`, or federate with `{missing}` too"
    )]
    NoBootstrap {
        /// The relationship.
        domain: TrustDomain,
        /// Whose bundle is missing.
        missing: TrustDomain,
    },
    /// An authority that names another trust domain.
    #[error("the bundle that came for `{wanted}` holds an authority of `{found}`")]
    OtherDomain {
        /// Whose bundle was asked for.
        wanted: TrustDomain,
        /// Whose authority is in it.
        found: TrustDomain,
    },
    /// An older bundle than the one that is there.
    #[error(
        "the bundle has the sequence {new}, older than {held} that is held: if its trust domain began anew, take it with `bailiwick identity federation refresh DOMAIN --reset`"
    )]
    Older {
        /// What came.
        new: u64,
        /// What is there.
        held: u64,
    },
}

/// Checks that relationships can be had together in the trust domain `own`.
///
/// # Errors
/// When one is with `own`, two are with one domain, or nobody could know the keys of an endpoint.
pub fn check_all(own: &TrustDomain, relationships: &[Relationship]) -> Result<(), FederationError> {
    for (index, relationship) in relationships.iter().enumerate() {
        let domain = &relationship.domain;
        if domain == own {
            return Err(FederationError::Own(domain.clone()));
        }
        let earlier = relationships.iter().take(index);
        if earlier.into_iter().any(|other| other.domain == *domain) {
            return Err(FederationError::Twice(domain.clone()));
        }
        let EndpointProfile::Spiffe {
            id,
            bootstrap: None,
        } = &relationship.profile
        else {
            continue;
        };
        let missing = id.trust_domain();
        let brings = |other: &Relationship| other.domain == missing && missing != *domain;
        if !relationships.iter().any(brings) {
            let domain = domain.clone();
            return Err(FederationError::NoBootstrap { domain, missing });
        }
    }
    Ok(())
}

/// Whether a bundle that came takes the place of the one that is `held`. A bundle without keys does: it revokes
/// everything of its domain (B-1).
///
/// # Errors
/// When it is of another trust domain, or older.
pub fn admit(new: &Bundle, held: Option<&Bundle>) -> Result<(), FederationError> {
    let wanted = new.trust_domain();
    let named = new
        .x509_authorities()
        .iter()
        .filter_map(|der| authority_id(der));
    if let Some(other) = named
        .map(|id| id.trust_domain())
        .find(|found| found != wanted)
    {
        return Err(FederationError::OtherDomain {
            wanted: wanted.clone(),
            found: other,
        });
    }
    match (new.sequence, held.and_then(|held| held.sequence)) {
        (Some(new), Some(held)) if new < held => Err(FederationError::Older { new, held }),
        _ => Ok(()),
    }
}
