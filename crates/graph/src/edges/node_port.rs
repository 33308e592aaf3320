use bailiwick_core::Kind;

use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::network::{entry, setting};
use crate::node::Node;

edge! {
    /// Connect to a Service by a port of the nodes.
    ///
    /// A Service of type `NodePort` has a port on every node. It is open to whoever can send packets to a node: in a cloud often
    /// nobody outside of the private network, in a data centre everybody. Nothing in the cluster tells which; so this takes more
    /// effort than a load balancer.
    "node-port", "connect to a Service by a port of the nodes", effort 3, Versions::ALL, &[Rule::Each(link)],
    "anybody" => "Service shop/web", "type: NodePort" => "type: ClusterIP",
    "---
     {apiVersion: v1, kind: Service, metadata: {namespace: shop, name: web},
      spec: {type: NodePort, selector: {app: web}, ports: [{port: 80}]}}"
}

fn link(item: &Item<'_>, _: &World<'_>, link: &mut Link<'_>) {
    if let Item::Service(service) = *item
        && &*service.service_type == "NodePort"
    {
        let by = setting(Kind::Service, &service.metadata, "/spec/type");
        link.by(&Node::Outside, entry(Kind::Service, &service.metadata), [by]);
    }
}
