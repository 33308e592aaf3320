
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::{NEW_POD, making_pods};
use crate::node::{Area, Node};

edge! {
    /// Mount a path of the node by way of a PersistentVolume.
    ///
    /// A PersistentVolume may be a `hostPath`. Pod Security looks at pods, and there a claim for it is a claim like any other, so
    /// that it passes. The level `restricted` keeps the pod from being root, and so from most of the node's files: a
    /// namespace with that level has no such step. With `create` on `persistentvolumes`, which only a ClusterRoleBinding gives, and
    /// `create` on `persistentvolumeclaims` and on pods in one namespace, somebody mounts the root of any node and writes to it.
    "persistent-volume", "mount a node's disk as a persistent volume", effort 2, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every node of the cluster", "persistentvolumes " => "volumeattachments ",
    "Role shop/r
       create on persistentvolumeclaims,pods of ''
     RoleBinding shop/r gives Role/r to user:eve
     ClusterRole v
       create on persistentvolumes of ''
     ClusterRoleBinding v gives ClusterRole/v to user:eve"
}

const CREATE: &[&str] = &["create"];

static LEGS: &[Leg] = &[
    &[Right::cluster("", "persistentvolumes", CREATE)],
    &[Right::new("", "persistentvolumeclaims", CREATE)],
    NEW_POD,
];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if held.scope.is_empty() && !world.fact("namespaces that are not restricted", has_open) {
        return;
    }
    let namespaces = world.namespaces_in(&held.scope).into_iter();
    let mut open = namespaces.filter(|namespace| !world.is_restricted(namespace));
    if let Some(held) = open.find_map(|namespace| making_pods(held, world, &namespace)) {
        let machines = Node::area(Area::Machines, &Default::default());
        link.edge(held.subject, machines, held.condition_on(&[On::Any]));
    }
}

fn has_open(world: &World<'_>) -> bool {
    let namespaces = world.namespaces_in(&Default::default());
    namespaces.iter().any(|namespace| !world.is_restricted(namespace))
}
