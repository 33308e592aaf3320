//! The doors of a workload: the SPIFFE Workload API and Envoy's secret discovery.

mod api;
mod limit;
mod sds;
mod session;

use std::sync::Arc;

use bailiwick_identity::BundleMap;
use bailiwick_identity::rules::RuleSet;
use tokio::sync::watch;

use crate::authority::Authority;
use crate::evidence::Evidence;

pub(crate) use api::{WorkloadApi, check_audience};
pub(crate) use limit::Limit;
pub(crate) use sds::SecretDiscovery;
pub(crate) use session::{fraction, unavailable};

/// What all doors share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) authority: Arc<Authority>,
    pub(crate) rules: watch::Receiver<Arc<RuleSet>>,
    pub(crate) federated: watch::Receiver<Arc<BundleMap>>,
    pub(crate) evidence: Evidence,
    /// By user of the machine.
    pub(crate) limit: Arc<Limit<u32>>,
}

#[cfg(test)]
mod tests;
