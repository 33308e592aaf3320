use std::fmt;

use thiserror::Error;
use x509_parser::prelude::{GeneralName, X509Certificate};

use super::profile::{authority_profile, read, validity};
use super::{MAX_CHAIN, ProfileError, Validity};
use crate::rotation::{KeyId, NewAuthority, Purpose};
use crate::{PublicKey, TrustDomain, UnixTime};

/// Below the upstream authorities there are ours and the leaf.
const MOST: usize = MAX_CHAIN - 2;
/// No more roots than this are given to validators.
const MOST_ROOTS: usize = 20;

/// An authority above that of a trust domain: its certificates up to a root, which were looked through for everything
/// that would make a validator refuse what is signed below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    signing: Vec<u8>,
    chain: Vec<Vec<u8>>,
    root: Vec<u8>,
    roots: Vec<Vec<u8>>,
    key: PublicKey,
    validity: Validity,
}

/// Why an authority cannot stand above that of a trust domain.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// No certificate, or more than any real chain has.
    #[error("{0} certificates: from the one that signs up to below its root there are 1 to {MOST}")]
    Length(usize),
    /// No root, or too many of them.
    #[error("{0} roots: 1 to {MOST_ROOTS} can be given to validators")]
    Roots(usize),
    /// A certificate is of no authority.
    #[error("the {place} may not sign certificates: {error}")]
    Profile {
        /// Which one.
        place: Place,
        /// Which rule it breaks.
        #[source]
        error: ProfileError,
    },
    /// It has run out, or has not begun.
    #[error("the {place} counts from {from} to {until}, and it is {now}")]
    Time {
        /// Which one.
        place: Place,
        /// Its first second.
        from: UnixTime,
        /// Its last second.
        until: UnixTime,
        /// The time.
        now: UnixTime,
    },
    /// The next certificate is not the issuer.
    #[error(
        "the {0} was not issued by the one after it: put them in order, the one that signs first"
    )]
    Order(Place),
    /// Nothing above the last certificate.
    #[error("no root issued the {0}: add its root to the roots")]
    NoRoot(Place),
    /// Too few authorities may stand below.
    #[error(
        "the {place} allows {allowed} authorities below it (pathlen) and {needed} are needed, ours included"
    )]
    PathLength {
        /// Which one.
        place: Place,
        /// What it allows.
        allowed: u32,
        /// What is needed.
        needed: u32,
    },
    /// It may sign only for some purposes, and those of an SVID are not among them.
    #[error("the {0} is limited to purposes (extendedKeyUsage) that lack serverAuth or clientAuth")]
    Purposes(Place),
    /// It may not sign for this trust domain.
    #[error(
        "the {place} may not sign for `{domain}`: its name constraints leave URIs of that host out"
    )]
    Excluded {
        /// Which one.
        place: Place,
        /// The trust domain.
        domain: TrustDomain,
    },
    /// Constraints that validators take for a refusal.
    #[error(
        "the {place} has name constraints on {kind}, which many validators refuse whatever they say (X509-SVID 4.2), ours too: have it issued without them"
    )]
    Constrained {
        /// Which one.
        place: Place,
        /// On which kind of name.
        kind: &'static str,
    },
    /// It belongs to another trust domain.
    #[error("the {place} is of the trust domain `{domain}`")]
    ForeignDomain {
        /// Which one.
        place: Place,
        /// Whose it is.
        domain: TrustDomain,
    },
    /// The key is of a kind that cannot be used.
    #[error(
        "the key of the certificate that signs cannot be used: take ec-p256, ec-p384, rsa-2048 or rsa-4096"
    )]
    Key,
}

/// Which certificate of an upstream authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// One of the chain; the one that signs is the first.
    Chain(usize),
    /// The root above it.
    Root,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain(index) => write!(f, "upstream certificate {}", index + 1),
            Self::Root => f.write_str("upstream root"),
        }
    }
}

