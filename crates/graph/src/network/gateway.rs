//! Which routes of Gateways are in force, and where they lead.

use bailiwick_core::Kind;
use bailiwick_model::{
    Gateway, Listener, ParentRef, PortRef, Route, RouteBackend, RouteNamespaces, Service,
};

use super::{INTERNAL, Opening, WITHIN, in_map, is_wanted, setting};
use crate::build::World;
use crate::condition::Atom;

/// What keeps a Gateway inside of the cluster: annotation and value.
const IN_CLUSTER: (&str, &str) = ("networking.istio.io/service-type", "ClusterIP");

/// Classes of Gateways that are not reached from outside, and why.
const CLASSES: [(&str, &str); 4] = [
    ("gke-l7-rilb", WITHIN),
    ("gke-l7-rilb-mc", WITHIN),
    ("gke-l7-cross-regional-internal-managed-mc", WITHIN),
    ("istio-waypoint", ONLY_PODS),
];

const ONLY_PODS: &str = "its Gateway is for the pods of the cluster";

/// A Service behind a route, and the settings by which it is.
pub(crate) struct Backend<'a> {
    pub(crate) service: &'a Service,
    pub(crate) port: PortRef,
    pub(crate) by: Vec<Atom>,
}

/// The listeners that a route is attached to: the Gateway, and the settings of both.
///
/// Source: Gateway API, `CommonRouteSpec` in `apis/v1/shared_types.go`.
pub(crate) fn attached<'a>(world: &World<'a>, route: &Route) -> Vec<(&'a Gateway, Vec<Atom>)> {
    let mut found = Vec::new();
    for parent in &route.parents {
        let gateways = &world.snapshot.gateways;
        let Some(gateway) = gateways.get(&parent.namespace, &parent.name) else {
            continue;
        };
        for (position, listener) in gateway.listeners.iter().enumerate() {
            if !is_meant(parent, listener) || !lets_in(world, gateway, listener, route) {
                continue;
            }
            let at = |kind, metadata, pointer: String| setting(kind, metadata, &pointer);
            let listener = format!("/spec/listeners/{position}");
            let listener = at(Kind::Gateway, &gateway.metadata, listener);
            let parent = format!("/spec/parentRefs/{}", parent.position);
            let by = vec![at(route.kind, &route.metadata, parent), listener];
            found.push((gateway, by));
        }
    }
    found
}

fn is_meant(parent: &ParentRef, listener: &Listener) -> bool {
    let by_name = parent.section.is_empty() || parent.section == listener.name;
    by_name && parent.port.is_none_or(|port| port == listener.port)
}

fn lets_in(world: &World<'_>, gateway: &Gateway, listener: &Listener, route: &Route) -> bool {
    let namespace = &route.metadata.namespace;
    let from = match &listener.namespaces {
        RouteNamespaces::Same => gateway.metadata.namespace == *namespace,
        RouteNamespaces::All => true,
        RouteNamespaces::Selector(wanted) => is_wanted(world, wanted, namespace),
        RouteNamespaces::None => false,
    };
    from && listener.takes(route.kind) && listener.meets(route)
}

/// Whether a Gateway is reached from outside. Nothing in it tells whether whoever makes it work is there.
pub(crate) fn opening(gateway: &Gateway) -> Opening {
    let at = |pointer: &str| setting(Kind::Gateway, &gateway.metadata, pointer);
    let class = "/spec/gatewayClassName";
    if let Some((_, why)) = CLASSES.iter().find(|(name, _)| *name == &*gateway.class) {
        return Opening::HeldBack(at(class), why);
    }
    let is_set = |(key, value): &(&str, &str)| {
        let (own, mapping) = gateway.annotation(key)?;
        let is_set = own.eq_ignore_ascii_case(value);
        is_set.then(|| at(&in_map(mapping, key)))
    };
    if let Some(by) = is_set(&IN_CLUSTER) {
        return Opening::HeldBack(by, ONLY_PODS);
    }
    match INTERNAL.iter().find_map(is_set) {
        Some(by) => Opening::HeldBack(by, WITHIN),
        None => Opening::Open(at(class)),
    }
}

/// The Services that a route leads to: those of its own namespace, and of others where a ReferenceGrant allows it.
pub(crate) fn backends<'a>(world: &World<'a>, route: &Route) -> Vec<Backend<'a>> {
    let backend = |backend: &RouteBackend| {
        let RouteBackend {
            at,
            namespace,
            name,
            port,
        } = backend;
        let mut by = vec![setting(route.kind, &route.metadata, at)];
        if *namespace != route.metadata.namespace {
            let mut grants = world.snapshot.reference_grants.in_namespace(namespace);
            let grant = grants.find(|grant| grant.allows(route, name))?;
            by.push(setting(Kind::ReferenceGrant, &grant.metadata, ""));
        }
        Some(Backend {
            service: world.snapshot.services.get(namespace, name)?,
            port: PortRef::Number(*port),
            by,
        })
    };
    route.backends.iter().filter_map(backend).collect()
}
