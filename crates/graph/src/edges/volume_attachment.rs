use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Have a volume attached to a node of one's choice.
    ///
    /// A VolumeAttachment asks a driver's attacher to attach a PersistentVolume to a node, and nothing asks whether a pod there uses
    /// it. Root on that node reads the disk. The graph does not ask which nodes somebody has, so that the step is hard; there
    /// where a PersistentVolume of a CSI driver is.
    "volume-attachment", "have another volume attached to a node", effort 5, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "the contents of every volume of the cluster", "create on volumeattachments" => "get on volumeattachments",
    "ClusterRole r
       create on volumeattachments of storage.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve
     ---
     {apiVersion: v1, kind: PersistentVolume, metadata: {name: disk},
      spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], csi: {driver: disk.example, volumeHandle: a}}}"
}

static LEGS: &[Leg] = &[&[Right::cluster("storage.k8s.io", "volumeattachments", &["create"])]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if world.fact("volumes of drivers", has_volume) {
        let to = Node::area(Area::Volumes, &held.scope);
        link.edge(held.subject, to, held.condition_on(&[On::Any]));
    }
}

fn has_volume(world: &World<'_>) -> bool {
    world.snapshot.volumes.iter().any(|volume| !volume.driver.is_empty())
}
