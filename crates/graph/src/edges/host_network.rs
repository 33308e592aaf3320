use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::field;
use crate::node::Node;

edge! {
    /// Use the network of the node.
    ///
    /// `hostNetwork: true` puts a pod where the processes of its node are: it reaches what listens on the node's loopback
    /// alone (a kubelet's read-only port, debugging servers, the ports of other such pods), sees the traffic of the node with the
    /// capability `NET_RAW` that containers have unless it is dropped, takes ports of the node, and is past network
    /// policies. Root on a node has all of that.
    ///
    /// What listens there is not in the cluster's objects, so this leads to the network and, on a machine of a cloud
    /// provider, to its metadata service.
    "host-network", "use the network of the node", effort 0, Versions::ALL, &[Rule::Each(link)],
    "Pod shop/web" => "the network of node n1", "hostNetwork: true" => "hostNetwork: false",
    "---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, hostNetwork: true, containers: [{name: web, image: web}]}}"
}

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let network = |machine: &bailiwick_core::Str| Node::Network { machine: machine.clone() };
    match *item {
        Item::Workload(workload) if workload.pod.host_network => {
            let setting = field(world.keeper(workload), "/hostNetwork");
            let from = Node::Workload(workload.object_ref());
            link.by(&from, network(&workload.node_name), [setting]);
        }
        Item::Machine(name) => {
            link.always(&Node::Machine { name: name.clone() }, network(name));
        }
        _ => {}
    }
}
