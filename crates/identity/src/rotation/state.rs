use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Authority, KeyId, NewAuthority, Phase, Policy, Purpose};
use crate::{Bundle, BundleError, PublicKey, TrustDomain, UnixTime};

/// The version of the stored form.
pub const FORMAT: u32 = 1;

/// Counts the changes of a state, for compare-and-swap.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub u64);

/// All keys of a trust domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct State {
    format: u32,
    domain: TrustDomain,
    revision: Revision,
    /// `spiffe_sequence` of the bundle: grows when what is published changes.
    sequence: u64,
    /// The time of the last change, which time never falls behind.
    updated: UnixTime,
    authorities: Vec<Authority>,
}

/// Why stored bytes are no state.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StateError {
    /// Not the JSON of one.
    #[error("the stored state of the authority cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by another version of the program.
    #[error(
        "the stored state has format {0}, and this program reads format {FORMAT}: use the newer program"
    )]
    Format(u32),
    /// Two active keys for one purpose, or two keys with one name.
    #[error("the stored state is inconsistent: {0}")]
    Inconsistent(&'static str),
}

/// A key that stands elsewhere in a later state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<'s> {
    /// Which key.
    pub key: &'s Authority,
    /// Where it stood; `None` where it was not there.
    pub from: Option<Phase>,
    /// Where it stands; `None` where it is gone.
    pub to: Option<Phase>,
}

impl State {
    /// What became of the keys from this state to a later one.
    pub fn changes<'s>(&'s self, later: &'s Self) -> Vec<Change<'s>> {
        let from = |key: &Authority| self.authority(&key.id).map(|old| old.phase);
        let moved = later.authorities.iter().map(|key| Change {
            key,
            from: from(key),
            to: Some(key.phase),
        });
        let gone = self.authorities.iter().map(|key| Change {
            key,
            from: Some(key.phase),
            to: later.authority(&key.id).map(|new| new.phase),
        });
        let gone = gone.filter(|change| change.to.is_none());
        gone.chain(moved.filter(|change| change.from != change.to))
            .collect()
    }

    /// The first state of a domain. No bundle was ever published before it, so the keys sign at once.
    pub fn birth(domain: TrustDomain, keys: Vec<NewAuthority>, now: UnixTime) -> Self {
        let authority = |key: NewAuthority| Authority {
            id: key.id,
            purpose: key.purpose,
            phase: Phase::Active,
            since: now,
            not_after: key.not_after,
            public: key.public,
            upstream: key.upstream,
        };
        Self {
            format: FORMAT,
            domain,
            revision: Revision(1),
            sequence: 1,
            updated: now,
            authorities: keys.into_iter().map(authority).collect(),
        }
    }

    /// Reads what [`State::to_json`] wrote.
    ///
    /// # Errors
    /// When the bytes are no state, or one that could not have come about.
    pub fn from_json(json: &[u8]) -> Result<Self, StateError> {
        let state: Self = serde_json::from_slice(json)?;
        if state.format != FORMAT {
            return Err(StateError::Format(state.format));
        }
        for (index, authority) in state.authorities.iter().enumerate() {
            let others = state.authorities.iter().skip(index + 1);
            for other in others {
                if other.id == authority.id {
                    return Err(StateError::Inconsistent("two keys have one name"));
                }
                let both_sign = authority.phase == Phase::Active && other.phase == Phase::Active;
                if both_sign && authority.purpose == other.purpose {
                    return Err(StateError::Inconsistent("two keys sign for one purpose"));
                }
            }
        }
        Ok(state)
    }

    /// As JSON, for the storage.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Whose keys these are.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// How often it changed.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The sequence of its bundle.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The time of the last change.
    pub fn updated(&self) -> UnixTime {
        self.updated
    }

    /// All keys, oldest first.
    pub fn authorities(&self) -> &[Authority] {
        &self.authorities
    }

    /// A key by its name.
    pub fn authority(&self, id: &KeyId) -> Option<&Authority> {
        self.authorities
            .iter()
            .find(|authority| authority.id == *id)
    }

    /// The key that signs for a purpose.
    pub fn active(&self, purpose: Purpose) -> Option<&Authority> {
        self.of(purpose)
            .find(|authority| authority.phase == Phase::Active)
    }

    /// The key that will sign for a purpose.
    pub fn successor(&self, purpose: Purpose) -> Option<&Authority> {
        self.of(purpose)
            .find(|authority| matches!(authority.phase, Phase::Prepared | Phase::Published))
    }

    /// Whether there is a key for a purpose, wherever it stands.
    pub fn has(&self, purpose: Purpose) -> bool {
        self.of(purpose).next().is_some()
    }

    /// Whether its certificates come from an authority above ours, or will once validators know that one.
    pub fn is_below_upstream(&self) -> bool {
        self.of(Purpose::X509)
            .any(|key| key.upstream && matches!(key.phase, Phase::Published | Phase::Active))
    }

    pub(super) fn of(&self, purpose: Purpose) -> impl Iterator<Item = &Authority> {
        let of_purpose = move |authority: &&Authority| authority.purpose == purpose;
        self.authorities.iter().filter(of_purpose)
    }

    /// What validators get.
    ///
    /// # Errors
    /// When a stored key cannot be read.
    pub fn bundle(&self, policy: &Policy) -> Result<Bundle, BundleError> {
        let mut bundle = Bundle::new(self.domain.clone());
        bundle.sequence = Some(self.sequence);
        bundle.refresh_hint = Some(policy.refresh_hint);
        for (index, authority) in self.authorities.iter().enumerate() {
            if !authority.phase.is_published() {
                continue;
            }
            match authority.purpose {
                Purpose::X509 => bundle.add_x509(authority.public.clone())?,
                Purpose::Jwt(_) => {
                    bundle.add_jwt(authority.id.as_str(), &public_key(authority, index)?)?;
                }
                Purpose::Wit => {
                    bundle.add_wit(authority.id.as_str(), &public_key(authority, index)?)?;
                }
            }
        }
        Ok(bundle)
    }

    /// The same with other keys at a later time. The sequence grows when validators would see a difference.
    pub(super) fn with(&self, authorities: Vec<Authority>, now: UnixTime) -> Self {
        let published = |authorities: &[Authority]| -> Vec<KeyId> {
            let published = authorities.iter().filter(|key| key.phase.is_published());
            published.map(|key| key.id.clone()).collect()
        };
        let changed = published(&authorities) != published(&self.authorities);
        Self {
            format: FORMAT,
            domain: self.domain.clone(),
            revision: Revision(self.revision.0 + 1),
            sequence: self.sequence + u64::from(changed),
            updated: now,
            authorities,
        }
    }
}

fn public_key(authority: &Authority, index: usize) -> Result<PublicKey, BundleError> {
    let problem = "no public key in DER";
    PublicKey::from_spki(&authority.public).map_err(|_| BundleError::Key { index, problem })
}