impl Upstream {
    /// Looks through `chain`, the certificate that signs first and the root perhaps last, and `roots`, which validators
    /// are to know. That the signatures hold is seen when something is signed.
    ///
    /// # Errors
    /// The first thing that would make a validator refuse what is signed below it.
    pub fn check(
        mut chain: Vec<Vec<u8>>,
        mut roots: Vec<Vec<u8>>,
        domain: &TrustDomain,
        now: UnixTime,
    ) -> Result<Self, UpstreamError> {
        let signing = chain.first().cloned().ok_or(UpstreamError::Length(0))?;
        // The root is known to whoever validates, so it is not sent.
        if let Some(last) = chain.pop_if(|last| is_root(last))
            && !roots.contains(&last)
        {
            roots.push(last);
        }
        if chain.len() > MOST {
            return Err(UpstreamError::Length(chain.len()));
        }
        if roots.is_empty() || roots.len() > MOST_ROOTS {
            return Err(UpstreamError::Roots(roots.len()));
        }
        let root = root_of(&chain, &signing, &roots)?;
        let places = chain.iter().enumerate();
        let places = places.map(|(index, der)| (Place::Chain(index), der));
        let path = places.chain([(Place::Root, &root)]);
        let mut whole: Option<Validity> = None;
        for (needed, (place, der)) in (1..).zip(path) {
            let validity = check_one(place, der, needed, domain, now)?;
            whole = Some(whole.map_or(validity, |whole| Validity {
                not_before: whole.not_before.max(validity.not_before),
                not_after: whole.not_after.min(validity.not_after),
            }));
        }
        let profile = authority_profile(&signing).ok();
        let key = profile.and_then(|profile| profile.public_key);
        Ok(Self {
            key: key.ok_or(UpstreamError::Key)?,
            validity: whole.ok_or(UpstreamError::Length(0))?,
            signing,
            chain,
            root,
            roots,
        })
    }

    /// The certificate of what signs, in DER.
    pub fn signing(&self) -> &[u8] {
        &self.signing
    }

    /// What has to be sent with leaves: from what signs up to below the root.
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// The root above what signs.
    pub fn root(&self) -> &[u8] {
        &self.root
    }

    /// The key that signs.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// When all of its certificates count.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Its roots as validators are given them. Every replica gives a root the same name.
    pub fn roots(&self) -> crate::rotation::Roots {
        let root = |der: &Vec<u8>| {
            let until = read(der).ok().and_then(|root| validity(&root));
            NewAuthority {
                id: name(der),
                purpose: Purpose::X509,
                not_after: until.map(|until| until.not_after).unwrap_or_default(),
                public: der.clone(),
                upstream: true,
            }
        };
        crate::rotation::Roots {
            all: self.roots.iter().map(root).collect(),
            signing: name(&self.root),
        }
    }
}

/// The first half of the hash of a certificate.
fn name(der: &[u8]) -> KeyId {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
    let mut half = [0; 16];
    half.iter_mut()
        .zip(hash.as_ref())
        .for_each(|(to, from)| *to = *from);
    KeyId::new(half)
}

fn is_root(der: &[u8]) -> bool {
    read(der)
        .is_ok_and(|certificate| certificate.subject().as_raw() == certificate.issuer().as_raw())
}

fn root_of(chain: &[Vec<u8>], signing: &[u8], roots: &[Vec<u8>]) -> Result<Vec<u8>, UpstreamError> {
    for (index, pair) in chain.windows(2).enumerate() {
        if let [below, above] = pair
            && !issued(below, above)
        {
            return Err(UpstreamError::Order(Place::Chain(index)));
        }
    }
    let root = match chain.last() {
        None => Some(signing.to_vec()),
        Some(last) => roots.iter().find(|root| issued(last, root)).cloned(),
    };
    root.ok_or(UpstreamError::NoRoot(Place::Chain(
        chain.len().saturating_sub(1),
    )))
}

/// Whether the names say that `above` issued `below`.
fn issued(below: &[u8], above: &[u8]) -> bool {
    match (read(below), read(above)) {
        (Ok(below), Ok(above)) => below.issuer().as_raw() == above.subject().as_raw(),
        _ => false,
    }
}

