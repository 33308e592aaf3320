use crate::build::{Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::{is_control_plane, machines};
use crate::node::Node;

edge! {
    /// Root on a node of the control plane is in full control.
    ///
    /// There lie the keys that sign certificates and tokens, etcd's data, and the manifests of the API server itself. Nodes of
    /// the control plane carry the label `node-role.kubernetes.io/control-plane`, until Kubernetes 1.24 `.../master`;
    /// hosted control planes show none.
    "control-plane-node", "use the keys of the control plane", effort 1, Versions::ALL, &[Rule::Objects(link)],
    "node n1" => "full control of the cluster", "control-plane: ''" => "worker: ''",
    "---
     {apiVersion: v1, kind: Node, metadata: {name: n1, labels: {node-role.kubernetes.io/control-plane: ''}}}"
}

fn link(world: &World<'_>, link: &mut Link<'_>) {
    for name in machines(world) {
        if is_control_plane(world, &name) {
            link.always(&Node::Machine { name }, Node::Cluster);
        }
    }
}
