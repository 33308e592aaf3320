//! Clusters and requests made up from a seed, always the same ones for the same seed.
//!
//! - [`Wild`] makes small clusters that hold every odd thing that RBAC can hold, for comparing engines: `*` in every
//!   field, `r/sub`, `*/sub`, the literals `pods/*` and `*/*`, resource names with `""` and `*` among them, verbs that
//!   no API has, paths with and without stars, rules without verbs, roles without rules, aggregated ClusterRoles,
//!   bindings without subjects, twice to the same subject, to roles that are not there or cannot be, and service
//!   accounts in all spellings: with a namespace, without one, as a user name, by their groups. `storable` leaves out
//!   what an API server refuses.
//! - [`Shape`] makes clusters of ordinary rules in given numbers, for measuring: how many bindings of each kind,
//!   roles, namespaces, users, groups and service accounts.
//! - [`Pods`] adds nodes, pods and what controls them to the clusters of a shape.
//! - [`Requests`] makes users and requests for any cluster, about half of them allowed: most start from a rule that
//!   some binding gives to somebody, and some of those are then changed in one field.
//! - [`manifest`] writes what was made as JSON for the API server and for upstream's code.

pub mod manifest;
mod pods;
mod requests;
mod rng;
mod shape;
mod wild;
mod words;

pub use pods::Pods;
pub use requests::{Question, Requests};
pub use rng::{Rng, SEED_VARIABLE, seed};
pub use shape::Shape;
pub use wild::Wild;

use bailiwick_core::Str;
use bailiwick_model::{ClusterInfo, Delta, Object, Origin, Snapshot};

/// An empty cluster whose objects are as an API server stores them.
fn empty(name: String) -> Snapshot {
    Snapshot {
        cluster: ClusterInfo {
            name,
            minor: None,
            stored: true,
        },
        ..Snapshot::default()
    }
}

fn put(snapshot: &mut Snapshot, object: Object) {
    snapshot.apply(Delta::Upsert(Box::new(object), Origin::Live));
}

fn strs(texts: &[&str]) -> Box<[Str]> {
    texts.iter().map(|&text| text.into()).collect()
}
