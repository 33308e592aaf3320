use crate::build::{Item, Link, World};
use crate::condition::Atom;
use crate::edge::{Rule, Versions, edge};
use crate::host::{Seen, Way, flaws, field, node_field};
use crate::node::Node;

edge! {
    /// Leave a container by a known flaw of the node's kernel or container runtime.
    ///
    /// Kubelets tell the versions of both, and of some versions it is known how containers get out of them:
    /// containerd before 1.3.9 and 1.4.3 takes orders from root in a pod with the node's network (CVE-2020-15257), and kernels
    /// from 5.8 until 5.10.102, 5.15.25 and 5.16.11 let anybody write to files that can only be read, the programs of the node that start
    /// containers among them (CVE-2022-0847).
    ///
    /// Not known, and so no step: the version of runc, which no object of the cluster tells (CVE-2019-5736,
    /// CVE-2024-21626), and what distributions have mended under an old number. A version that a distribution has given a mark of its
    /// own is not judged, nor is a kernel that ends in `.0`: Debian, Ubuntu and Red Hat count their repairs elsewhere. Flaws that are not
    /// on this list are not known.
    "runtime-flaw", "leave the container by a known flaw", effort 3, Versions::ALL, &[Rule::Each(link)],
    "Pod shop/web" => "node n1", "5.15.24" => "5.15.25",
    "---
     {apiVersion: v1, kind: Node, metadata: {name: n1},
      status: {nodeInfo: {kernelVersion: 5.15.24-flatcar, containerRuntimeVersion: 'containerd://2.1.4'}}}
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, containers: [{name: web, image: web}]}}"
}

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let Item::Workload(workload) = *item else { return };
    let Some(node) = world.snapshot.nodes.get("", &workload.node_name) else { return };
    for flaw in flaws::of(node) {
        let version = node_field(node, flaw.software.pointer());
        let from = Node::Workload(workload.object_ref());
        let machine = Node::Machine { name: workload.node_name.clone() };
        // The pod as a whole: a container that says nothing of security is not kept.
        let pod = bailiwick_model::Container::default();
        let seen = Seen::new(world, workload, &pod);
        let way = match flaw.by {
            flaws::By::Anybody => Way::Open(vec![version]).unless(seen.sandboxed()),
            flaws::By::HostNetwork if workload.pod.host_network => {
                let setting: Atom = field(world.keeper(workload), "/hostNetwork");
                let way = Way::Open(vec![version, setting]).unless(not_root(&seen, workload));
                way.unless(seen.own_users())
            }
            _ => continue,
        };
        match way {
            Way::Open(settings) => link.by(&from, machine, settings),
            Way::HeldBack((by, why)) => link.held_back(&from, machine, by, why),
        }
    }
}

/// Why none of the pod's containers runs as root: one that says nothing goes by the pod.
fn not_root(pod: &Seen<'_>, workload: &bailiwick_model::Workload) -> Option<(Atom, &'static str)> {
    let own = |container: &bailiwick_model::Container| {
        container.security.run_as_user.is_some() || container.security.run_as_non_root.is_some()
    };
    let mut root = workload.pod.containers.iter().filter(|container| own(container));
    let is_root = |container: &bailiwick_model::Container| container.security.run_as_user == Some(0);
    if root.any(is_root) { None } else { pod.not_root() }
}
