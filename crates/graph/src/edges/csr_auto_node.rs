
use bailiwick_rbac::Right;

use crate::build::{Held, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::{CERTIFICATES as GROUP, every_node};

edge! {
    /// Get a node's certificate without anybody's approval.
    ///
    /// The controller-manager approves a request for a kubelet's client certificate by itself where the requester holds `create`
    /// on `certificatesigningrequests/nodeclient`, besides `create` on `certificatesigningrequests`. kubeadm gives both to the
    /// bootstrap tokens' group, so that nodes can join. The requester chooses the node's name, that of a node which is there
    /// included. Joining keys should be short-lived, and the binding can be removed when no node is to join.
    "csr-auto-node", "join the cluster as any node", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "user system:node:n1", "nodeclient" => "selfnodeclient",
    "ClusterRole r
       create on certificatesigningrequests of certificates.k8s.io
       create on certificatesigningrequests/nodeclient of certificates.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve
     ---
     {apiVersion: v1, kind: Node, metadata: {name: n1}}"
}

static LEGS: &[Leg] = &[
    &[Right::cluster(GROUP, "certificatesigningrequests/nodeclient", &["create"])],
    &[Right::cluster(GROUP, "certificatesigningrequests", &["create"])],
];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if held.on_all() {
        every_node(held, world, link, &held.condition(None));
    }
}
