use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::machine_identity;
use crate::node::Node;

edge! {
    /// Ask the metadata service of the machine from a pod.
    ///
    /// The service at 169.254.169.254 answers pods as it answers their node, unless something stands before it: a limit of one
    /// hop on AWS (answers do not get past the node into a pod's own network), a network policy, or a proxy of the provider. None of these is
    /// known from nodes and pods, so the step is there wherever a node is a machine of AWS, Azure or Google Cloud, and hard. The one
    /// sign that is known is Google's: nodes with the label `iam.gke.io/gke-metadata-server-enabled: "true"` answer pods for their service
    /// accounts alone.
    ///
    /// Closed by that hop limit, or by a policy that forbids the address.
    "pod-metadata", "ask for the machine's identity in the cloud", effort 4, Versions::ALL, &[Rule::Each(link)],
    "Pod shop/web" => "cloud identity of machine aws:///a/i-1", "providerID: 'aws:" => "providerID: 'vsphere:",
    "---
     {apiVersion: v1, kind: Node, metadata: {name: n1}, spec: {providerID: 'aws:///a/i-1'}}
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, containers: [{name: web, image: web}]}}"
}

/// The label of nodes that keep their identity to themselves.
const KEPT: &str = "iam.gke.io/gke-metadata-server-enabled";

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let Item::Workload(workload) = *item else { return };
    if workload.pod.host_network {
        return;
    }
    let Some(identity) = machine_identity(world, &workload.node_name) else { return };
    let node = world.snapshot.nodes.get("", &workload.node_name);
    if node.and_then(|node| node.metadata.label(KEPT)) != Some("true") {
        link.always(&Node::Workload(workload.object_ref()), identity);
    }
}
