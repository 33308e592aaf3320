use std::sync::Arc;

use bailiwick_core::Str;
use bailiwick_model::Snapshot;
use bailiwick_rbac::Engine;

use crate::delegations::Delegations;
use crate::policies::Policies;
use crate::relations::Relations;
use crate::revocations::Revocations;

/// Everything that a decision depends on, at one revision. Never changed while anybody asks it: make another one and
/// swap.
#[derive(Clone, Debug)]
pub struct State {
    /// Names this state; every answer can carry it.
    pub revision: Str,
    /// RBAC objects that allow before anything else is asked. Empty, it allows `system:masters` alone, as the API
    /// server does before it asks any authorizer.
    pub floor: Arc<Engine>,
    /// RBAC of the cluster.
    pub rbac: Arc<Engine>,
    /// Policies of the cluster and of namespaces.
    pub policies: Arc<Policies>,
    /// Who has what to do with which object, and what that allows.
    pub relations: Arc<Relations>,
    /// What the cluster lets namespaces grant.
    pub delegations: Arc<Delegations>,
    /// What is revoked.
    pub revocations: Arc<Revocations>,
}

impl State {
    /// A state of RBAC alone.
    pub fn new(rbac: Arc<Engine>) -> Self {
        Self {
            revision: Str::default(),
            floor: Arc::new(Engine::new(Snapshot::default())),
            rbac,
            policies: Arc::default(),
            relations: Arc::default(),
            delegations: Arc::default(),
            revocations: Arc::default(),
        }
    }
}
