use bailiwick_core::Kind;

use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::network::{Opening, entry, opening};
use crate::node::Node;

edge! {
    /// Connect to a Service from outside of the cluster.
    ///
    /// A Service of type `LoadBalancer` has an address of the provider, and one with `externalIPs` takes the connections to those
    /// addresses. Not so where an annotation of EKS, GKE or AKS keeps the load balancer in the provider's network, or where
    /// `loadBalancerSourceRanges` lists addresses: then the page says which setting holds the step back.
    ///
    /// What stands before the cluster, such as a firewall of the provider, is not known. A connection is no access: that takes a
    /// flaw in what answers (`application`).
    "open-service", "connect to a Service from outside", effort 1, Versions::ALL, &[Rule::Each(link)],
    "anybody" => "Service shop/web", "type: LoadBalancer" => "type: ClusterIP",
    "---
     {apiVersion: v1, kind: Service, metadata: {namespace: shop, name: web},
      spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80}]}}"
}

fn link(item: &Item<'_>, _: &World<'_>, link: &mut Link<'_>) {
    let Item::Service(service) = *item else { return };
    let entry = entry(Kind::Service, &service.metadata);
    match opening(service) {
        Some(Opening::Open(by)) => link.by(&Node::Outside, entry, [by]),
        Some(Opening::HeldBack(by, why)) => link.held_back(&Node::Outside, entry, by, why),
        None => {}
    }
}
