use bailiwick_core::Str;

use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Have a driver of volumes act on what a pod says.
    ///
    /// A pod may have a volume of a CSI driver without any claim, if the driver's CSIDriver object says
    /// `volumeLifecycleModes: [Ephemeral]`, or one of a FlexVolume driver that is installed on the node. The attributes come from
    /// the pod, and the driver acts on them as root on the node: what that gives depends on the driver, so the step leads to the driver
    /// and no further. Pod Security lets CSI volumes pass at every level, and FlexVolume at all but `restricted`.
    ///
    /// FlexVolume drivers are no objects of the cluster: those are known that some pod uses.
    "inline-volume", "have a volume of a driver without a claim", effort 3, Versions::ALL,
    &[Rule::Each(link)],
    "new pods of namespace shop" => "volumes without a claim of every driver of the cluster", "namespace: shop" => "namespace: pay",
    "---
     {apiVersion: storage.k8s.io/v1, kind: CSIDriver, metadata: {name: vault.example}, spec: {volumeLifecycleModes: [Ephemeral]}}
     {apiVersion: v1, kind: ServiceAccount, metadata: {namespace: shop, name: web}}"
}

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let every = |area| Node::area(area, &Str::default());
    match *item {
        Item::Namespace(namespace) => {
            let pods = Node::area(Area::NewPods, namespace);
            if world.fact("inline drivers", has_drivers) {
                link.always(&pods, every(Area::Drivers));
            }
            if !world.fact("flex drivers", |world| world.flex_drivers().next().is_some()) {
                return;
            }
            match world.pod_security(namespace) {
                Err(label) if world.is_restricted(namespace) => {
                    let why = "Pod Security refuses FlexVolumes in this namespace";
                    link.held_back(&pods, every(Area::FlexDrivers), label, why);
                }
                _ => link.always(&pods, every(Area::FlexDrivers)),
            }
        }
        Item::Workload(workload) => {
            let own = workload.pod.csi_drivers.iter().chain(&workload.pod.flex_drivers);
            for name in own {
                let from = Node::Workload(workload.object_ref());
                link.always(&from, Node::Driver { name: name.clone() });
            }
        }
        _ => {}
    }
}

fn has_drivers(world: &World<'_>) -> bool {
    world.snapshot.csi_drivers.iter().any(|driver| driver.inline)
}

/// The drivers that there are, and those that pods use.
pub(super) fn drivers(world: &World<'_>, link: &mut Link<'_>) {
    let every = |area| Node::area(area, &Str::default());
    for driver in world.snapshot.csi_drivers.iter().filter(|driver| driver.inline) {
        let name = driver.metadata.name.clone();
        link.always(&every(Area::Drivers), Node::Driver { name });
    }
    for name in world.flex_drivers() {
        link.always(&every(Area::FlexDrivers), Node::Driver { name: name.clone() });
    }
}
