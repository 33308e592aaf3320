use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::field;
use crate::network::{Client, KEPT_OFF, kept_off};
use crate::node::Node;

edge! {
    /// Break into a program that listens on a port of its node.
    ///
    /// A container's `hostPort` is a port of the node, past any Service; with `hostNetwork` every port that it names is. It is open
    /// to whoever can send packets to the node, and getting into the container takes a flaw in what answers there. A NetworkPolicy
    /// that selects the pod keeps off whatever none lets in, unless the pod has the network of its node.
    "host-port", "break into a program on a port of its node", effort 8, Versions::ALL, &[Rule::Each(link)],
    "anybody" => "Pod shop/web", "hostPort: 80" => "protocol: TCP",
    "---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {containers: [{name: web, image: web, ports: [{containerPort: 8080, hostPort: 80}]}]}}"
}

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let Item::Workload(workload) = *item else { return };
    let open = workload.pod.ports.iter().filter(|port| port.host_port != 0);
    let open: Vec<_> = open.map(|port| (port.port, port.protocol)).collect();
    if open.is_empty() {
        return;
    }
    let to = Node::Workload(workload.object_ref());
    match kept_off(world, workload, &open, Client::Outside) {
        Some(policy) => link.held_back(&Node::Outside, to, policy, KEPT_OFF),
        None => link.by(&Node::Outside, to, [field(world.keeper(workload), "/containers")]),
    }
}
