use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::is_control_plane;
use crate::node::Node;

edge! {
    /// Root on a node of the control plane is in full control.
    ///
    /// There lie the keys that sign certificates and tokens, etcd's data, and the manifests of the API server itself. Nodes of
    /// the control plane carry the label `node-role.kubernetes.io/control-plane`, until Kubernetes 1.24 `.../master`;
    /// hosted control planes show none.
    "control-plane-node", "use the keys of the control plane", effort 1, Versions::ALL, &[Rule::Each(link)],
    "node n1" => "full control of the cluster", "control-plane: ''" => "worker: ''",
    "---
     {apiVersion: v1, kind: Node, metadata: {name: n1, labels: {node-role.kubernetes.io/control-plane: ''}}}"
}

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if let Item::Machine(name) = *item
        && is_control_plane(world, name)
    {
        link.always(&Node::Machine { name: name.clone() }, Node::Cluster);
    }
}
