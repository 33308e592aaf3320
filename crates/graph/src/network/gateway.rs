//! Which routes of Gateways are in force, and where they lead.

use bailiwick_core::{Kind, Str};
use bailiwick_model::{
    FromNamespaces, Gateway, Listener, ListenerSet, ObjectMeta, ParentRef, PortRef, Route,
    RouteBackend, Service,
};

use super::conflict::ahead;
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

/// Where listeners stand: a Gateway, or a ListenerSet that it takes.
struct Parent<'a> {
    gateway: &'a Gateway,
    set: Option<&'a ListenerSet>,
    /// By which the Gateway takes it.
    by: Option<Atom>,
}

/// A listener that a route is attached to.
pub(crate) struct Attached<'a> {
    pub(crate) gateway: &'a Gateway,
    /// The settings of both by which it is.
    pub(crate) by: Vec<Atom>,
    /// The listener that counts in its place, where there is one.
    pub(crate) ahead: Option<Atom>,
}

/// The listeners that a route is attached to.
///
/// A route that names a Gateway is for the listeners of the Gateway itself, and not for those of its ListenerSets.
///
/// Source: Gateway API, `CommonRouteSpec` in `apis/v1/shared_types.go`; `ListenerSet` in `listenerset_types.go` and GEP-1713,
/// "Route Attachment"; default Gateways in GEP-3793.
pub(crate) fn attached<'a>(world: &World<'a>, route: &Route) -> Vec<Attached<'a>> {
    let mut found = Vec::new();
    let mut attach = |parent: Parent<'a>, means: &dyn Fn(&Listener) -> bool, at: String| {
        let Parent { gateway, set, .. } = parent;
        let (kind, metadata, listeners) = parent.listeners();
        for (position, listener) in listeners.iter().enumerate() {
            let own = &metadata.namespace;
            if !means(listener) || !lets_in(world, own, listener, route) {
                continue;
            }
            let listener = format!("/spec/listeners/{position}");
            let mut by = vec![
                setting(route.kind, &route.metadata, &at),
                setting(kind, metadata, &listener),
            ];
            by.extend(parent.by.clone());
            let ahead = ahead(world, gateway, set, position);
            found.push(Attached { gateway, by, ahead });
        }
    };
    for asked in &route.parents {
        let parent = if asked.is_set {
            of_set(world, asked)
        } else {
            of_gateway(world, asked)
        };
        if let Some(parent) = parent {
            let at = format!("/spec/parentRefs/{}", asked.position);
            attach(parent, &|listener| is_meant(asked, listener), at);
        }
    }
    if route.to_defaults {
        for gateway in world.default_gateways() {
            let by = setting(Kind::Gateway, &gateway.metadata, "/spec/defaultScope");
            attach(
                whole(gateway, Some(by)),
                &|_| true,
                "/spec/useDefaultGateways".to_owned(),
            );
        }
    }
    found
}

fn whole(gateway: &Gateway, by: Option<Atom>) -> Parent<'_> {
    Parent {
        gateway,
        set: None,
        by,
    }
}

impl<'a> Parent<'a> {
    fn listeners(&self) -> (Kind, &'a ObjectMeta, &'a [Listener]) {
        match self.set {
            Some(set) => (Kind::ListenerSet, &set.metadata, &set.listeners),
            None => (
                Kind::Gateway,
                &self.gateway.metadata,
                &self.gateway.listeners,
            ),
        }
    }
}

fn of_gateway<'a>(world: &World<'a>, asked: &ParentRef) -> Option<Parent<'a>> {
    let gateway = world.snapshot.gateways.get(&asked.namespace, &asked.name)?;
    Some(whole(gateway, None))
}

fn of_set<'a>(world: &World<'a>, asked: &ParentRef) -> Option<Parent<'a>> {
    let set = world
        .snapshot
        .listener_sets
        .get(&asked.namespace, &asked.name)?;
    let (namespace, name) = &set.gateway;
    let gateway = world.snapshot.gateways.get(namespace, name)?;
    is_taken(world, gateway, set).then(|| Parent {
        gateway,
        set: Some(set),
        by: Some(setting(
            Kind::Gateway,
            &gateway.metadata,
            "/spec/allowedListeners",
        )),
    })
}

/// Whether a Gateway takes a ListenerSet that names it.
pub(super) fn is_taken(world: &World<'_>, gateway: &Gateway, set: &ListenerSet) -> bool {
    let own = &gateway.metadata.namespace;
    let mut from = gateway.sets.iter();
    from.any(|from| is_from(world, from, own, &set.metadata.namespace))
}

fn is_meant(parent: &ParentRef, listener: &Listener) -> bool {
    let by_name = parent.section.is_empty() || parent.section == listener.name;
    by_name && parent.port.is_none_or(|port| port == listener.port)
}

/// Whether a listener in this namespace takes a route.
fn lets_in(world: &World<'_>, own: &Str, listener: &Listener, route: &Route) -> bool {
    is_from(world, &listener.namespaces, own, &route.metadata.namespace)
        && listener.takes(route.kind)
        && listener.meets(route)
}

fn is_from(world: &World<'_>, from: &FromNamespaces, own: &Str, namespace: &Str) -> bool {
    match from {
        FromNamespaces::Same => own == namespace,
        FromNamespaces::All => true,
        FromNamespaces::Selector(wanted) => is_wanted(world, wanted, namespace),
        FromNamespaces::None => false,
    }
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
