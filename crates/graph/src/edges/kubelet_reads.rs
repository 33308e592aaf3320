use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Read what kubelets tell of their nodes.
    ///
    /// A kubelet asks the API server which subresource of its node a request takes: `nodes/stats` and `nodes/metrics` tell what runs
    /// there and how busy it is. Neither opens anything; that is why they are the rights to give to a monitor, and not
    /// `nodes/proxy`. Nodes are in no namespace, so a RoleBinding does not give these rights.
    "kubelet-reads", "read what kubelets tell", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "what kubelets tell of the cluster", "nodes/stats" => "nodes/status",
    "ClusterRole r
       get on nodes/stats of ''
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

static LEGS: &[Leg] =
    &[&[Right::cluster("", "nodes/stats", &["get"]), Right::cluster("", "nodes/metrics", &["get"])]];

pub(super) fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    let to = Node::area(Area::Kubelets, &held.scope);
    link.edge(held.subject, to, held.condition_on(&[On::Any]));
}
