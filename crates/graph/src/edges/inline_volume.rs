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
    &[Rule::Each(link), Rule::Objects(link_drivers)],
    "new pods of namespace shop" => "volumes without a claim of every driver of the cluster", "namespace: shop" => "namespace: pay",
    "---
     {apiVersion: storage.k8s.io/v1, kind: CSIDriver, metadata: {name: vault.example}, spec: {volumeLifecycleModes: [Ephemeral]}}
     {apiVersion: v1, kind: ServiceAccount, metadata: {namespace: shop, name: web}}"
}

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let every = |area| Node::area(area, &Str::default());
    let driver = |name: &Str| Node::Driver { name: name.clone() };
    match *item {
        Item::Namespace(namespace) => {
            let pods = Node::area(Area::NewPods, namespace);
            if world.fact("inline drivers", has_drivers) {
                link.always(&pods, every(Area::Drivers));
            }
            if world.is_restricted(namespace) {
                let why = "Pod Security refuses FlexVolumes in this namespace";
                let Err(label) = world.pod_security(namespace) else { return };
                link.held_back(&pods, every(Area::FlexDrivers), label, why);
            } else {
                link.always(&pods, every(Area::FlexDrivers));
            }
        }
        Item::Workload(workload) => {
            let from = Node::Workload(workload.object_ref());
            for name in &workload.pod.csi_drivers {
                link.always(&from, driver(name));
            }
            for name in &workload.pod.flex_drivers {
                link.always(&from, driver(name));
                link.always(&every(Area::FlexDrivers), driver(name));
            }
        }
        _ => {}
    }
}

fn has_drivers(world: &World<'_>) -> bool {
    world.snapshot.csi_drivers.iter().any(|driver| driver.inline)
}

fn link_drivers(world: &World<'_>, link: &mut Link<'_>) {
    for driver in world.snapshot.csi_drivers.iter().filter(|driver| driver.inline) {
        let name = driver.metadata.name.clone();
        link.always(&Node::area(Area::Drivers, &Str::default()), Node::Driver { name });
    }
}
