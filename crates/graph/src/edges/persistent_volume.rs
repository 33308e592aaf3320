use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};
use crate::right::Right;

edge! {
    /// Mount a path of the node by way of a PersistentVolume.
    ///
    /// A PersistentVolume may be a `hostPath`. Pod Security looks at pods, and there a claim for it is a claim like any other: it
    /// passes even the level `restricted`. With `create` on `persistentvolumes`, which only a ClusterRoleBinding gives, and
    /// `create` on `persistentvolumeclaims` and on pods in one namespace, somebody mounts the root of any node and writes to it.
    "persistent-volume", "mount a node's disk as a persistent volume", effort 1, Versions::ALL,
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
    &[
        Right::new("", "pods", CREATE),
        Right::new("apps", "deployments", CREATE),
        Right::new("apps", "daemonsets", CREATE),
        Right::new("apps", "replicasets", CREATE),
        Right::new("apps", "statefulsets", CREATE),
        Right::new("batch", "jobs", CREATE),
        Right::new("batch", "cronjobs", CREATE),
        Right::new("", "replicationcontrollers", CREATE),
    ],
];

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    let machines = Node::area(Area::Machines, &Default::default());
    link.edge(held.subject, machines, held.condition_on(&[On::Any]));
}
