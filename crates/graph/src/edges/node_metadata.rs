use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::machine_identity;
use crate::node::Node;

edge! {
    /// Be the machine at the cloud provider.
    ///
    /// A machine of AWS, Azure or Google Cloud gets credentials of its own from a service at 169.254.169.254. Whoever has the
    /// network of the node asks it as the node does: pods with `hostNetwork: true`, and root on the node. Limits on hops and
    /// proxies that stand before it keep off other pods and not these.
    ///
    /// That a node is such a machine is told by its `providerID`. What the machine may do there is not in the cluster.
    "node-metadata", "use the machine's identity in the cloud", effort 1, Versions::ALL, &[Rule::Each(link)],
    "the network of node n1" => "cloud identity of machine aws:///a/i-1", "providerID: 'aws:" => "providerID: 'vsphere:",
    "---
     {apiVersion: v1, kind: Node, metadata: {name: n1}, spec: {providerID: 'aws:///a/i-1'}}"
}

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if let Item::Machine(name) = *item
        && let Some(identity) = machine_identity(world, name)
    {
        link.always(&Node::Network { machine: name.clone() }, identity);
    }
}
