//! Asks the cluster that is followed whose the tokens of callers are.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use bailiwick_kube::Cluster;
use bailiwick_server::{Reviewed, TokenReviewer};

/// The cluster, once it could be connected to.
pub(super) type Connected = Arc<OnceLock<Arc<Cluster>>>;

pub(super) struct ClusterReviewer {
    pub(super) cluster: Connected,
    pub(super) audience: String,
}

impl TokenReviewer for ClusterReviewer {
    fn review<'r>(&'r self, token: &'r str) -> Pin<Box<dyn Future<Output = Reviewed> + Send + 'r>> {
        Box::pin(async move {
            match self.cluster.get() {
                Some(cluster) => cluster.service_account_of(token, &self.audience).await,
                None => Err("the API server was not reached yet".to_owned()),
            }
        })
    }
}
