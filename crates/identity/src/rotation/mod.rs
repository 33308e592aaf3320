//! The life of the keys of a trust domain, as a state machine without clock, storage or keys.
//!
//! ```text
//! prepared ─► published ─► active ─► retiring ─► (gone)
//!     └───────────┴──────────► (gone)    └─► tainted ─► revoked ─► (gone)
//! ```
//!
//! The one promise: at no moment does a validator reject a live SVID, as long as its copy of the bundle is no older than
//! [`Policy::propagation`]. So a key is published that long before it signs, and stays published until the last
//! document that it signed has run out. Nothing but [`State::apply`] changes a state, and a test tries every order of
//! steps.
//!
//! Roots of an authority above ours come and go as it says ([`Step::Adopt`]); the promise is the same.

mod state;
mod step;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{KeyType, UnixTime};

pub use state::{Change, FORMAT, Revision, State, StateError};
pub use step::{Due, Refusal, Roots, Step};

/// The name of a key; `kid` of tokens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(String);

impl KeyId {
    /// A name of random bytes, so that no two keys of a bundle have the same one (W-4).
    pub fn new(random: [u8; 16]) -> Self {
        Self(random.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a key signs. Each purpose has keys of its own, of which one is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Purpose {
    /// Intermediate authorities, which sign X509-SVIDs.
    X509,
    /// JWT-SVIDs with keys of this kind. Some verifiers take RSA alone, so several live side by side (C-1).
    Jwt(KeyType),
    /// WIT-SVIDs.
    Wit,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::X509 => f.write_str("X.509"),
            Self::Jwt(key_type) => write!(f, "JWT ({key_type})"),
            Self::Wit => f.write_str("WIT"),
        }
    }
}

/// Where a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Made; nobody knows it.
    Prepared,
    /// In the bundle; signs nothing.
    Published,
    /// In the bundle; signs.
    Active,
    /// In the bundle; signs nothing any more.
    Retiring,
    /// In the bundle; all that it signed is being replaced.
    Tainted,
    /// Out of the bundle for good.
    Revoked,
}

impl Phase {
    /// Whether validators are given the key.
    pub fn is_published(self) -> bool {
        match self {
            Self::Published | Self::Active | Self::Retiring | Self::Tainted => true,
            Self::Prepared | Self::Revoked => false,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Published => "published",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Tainted => "tainted",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A key of the trust domain: everything but the private half.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Authority {
    /// Its name.
    pub id: KeyId,
    /// What it signs.
    pub purpose: Purpose,
    /// Where it stands.
    pub phase: Phase,
    /// Since when.
    pub since: UnixTime,
    /// From when on it cannot sign; the end of the certificate of a root.
    pub not_after: UnixTime,
    /// What validators get: the root certificate, or the public key (SubjectPublicKeyInfo), in DER.
    #[serde(with = "crate::encoding::serde_standard")]
    pub public: Vec<u8>,
    /// Whether it is the root of an authority above ours, which has the private half.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub upstream: bool,
}

/// A key that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAuthority {
    /// Its name.
    pub id: KeyId,
    /// What it signs.
    pub purpose: Purpose,
    /// From when on it cannot sign.
    pub not_after: UnixTime,
    /// What validators get, in DER.
    pub public: Vec<u8>,
    /// Whether it is the root of an authority above ours.
    pub upstream: bool,
}

/// The time spans of the rotation, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How often validators ask for the bundle (`spiffe_refresh_hint`).
    pub refresh_hint: u64,
    /// How old the bundle of a validator may be: several times the hint (F-6 advises 3 to 5).
    pub propagation: u64,
    /// How long another replica may go on signing with the key that was active before it hears of the next.
    pub handover: u64,
    /// How far clocks may differ.
    pub skew: u64,
    /// The longest life of anything that is signed for a purpose, intermediate authorities included.
    pub longest_life: u64,
    /// How long it takes until all that a tainted key signed is replaced.
    pub reissue: u64,
    /// How long a root signs before the next one takes over.
    pub root_period: u64,
    /// The same for keys of tokens.
    pub jwt_period: u64,
}

impl Policy {
    /// Bundles within 25 minutes, documents of at most a day, roots for half a year and keys of tokens for 30 days.
    pub const DEFAULT: Self = Self {
        refresh_hint: 300,
        propagation: 5 * 300,
        handover: 60,
        skew: 300,
        longest_life: 24 * 3600,
        reissue: 600,
        root_period: 182 * 86_400,
        jwt_period: 30 * 86_400,
    };

    /// How long a key of this purpose signs before the next one takes over.
    pub fn period(&self, purpose: Purpose) -> u64 {
        match purpose {
            Purpose::X509 => self.root_period,
            Purpose::Jwt(_) | Purpose::Wit => self.jwt_period,
        }
    }

    /// How long a key of this purpose has to last: it stands by for one period, signs for a second, and what it signs
    /// last has to end before it.
    pub fn life(&self, purpose: Purpose) -> u64 {
        2 * self.period(purpose) + self.propagation + 2 * self.longest_life
    }
}

#[cfg(test)]
mod tests;
