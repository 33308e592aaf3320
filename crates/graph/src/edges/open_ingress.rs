use bailiwick_core::Kind;

use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::network::{entry, setting};
use crate::node::Node;

edge! {
    /// Connect to what an Ingress leads to.
    ///
    /// An Ingress asks a controller to let requests for a host or a path in and to pass them to a Service. Whether its
    /// controller is there and has a public address is not in the Ingress; it is meant to be reached from outside of the cluster.
    "open-ingress", "send requests through an Ingress", effort 1, Versions::ALL, &[Rule::Each(link)],
    "anybody" => "Ingress shop/web", "kind: Ingress" => "kind: IngressClass",
    "---
     {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {namespace: shop, name: web},
      spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}}"
}

fn link(item: &Item<'_>, _: &World<'_>, link: &mut Link<'_>) {
    if let Item::Ingress(ingress) = *item {
        let by = setting(Kind::Ingress, &ingress.metadata, "");
        link.by(&Node::Outside, entry(Kind::Ingress, &ingress.metadata), [by]);
    }
}
