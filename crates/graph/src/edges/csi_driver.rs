use bailiwick_rbac::{Names, Right};

use crate::build::{Held, Holding, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Have kubelets hand the tokens of pods to a driver of volumes.
    ///
    /// `tokenRequests` in a CSIDriver makes the kubelet ask for a token of each pod's service account, for any audience, the API
    /// server's own (an empty one) among them, and give it to the driver whenever it mounts a volume of the pod. Whoever may change the CSIDriver
    /// of a driver that he can read from (its logs, its pod, its socket on the node) has the tokens of all pods with such volumes. The driver
    /// has to be there, and the last part is another step: so this one leads to the driver and is hard.
    "csi-driver", "have a driver given the tokens of pods", effort 4, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "volumes without a claim of every driver of the cluster", "patch on csidrivers" => "get on csidrivers",
    "ClusterRole r
       patch on csidrivers of storage.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve
     ---
     {apiVersion: storage.k8s.io/v1, kind: CSIDriver, metadata: {name: vault.example}, spec: {volumeLifecycleModes: [Ephemeral]}}"
}

static LEGS: &[Leg] = &[&[Right::cluster("storage.k8s.io", "csidrivers", &["patch", "update"])]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let drivers = &world.snapshot.csi_drivers;
    let is_there = |holding: &Holding<'_>| match holding.names {
        Names::All => drivers.iter().next().is_some(),
        Names::Only(names) => names.iter().any(|name| drivers.get("", name).is_some()),
    };
    if let Some(condition) = held.condition_by(is_there) {
        link.edge(held.subject, Node::area(Area::Drivers, &held.scope), condition);
    }
}
