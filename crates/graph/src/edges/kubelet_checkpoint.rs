use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Have the memory of a container written to its node's disk.
    ///
    /// `create` on `nodes/checkpoint` makes a kubelet write a running container's memory into a file below
    /// `/var/lib/kubelet/checkpoints`, keys and passwords included. Only root on the node reads it there, so this alone gives
    /// nothing; it outlives the container. On by default since Kubernetes 1.30.
    "kubelet-checkpoint", "have a container's memory written to disk", effort 2, Versions::since(30),
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "memory images of containers of the cluster", "create" => "get",
    "ClusterRole r
       create on nodes/checkpoint of ''
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

static LEGS: &[Leg] = &[&[Right::cluster("", "nodes/checkpoint", &["create"])]];

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    let to = Node::area(Area::Checkpoints, &held.scope);
    link.edge(held.subject, to, held.condition_on(&[On::Any]));
}
