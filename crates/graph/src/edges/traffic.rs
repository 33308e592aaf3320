
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Draw the connections of others to oneself.
    ///
    /// Whoever writes endpoints decides where the connections to a Service end; whoever writes Services has connections to any
    /// address sent to himself (`externalIPs`, and `status.loadBalancer.ingress` by `services/status`); whoever writes Ingresses or
    /// routes of a Gateway takes over host names. What travels there without TLS, he reads.
    "traffic", "have the connections of others", effort 2, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every connection of namespace shop", "update on endpointslices" => "get on endpointslices",
    "Role shop/r
       update on endpointslices of discovery.k8s.io
     RoleBinding shop/r gives Role/r to user:eve"
}

const WRITE: &[&str] = &["create", "patch", "update"];

static LEGS: &[Leg] = &[&[
    Right::new("", "endpoints", WRITE),
    Right::new("discovery.k8s.io", "endpointslices", WRITE),
    Right::new("", "services", WRITE),
    Right::new("", "services/status", &["patch", "update"]),
    Right::new("networking.k8s.io", "ingresses", WRITE),
    Right::new("gateway.networking.k8s.io", "httproutes", WRITE),
    Right::new("gateway.networking.k8s.io", "grpcroutes", WRITE),
    Right::new("gateway.networking.k8s.io", "tcproutes", WRITE),
    Right::new("gateway.networking.k8s.io", "tlsroutes", WRITE),
    Right::new("gateway.networking.k8s.io", "udproutes", WRITE),
    Right::new("gateway.networking.k8s.io", "gateways", WRITE),
    Right::new("gateway.networking.k8s.io", "listenersets", WRITE),
]];

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    let to = Node::area(Area::Traffic, &held.scope);
    link.edge(held.subject, to, held.condition_on(&[On::Any]));
}
