use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Decide how the volumes of others are made.
    ///
    /// A StorageClass names the driver that makes volumes and the parameters that it makes them with: the server, the share, the key
    /// that encrypts them, the Secret that opens the storage system. Whoever writes a class that claims use, or makes a new
    /// one the default, has the volumes of others made as he likes, on a server of his own where the driver knows such parameters. Volumes that
    /// are there already stay as they are. What a driver makes of its parameters is not in the cluster.
    "storage-class", "decide how volumes are made", effort 4, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "the contents of every volume of the cluster", "create on storageclasses" => "get on storageclasses",
    "ClusterRole r
       create on storageclasses of storage.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

// A class cannot be changed where it matters; its name can be given anew after `delete`, and the mark of the default moves.
static LEGS: &[Leg] = &[&[Right::cluster("storage.k8s.io", "storageclasses", &["create"])]];

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    let to = Node::area(Area::Volumes, &held.scope);
    link.edge(held.subject, to, held.condition_on(&[On::Any]));
}
