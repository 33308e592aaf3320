//! Gateways and what is attached to them (Gateway API, `gateway.networking.k8s.io`).

use bailiwick_core::{Kind, Str};
use serde::{Deserialize, Serialize};

use crate::meta::{ObjectMeta, find};
use crate::rbac::LabelSelector;

/// A Gateway: listeners that let traffic in for the routes that are attached to them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Gateway {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// Its GatewayClass, which says who makes it work.
    pub class: Str,
    /// Its listeners.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub listeners: Box<[Listener]>,
    /// The namespaces whose ListenerSets it takes; `None` is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sets: Option<FromNamespaces>,
    /// Whether it takes the routes that ask for no Gateway by name (`defaultScope: All`, experimental).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_default: bool,
    /// Annotations of what is made for it that say something about access, sorted by key.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub infrastructure: Box<[(Str, Str)]>,
}

/// A ListenerSet: listeners that somebody adds to a [`Gateway`] which takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListenerSet {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// Namespace and name of the Gateway; empty where its parent is something else.
    pub gateway: (Str, Str),
    /// When it was made, as RFC 3339 has it in UTC, so that what is older sorts first; empty in manifests.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub created: Str,
    /// Its listeners.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub listeners: Box<[Listener]>,
}

/// A port of a [`Gateway`] or [`ListenerSet`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Listener {
    /// Its name.
    pub name: Str,
    /// The host that it is about, which may start with `*.`; empty is every host.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub hostname: Str,
    /// Its number.
    pub port: u16,
    /// `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP`, or a protocol of whoever makes the Gateway work.
    pub protocol: Str,
    /// Whether TLS ends behind it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub passthrough: bool,
    /// The namespaces whose routes it takes.
    pub namespaces: FromNamespaces,
    /// The kinds of routes that it takes; empty are those that fit its protocol.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub kinds: Box<[Str]>,
}

/// The namespaces whose routes a [`Listener`] takes, or whose ListenerSets a [`Gateway`] takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FromNamespaces {
    /// Its own.
    #[default]
    Same,
    /// All.
    All,
    /// Those with these labels.
    Selector(LabelSelector),
    /// None.
    None,
}

/// An HTTPRoute, GRPCRoute, TLSRoute, TCPRoute or UDPRoute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// Which of them.
    pub kind: Kind,
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// The Gateways and ListenerSets that it asks to be attached to. Other parents, such as the Services of a mesh, are not kept.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub parents: Box<[ParentRef]>,
    /// Whether it asks for default Gateways, whichever they are (`useDefaultGateways: All`, experimental).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub to_defaults: bool,
    /// The hosts that it is about; empty is every host.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub hostnames: Box<[Str]>,
    /// The Services that it leads to. Those to which it sends nothing (`weight: 0`) are not kept.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub backends: Box<[RouteBackend]>,
}

/// A Gateway or ListenerSet that a [`Route`] asks to be attached to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ParentRef {
    /// Position in `parentRefs`.
    pub position: u32,
    /// Whether it is a ListenerSet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_set: bool,
    /// Its namespace.
    pub namespace: Str,
    /// Its name.
    pub name: Str,
    /// The name of its listener; empty is each.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub section: Str,
    /// The port of its listener; `None` is each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// A Service that a [`Route`] leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteBackend {
    /// JSON pointer to where it is named.
    pub at: Str,
    /// Its namespace.
    pub namespace: Str,
    /// Its name.
    pub name: Str,
    /// Its port.
    pub port: u16,
}

/// A ReferenceGrant: what of other namespaces may refer to something in its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReferenceGrant {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// Who may refer.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub from: Box<[GrantFrom]>,
    /// To what.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub to: Box<[GrantTo]>,
}

/// Who may refer to something: the objects of a kind in a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GrantFrom {
    /// API group.
    pub group: Str,
    /// Kind.
    pub kind: Str,
    /// Namespace.
    pub namespace: Str,
}

/// What may be referred to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GrantTo {
    /// API group; empty is the core group.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub group: Str,
    /// Kind.
    pub kind: Str,
    /// Name; empty is each.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub name: Str,
}

impl Gateway {
    /// The value of an annotation of the Gateway, or of what is made for it, with a JSON pointer to the annotations.
    pub fn annotation(&self, key: &str) -> Option<(&str, &'static str)> {
        let own = self.metadata.annotation(key);
        let own = own.map(|value| (value, "/metadata/annotations"));
        own.or_else(|| {
            let made = find(&self.infrastructure, key)?;
            Some((made, "/spec/infrastructure/annotations"))
        })
    }
}

