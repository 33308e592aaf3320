use bailiwick_core::Kind;
use bailiwick_model::{PortRef, Service, ServicePort};

use crate::build::{Item, Link, World};
use crate::condition::Atom;
use crate::edge::{Rule, Versions, edge};
use crate::network::gateway;
use crate::network::{Behind, Client, KEPT_OFF, backends, behind, entry, is_port, kept_off, opening};
use crate::node::Node;

edge! {
    /// Break into the program that answers a connection.
    ///
    /// Whoever can connect to a pod may find a flaw in what runs there, and then runs code in its container. No object of the
    /// cluster tells whether there is a flaw, so this takes most effort of all steps; what it opens is worth knowing before there is one.
    ///
    /// A Service leads to the pods that its selector fits and that have its target port, by number or by the name of a container's
    /// port; an Ingress or a route of a Gateway leads through Services. A NetworkPolicy that selects the pod keeps off whatever no
    /// policy lets in: as outside counts a rule without `from` or one with all addresses (`0.0.0.0/0`, `::/0`), and for an Ingress
    /// or a route, whose controller is a pod somewhere, one with a `namespaceSelector` that fits a namespace with such a pod. Pods with the network of
    /// their node are out of reach of policies. Policies that no network plugin heeds look the same here.
    ///
    /// A Service without a selector leads where somebody else says: to the pods that EndpointSlices with its name name. Slices with
    /// mere addresses are not looked at.
    "application", "break into the program that answers", effort 5, Versions::ALL, &[Rule::Each(link)],
    "Service shop/web" => "Pod shop/web", "cidr: 0.0.0.0/0" => "cidr: 10.0.0.0/8",
    "---
     {apiVersion: v1, kind: Service, metadata: {namespace: shop, name: web},
      spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80, targetPort: http}]}}
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web, labels: {app: web}},
      spec: {containers: [{name: web, image: web, ports: [{containerPort: 8080, name: http}]}]}}
     {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {namespace: shop, name: web},
      spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 8080}]}]}}"
}

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    match *item {
        Item::Service(service) => {
            let is_reached = opening(service).is_some() || &*service.service_type == "NodePort";
            if is_reached {
                let from = entry(Kind::Service, &service.metadata);
                enter(world, link, &from, (service, None), &[]);
            }
        }
        Item::Ingress(ingress) => {
            let from = entry(Kind::Ingress, &ingress.metadata);
            for (service, port) in backends(world, ingress) {
                enter(world, link, &from, (service, Some(port)), &[]);
            }
        }
        Item::Route(route) if !gateway::attached(world, route).is_empty() => {
            let from = entry(route.kind, &route.metadata);
            for backend in gateway::backends(world, route) {
                let to = (backend.service, Some(&backend.port));
                enter(world, link, &from, to, &backend.by);
            }
        }
        _ => {}
    }
}

/// Links to the pods behind a Service, or behind the one port of it that an Ingress or a route names by these settings.
fn enter(
    world: &World<'_>,
    link: &mut Link<'_>,
    from: &Node,
    (service, port): (&Service, Option<&PortRef>),
    named: &[Atom],
) {
    let client = match port {
        Some(_) => Client::Controller,
        None => Client::Outside,
    };
    let is_meant = |own: &ServicePort| port.is_none_or(|port| is_port(own, port));
    for Behind { pod, ports, by } in behind(world, service, is_meant) {
        let to = Node::Workload(pod.object_ref());
        match kept_off(world, pod, &ports, client) {
            Some(policy) => link.held_back(from, to, policy, KEPT_OFF),
            None => link.by(from, to, named.iter().cloned().chain([by])),
        }
    }
}
