//! ClusterRoles whose rules a controller gathers from others (`aggregationRule`).

use bailiwick_core::Str;
use bailiwick_model::{Delta, PolicyRule, Snapshot};

/// What the controller would write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aggregation {
    /// The ClusterRoles whose rules would change, by name.
    pub roles: Vec<Aggregated>,
    /// ClusterRoles that gather from each other in a circle: what the controller leaves there depends on the order
    /// in which it comes by, and what stands in `roles` for them is one possible outcome.
    pub circular: Vec<Str>,
}

/// The rules that the controller would write into one ClusterRole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregated {
    /// The ClusterRole.
    pub role: Str,
    /// Its rules then.
    pub rules: Box<[PolicyRule]>,
}

/// What the controller would change in the cluster.
pub fn aggregate(snapshot: &Snapshot) -> Aggregation {
    let _ = snapshot;
    Aggregation::default()
}

impl Aggregation {
    /// The changes that make the snapshot hold what the controller would write; origins stay.
    pub fn deltas(&self, snapshot: &Snapshot) -> Vec<Delta> {
        let _ = snapshot;
        Vec::new()
    }
}
