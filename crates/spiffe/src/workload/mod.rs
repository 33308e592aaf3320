//! The doors of a workload: the SPIFFE Workload API and Envoy's secret discovery.

mod api;
mod limit;
mod sds;
mod session;

use std::sync::Arc;

use bailiwick_identity::BundleMap;
use bailiwick_identity::facts::Facts;
use bailiwick_identity::rules::RuleSet;
use tokio::sync::watch;

use crate::authority::Authority;

pub(crate) use api::WorkloadApi;
pub(crate) use limit::Limit;
pub(crate) use sds::SecretDiscovery;

/// Something that happened at a door, for the log.
#[derive(Clone, Debug)]
pub enum Event<'e> {
    /// A document was made.
    Issued {
        /// `X.509` or `JWT`.
        kind: &'static str,
        /// Whose it is.
        id: &'e str,
        /// Its serial or `jti`.
        number: &'e str,
        /// Which rule gave it.
        rule: &'e str,
        /// To whom.
        facts: &'e Facts,
    },
    /// Nothing was given.
    Denied {
        /// To whom.
        facts: Option<&'e Facts>,
        /// Why not.
        why: &'e str,
    },
}

/// Hears of everything that is given and refused.
pub type Witness = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

/// What all doors share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) authority: Arc<Authority>,
    pub(crate) rules: watch::Receiver<Arc<RuleSet>>,
    pub(crate) federated: watch::Receiver<Arc<BundleMap>>,
    pub(crate) witness: Witness,
    pub(crate) limit: Arc<Limit>,
}

#[cfg(test)]
mod tests;
