use bailiwick_core::Str;

use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::{flaws, node_field, node_user};
use crate::node::{Area, Node};

edge! {
    /// Start a pod that a known flaw of the container runtime lets out.
    ///
    /// CRI-O from 1.19 until 1.19.6, 1.20.7, 1.21.6, 1.22.3 and 1.23.2 sets any parameter of the node's kernel that hides in a
    /// harmless `sysctl` of a pod, `core_pattern` among them (CVE-2022-0811): root on the node. containerd before 1.4.13, 1.5.10 and 1.6.1
    /// gives an image made for it copies of any file of the node (CVE-2022-23648): the kubelet's key. Neither is anything that
    /// Pod Security looks at, so that its levels do not help. A version that a distribution has given a mark of its own is
    /// not judged.
    "runtime-flaw-pod", "start a pod that a known flaw lets out", effort 3, Versions::ALL,
    &[Rule::Each(link)],
    "new pods of namespace shop" => "every node with a known flaw of the cluster", "1.22.1" => "1.22.3",
    "---
     {apiVersion: v1, kind: ServiceAccount, metadata: {namespace: shop, name: web}}
     {apiVersion: v1, kind: Node, metadata: {name: n1},
      status: {nodeInfo: {kernelVersion: 6.1.90, containerRuntimeVersion: 'cri-o://1.22.1'}}}"
}

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if let Item::Namespace(namespace) = *item
        && world.fact("flawed nodes", has_flawed)
    {
        let every = Node::area(Area::FlawedMachines, &Str::default());
        link.always(&Node::area(Area::NewPods, namespace), every);
    }
}

/// Where such a pod gets, a node each.
pub(super) fn contents(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let Item::Machine(name) = *item else { return };
    let Some(node) = world.snapshot.nodes.get("", name) else { return };
    for flaw in flaws::of(node) {
        let to = match flaw.by {
            flaws::By::Pod => Some(Node::Machine { name: name.clone() }),
            flaws::By::Image => node_user(name),
            _ => None,
        };
        if let Some(to) = to {
            let every = Node::area(Area::FlawedMachines, &Str::default());
            link.by(&every, to, [node_field(node, flaw.software.pointer())]);
        }
    }
}

fn has_flawed(world: &World<'_>) -> bool {
    let by_pod = |flaw: &flaws::Flaw| matches!(flaw.by, flaws::By::Pod | flaws::By::Image);
    world.snapshot.nodes.iter().any(|node| flaws::of(node).any(by_pod))
}
