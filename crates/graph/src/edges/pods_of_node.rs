use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Root on a node is in every pod of the node.
    ///
    /// The processes of all containers are processes of the node, and their files lie on its disk. So root on a node has
    /// their tokens and Secrets and can do whatever code in them can.
    "pods-of-node", "enter the pods of the node", effort 0, Versions::ALL, &[Rule::Each(link), Rule::Objects(link_everywhere)],
    "node n1" => "Pod shop/web", "nodeName: n1" => "nodeName: n2",
    "---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, containers: [{name: web, image: web}]}}"
}

fn link(item: &Item<'_>, _: &World<'_>, link: &mut Link<'_>) {
    if let Item::Workload(workload) = *item
        && !workload.node_name.is_empty()
    {
        let machine = Node::Machine { name: workload.node_name.clone() };
        link.always(&machine, Node::Workload(workload.object_ref()));
    }
}

fn link_everywhere(_: &World<'_>, link: &mut Link<'_>) {
    let everywhere = Default::default();
    link.always(&Node::area(Area::Machines, &everywhere), Node::area(Area::Pods, &everywhere));
}
