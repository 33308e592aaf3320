use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::deputy::has_operator;
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::making::{Everywhere, NEW_POD, making_pods};
use crate::node::{Area, Node};

edge! {
    /// Mount a copy of somebody else's volume.
    ///
    /// A VolumeSnapshotContent names a snapshot in the storage system by the system's own handle, and nothing asks whose it is. Bound to a
    /// VolumeSnapshot in one's own namespace it is what a claim is filled from, and a pod mounts that. Handles of others stand in their
    /// VolumeSnapshotContents and PersistentVolumes, or can be guessed.
    ///
    /// There where the resource is defined and a service account writes its status, as the snapshot controller does.
    "volume-snapshot", "mount a copy of another volume", effort 3, Versions::ALL,
    &[Rule::Own { legs: LEGS, link }],
    "user eve" => "the contents of every volume of the cluster", "create on volumesnapshots " => "get on volumesnapshots ",
    "ClusterRole c
       create on volumesnapshotcontents of snapshot.storage.k8s.io
     ClusterRoleBinding c gives ClusterRole/c to user:eve
     Role shop/r
       create on volumesnapshots of snapshot.storage.k8s.io
       create on persistentvolumeclaims,pods of ''
     RoleBinding shop/r gives Role/r to user:eve
     ClusterRole operator
       patch on volumesnapshotcontents/status of snapshot.storage.k8s.io
     ClusterRoleBinding operator gives ClusterRole/operator to sa:argo/controller
     ---
     {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition,
      metadata: {name: volumesnapshotcontents.snapshot.storage.k8s.io, annotations: {api-approved.kubernetes.io: unapproved}},
      spec: {group: snapshot.storage.k8s.io, scope: Cluster,
       names: {plural: volumesnapshotcontents, singular: volumesnapshotcontent, kind: VolumeSnapshotContent},
       versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}
     {apiVersion: v1, kind: ServiceAccount, metadata: {namespace: argo, name: controller}}
     {apiVersion: apps/v1, kind: Deployment, metadata: {namespace: argo, name: controller},
      spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {serviceAccountName: controller, containers: [{name: c, image: c}]}}}}"
}

const GROUP: &str = "snapshot.storage.k8s.io";
const CREATE: &[&str] = &["create"];
const CONTENTS: Right = Right::cluster(GROUP, "volumesnapshotcontents", CREATE);

static LEGS: &[Leg] = &[
    &[CONTENTS],
    &[Right::new(GROUP, "volumesnapshots", CREATE)],
    &[Right::new("", "persistentvolumeclaims", CREATE)],
    NEW_POD,
];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let Some(held) = making_pods::<Everywhere>(held, world) else { return };
    if has_operator(&CONTENTS, world) {
        let to = Node::area(Area::Volumes, &Default::default());
        link.edge(held.subject, to, held.condition_on(&[On::Any]));
    }
}
