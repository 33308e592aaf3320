//! The doors of a workload: the SPIFFE Workload API and Envoy's secret discovery.

mod api;
mod changes;
mod sds;
mod session;
mod wit;

use std::sync::Arc;

use bailiwick_identity::BundleMap;
use tokio::sync::watch;
use tonic::Status;

use crate::issuer_core::IssuerCore;
use crate::limit::Limit;
use crate::node::Node;
use crate::peer::Share;
use crate::refusals::{Refusal, Refusals, record};

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
        /// What the log does not hold yet of those who ask again and again.
        refusals: Arc<Refusals>,
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

    /// Writes that somebody gets nothing, and gives what it hears. Who hears the same again within a minute is counted.
    async fn denied(&self, refusal: Refusal) -> Status {
        let (core, refusals) = match self {
            Self::Own { core, refusals, .. } => (core, refusals),
            Self::Server(node) => return node.denied(refusal),
        };
        let Refusal {
            topic,
            process,
            told,
        } = refusal;
        if let Some((topic, often)) = refusals.note_and_take(topic, process) {
            core.evidence.denied(record(topic, often)).await;
        }
        Status::permission_denied(told)
    }

    /// Writes that somebody asks for too much. It hears another thing.
    async fn refused_often(&self, refusal: Refusal) {
        match self {
            Self::Own { .. } => drop(self.denied(refusal).await),
            Self::Server(node) => node.refused_often(refusal),
        }
    }

    /// Writes how often somebody was refused, or has the server do it, for ever.
    pub(crate) async fn tell_refusals(self) {
        match self {
            Self::Own { core, refusals, .. } => refusals.write(&core.evidence).await,
            Self::Server(node) => node.report().await,
        }
    }

    /// The same of what waits to be told, at the end.
    pub(crate) async fn tell_rest(&self) {
        match self {
            Self::Own { core, refusals, .. } => refusals.write_rest(&core.evidence).await,
            Self::Server(node) => node.report_rest().await,
        }
    }
}

#[cfg(test)]
mod tests;