impl Listener {
    /// Whether it takes routes of this kind: one that fits its protocol, and that is listed where any is.
    ///
    /// Source: Gateway API, "TLS" guide and `AllowedRoutes` in `apis/v1/gateway_types.go`.
    pub fn takes(&self, kind: Kind) -> bool {
        let fits = match &*self.protocol {
            "HTTP" | "HTTPS" => matches!(kind, Kind::HTTPRoute | Kind::GRPCRoute),
            "TLS" if self.passthrough => kind == Kind::TLSRoute,
            "TLS" => matches!(kind, Kind::TLSRoute | Kind::TCPRoute),
            "TCP" => kind == Kind::TCPRoute,
            "UDP" => kind == Kind::UDPRoute,
            _ => true,
        };
        fits && (self.kinds.is_empty() || self.kinds.iter().any(|own| **own == *kind.as_str()))
    }

    /// Whether some host is one of the listener's and of the route's.
    pub fn meets(&self, route: &Route) -> bool {
        // A route of connections has no hosts.
        let (own, theirs) = (&*self.hostname, &route.hostnames);
        own.is_empty() || theirs.is_empty() || theirs.iter().any(|host| share_a_host(own, host))
    }
}

impl ReferenceGrant {
    /// Whether a route of this kind and namespace may refer to a Service of the grant's namespace.
    pub fn allows(&self, route: &Route, service: &str) -> bool {
        let from = self.from.iter().any(|from| {
            *from.group == *route.kind.group()
                && *from.kind == *route.kind.as_str()
                && from.namespace == route.metadata.namespace
        });
        let mut to = self.to.iter();
        from && to.any(|to| {
            to.group.is_empty()
                && &*to.kind == "Service"
                && (to.name.is_empty() || &*to.name == service)
        })
    }
}

/// Whether some host fits both names. `*.` at the start is one label or several, never none.
fn share_a_host(one: &str, other: &str) -> bool {
    match (one.strip_prefix('*'), other.strip_prefix('*')) {
        (None, None) => one == other,
        (Some(end), None) => other.len() > end.len() && other.ends_with(end),
        (None, Some(end)) => one.len() > end.len() && one.ends_with(end),
        (Some(one), Some(other)) => one.ends_with(other) || other.ends_with(one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let check = |one: &str, other: &str, expected: bool| {
            assert_eq!(share_a_host(one, other), expected, "{one} {other}");
            assert_eq!(share_a_host(other, one), expected, "{other} {one}");
        };
        check("shop.example", "shop.example", true);
        check("shop.example", "web.example", false);
        check("*.example", "shop.example", true);
        check("*.example", "a.shop.example", true);
        check("*.example", "example", false);
        check("*.example", ".example", false);
        check("*.example", "shop.counterexample", false);
        check("*.shop.example", "*.example", true);
        check("*.shop.example", "*.web.example", false);
        check("*.example", "*.counterexample", false);
    }

    #[test]
    fn kinds_fit_protocols() {
        use Kind::{GRPCRoute, HTTPRoute, TCPRoute, TLSRoute, UDPRoute};
        let all = [HTTPRoute, GRPCRoute, TLSRoute, TCPRoute, UDPRoute];
        let check = |protocol: &str, passthrough: bool, kinds: &[&str], expected: &[Kind]| {
            let listener = Listener {
                protocol: protocol.into(),
                passthrough,
                kinds: kinds.iter().map(|&kind| kind.into()).collect(),
                ..Listener::default()
            };
            let taken: Vec<Kind> = all
                .into_iter()
                .filter(|&kind| listener.takes(kind))
                .collect();
            assert_eq!(taken, expected, "{protocol} {kinds:?}");
        };
        check("HTTP", false, &[], &[HTTPRoute, GRPCRoute]);
        check("HTTPS", false, &["GRPCRoute"], &[GRPCRoute]);
        check("HTTPS", false, &["TCPRoute"], &[]);
        check("TLS", true, &[], &[TLSRoute]);
        check("TLS", false, &[], &[TLSRoute, TCPRoute]);
        check("TCP", false, &[], &[TCPRoute]);
        check("UDP", false, &[], &[UDPRoute]);
        check("example.com/quic", false, &[], &all);
        check("example.com/quic", false, &["Other"], &[]);
    }
}
