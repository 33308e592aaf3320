
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::making::{NEW_POD, Namespaces, making_pods};
use crate::node::{Area, Node};

edge! {
    /// Mount a path of the node by way of a PersistentVolume.
    ///
    /// A PersistentVolume may be a `hostPath`. Pod Security looks at pods, and there a claim for it is a claim like any other, so
    /// that it passes. The level `restricted` keeps the pod from being root, and so from most of the node's files: a
    /// namespace with that level has no such step. With `create` on `persistentvolumes`, which only a ClusterRoleBinding gives, and
    /// `create` on `persistentvolumeclaims` and on pods in one namespace, somebody mounts the root of any node and writes to it.
    "persistent-volume", "mount a node's disk as a persistent volume", effort 2, Versions::ALL,
    &[Rule::Own { legs: LEGS, link }],
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
    if let Some(held) = making_pods::<Open>(held, world) {
        let machines = Node::area(Area::Machines, &Default::default());
        link.edge(held.subject, machines, held.condition_on(&[On::Any]));
    }
}

/// Namespaces that are not restricted.
struct Open;

impl Namespaces for Open {
    const NAME: &'static str = "namespaces that are not restricted";

    fn holds(namespace: &str, world: &World<'_>) -> bool {
        !world.is_restricted(namespace)
    }
}
