//! The doors of a workload: the SPIFFE Workload API and Envoy's secret discovery.

mod api;
mod sds;
mod session;
mod wit;

use std::sync::Arc;

use bailiwick_identity::BundleMap;
use tokio::sync::watch;
use tonic::Status;

use crate::issuer_core::{Asker, IssuerCore};
use crate::limit::Limit;
use crate::node::Node;
use crate::peer::Share;

pub(crate) use api::{
    JwtBundles, Messages, WorkloadApi, X509Bundles, check_audience, stream, tokens, wanted,
};
pub(crate) use sds::SecretDiscovery;
pub(crate) use session::{Held, Renewals, Session};
pub(crate) use wit::HeldWit;

/// What all doors share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) giver: Giver,
    /// By user of the machine.
    pub(crate) limit: Arc<Limit<Share>>,
}

/// Who says what callers get, and gives it.
#[derive(Clone)]
pub(crate) enum Giver {
    /// This process, to processes of the host.
    Own {
        core: IssuerCore,
        federated: watch::Receiver<Arc<BundleMap>>,
    },
    /// A server, to pods of this node.
    Server(Arc<Node>),
}

impl Giver {
    /// Whether WIT-SVIDs are given.
    fn offers_wit(&self) -> bool {
        match self {
            Self::Own { core, .. } => core.authority.offers_wit(),
            Self::Server(node) => node.wit_svid,
        }
    }

    /// Writes that somebody gets nothing, and gives what it hears.
    async fn denied(&self, asker: &Asker, why: String) -> Status {
        match self {
            Self::Own { core, .. } => core.denied(asker, why).await,
            Self::Server(node) => node.denied(asker, why),
        }
    }
}

#[cfg(test)]
mod tests;
