use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::node_user;
use crate::node::Node;

edge! {
    /// Root on a node has its kubelet's key.
    ///
    /// With it one is the user `system:node:NAME` in the group `system:nodes`.
    "node-identity", "use the kubelet's key", effort 0, Versions::ALL, &[Rule::Each(link)],
    "node n1" => "user system:node:n1", "nodeName: n1" => "nodeName: n2",
    "---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, containers: [{name: web, image: web}]}}"
}

fn link(item: &Item<'_>, _: &World<'_>, link: &mut Link<'_>) {
    if let Item::Machine(name) = *item
        && let Some(user) = node_user(name)
    {
        link.always(&Node::Machine { name: name.clone() }, user);
    }
}
