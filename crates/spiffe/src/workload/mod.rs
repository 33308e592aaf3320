//! The doors of a workload: the SPIFFE Workload API and Envoy's secret discovery.

mod api;
mod changes;
mod sds;
mod session;
mod wit;

use std::sync::Arc;

use bailiwick_audit::{DenialRecord, Proof, WorkloadRef};
use bailiwick_identity::BundleMap;
use tokio::sync::watch;
use tonic::Status;

use crate::evidence::Evidence;
use crate::issuer_core::IssuerCore;
use crate::limit::Limit;
use crate::node::Node;
use crate::peer::Share;
use crate::refusals::{Often, Refusal, Refusals, Topic, Untold};

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

    /// Writes how often somebody was refused, or has the server do it, for ever.
    pub(crate) async fn tell_refusals(self) {
        match self {
            Self::Own { core, refusals, .. } => loop {
                refusals.wait().await;
                write(&core.evidence, refusals.due(usize::MAX)).await;
            },
            Self::Server(node) => node.report().await,
        }
    }

    /// The same of what waits to be told, at the end.
    pub(crate) async fn tell_rest(&self) {
        match self {
            Self::Own { core, refusals, .. } => {
                write(&core.evidence, refusals.rest(usize::MAX)).await;
            }
            Self::Server(node) => node.report_rest().await,
        }
    }
}

async fn write(evidence: &Evidence, mut untold: Untold<'_>) {
    while let Some((topic, often)) = untold.list().first().cloned() {
        evidence.denied(record(topic, often)).await;
        untold.told(1);
    }
}

fn record(topic: Topic, often: Often) -> DenialRecord {
    let times = (often.count > 1).then(|| often.times());
    let workload = WorkloadRef {
        process: often.process,
        ..WorkloadRef::default()
    };
    DenialRecord {
        times,
        ..DenialRecord::new(topic.door, topic.why, workload, Proof::default())
    }
}

#[cfg(test)]
mod tests;