fn check_one(
    place: Place,
    der: &[u8],
    needed: u32,
    domain: &TrustDomain,
    now: UnixTime,
) -> Result<Validity, UpstreamError> {
    let broken = |error| UpstreamError::Profile { place, error };
    let profile = authority_profile(der).map_err(broken)?;
    if let Some(id) = profile.id.filter(|id| id.trust_domain() != *domain) {
        let domain = id.trust_domain();
        return Err(UpstreamError::ForeignDomain { place, domain });
    }
    let Validity {
        not_before,
        not_after,
    } = profile.validity;
    if now < not_before || not_after <= now {
        return Err(UpstreamError::Time {
            place,
            from: not_before,
            until: not_after,
            now,
        });
    }
    let certificate = read(der).map_err(broken)?;
    let constraints = certificate.basic_constraints();
    let constraints =
        constraints.map_err(|_| broken(ProfileError::Extension("basicConstraints")))?;
    let allowed = constraints.and_then(|constraints| constraints.value.path_len_constraint);
    if let Some(allowed) = allowed.filter(|allowed| *allowed < needed) {
        return Err(UpstreamError::PathLength {
            place,
            allowed,
            needed,
        });
    }
    let extended = certificate.extended_key_usage();
    let extended = extended.map_err(|_| broken(ProfileError::Extension("extendedKeyUsage")))?;
    if extended.is_some_and(|usage| {
        !(usage.value.any || usage.value.server_auth && usage.value.client_auth)
    }) {
        return Err(UpstreamError::Purposes(place));
    }
    check_names(place, &certificate, domain)?;
    Ok(profile.validity)
}

/// RFC 5280 4.2.1.10.
fn check_names(
    place: Place,
    certificate: &X509Certificate<'_>,
    domain: &TrustDomain,
) -> Result<(), UpstreamError> {
    let unreadable = |_| UpstreamError::Profile {
        place,
        error: ProfileError::Extension("nameConstraints"),
    };
    let Some(constraints) = certificate.name_constraints().map_err(unreadable)? else {
        return Ok(());
    };
    let bases = |trees: &Option<Vec<x509_parser::extensions::GeneralSubtree<'_>>>| -> Vec<Kind> {
        let trees = trees.iter().flatten();
        trees.map(|tree| Kind::of(&tree.base)).collect()
    };
    let permitted = bases(&constraints.value.permitted_subtrees);
    let excluded = bases(&constraints.value.excluded_subtrees);
    let fits = |kind: &Kind| matches!(kind, Kind::Uri(host) if holds(host, domain.as_str()));
    let is_uri = |kind: &Kind| matches!(kind, Kind::Uri(_));
    let outside = permitted.iter().any(is_uri) && !permitted.iter().any(fits);
    if outside || excluded.iter().any(fits) {
        let domain = domain.clone();
        return Err(UpstreamError::Excluded { place, domain });
    }
    let mut all = permitted.iter().chain(&excluded);
    let refused = all.find_map(|kind| match kind {
        Kind::Uri(_) => Some("URIs"),
        Kind::Directory => Some("directory names"),
        Kind::Other => None,
    });
    match refused {
        Some(kind) => Err(UpstreamError::Constrained { place, kind }),
        None => Ok(()),
    }
}

/// What a constraint is on.
enum Kind {
    /// The host of a URI.
    Uri(String),
    Directory,
    Other,
}

impl Kind {
    fn of(name: &GeneralName<'_>) -> Self {
        match name {
            GeneralName::URI(host) => Self::Uri(host.to_ascii_lowercase()),
            GeneralName::DirectoryName(_) => Self::Directory,
            _ => Self::Other,
        }
    }
}

/// Whether a constraint on the hosts of URIs holds this one: with a dot before it whatever is below, without it itself.
fn holds(constraint: &str, host: &str) -> bool {
    if constraint.starts_with('.') {
        return host.ends_with(constraint);
    }
    constraint.is_empty() || constraint == host
}

#[cfg(test)]
mod tests;
