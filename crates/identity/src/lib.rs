//! SPIFFE identities: who a workload is ([`SpiffeId`]), the documents that say so ([`x509`], [`jwt`], [`wit`]), the keys
//! they are checked with ([`Bundle`]), the rules that give them ([`rules`])
//! and the rotation of the keys behind them ([`rotation`]).
//!
//! Pure: time, randomness and signatures are arguments. A private key is only ever a [`Signer`], so that it may live in
//! a file, in a hardware module or in a cluster without this crate knowing.
//!
//! Sources: SPIFFE-ID, X509-SVID, JWT-SVID, WIT-SVID and SPIFFE Trust Domain and Bundle of <https://github.com/spiffe/spiffe>.

pub mod agents;
mod bundle;
pub mod cgroup;
mod encoding;
pub mod exchange;
pub mod facts;
pub mod federation;
mod id;
pub mod jwt;
mod key;
pub mod pods;
pub mod revoked;
pub mod rotation;
pub mod rules;
pub mod shared;
mod time;
pub mod wit;
pub mod x509;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use bundle::{Bundle, BundleError, BundleMap, JwtKey, MAX_BUNDLE_BYTES};
pub use id::{IdError, MAX_ID_BYTES, SpiffeId, TrustDomain};
pub use key::{KeyError, KeyType, PublicKey, Scheme, SignError, Signer};
pub use time::UnixTime;
