use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::network::gateway::{attached, opening};
use crate::network::{Opening, entry};
use crate::node::Node;

edge! {
    /// Connect through a route of a Gateway.
    ///
    /// A Gateway has listeners, and an HTTPRoute, GRPCRoute, TLSRoute, TCPRoute or UDPRoute asks to be attached to them. A listener
    /// takes a route if `parentRefs` means it (`sectionName`, `port`), if it takes routes of that namespace (`allowedRoutes`: its own,
    /// all, or those with certain labels) and of that kind (listed, or one that fits its protocol), and if both are about some host.
    /// What it takes leads to the Services of `backendRefs` and of mirrored requests; to those of another namespace if a
    /// ReferenceGrant there says so.
    ///
    /// A ListenerSet adds listeners to a Gateway whose `allowedListeners` takes those of its namespace (by default of none), and a
    /// route is attached to them where it names the ListenerSet: who names the Gateway means the listeners of the Gateway itself.
    /// A route with `useDefaultGateways: All` is attached to every Gateway with `defaultScope: All`, under the same rules of the
    /// listeners; both fields are experimental, and a server with the standard channel drops them.
    ///
    /// Whether a controller makes the Gateway work, and which address it gets, is decided outside of these objects: the step stands
    /// for what the Gateway asks for. It is held back where the class or an annotation that EKS, GKE, AKS or Istio reads says that the
    /// Gateway has no public address. Routes to other things than Services are not looked at.
    ///
    /// Of several listeners with one port, and for HTTP, HTTPS and TLS one host name, not all count, and a TCP listener shares its port
    /// with none of them. Two of one Gateway or ListenerSet both do not; otherwise the Gateway's own comes first, then that of
    /// the older ListenerSet, then that of the first by name. The step is held back where that says so. Manifests do not tell which ListenerSet is older,
    /// so there those of several ListenerSets all count.
    "open-route", "connect through a route of a Gateway", effort 1, Versions::ALL, &[Rule::Each(link)],
    "anybody" => "HTTPRoute shop/web", "from: All" => "from: Same",
    "---
     {apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {namespace: edge, name: public},
      spec: {gatewayClassName: envoy, listeners: [{name: web, port: 443, protocol: HTTPS, hostname: '*.example',
       allowedRoutes: {namespaces: {from: All}}}]}}
     {apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {namespace: shop, name: web},
      spec: {parentRefs: [{namespace: edge, name: public}], hostnames: [shop.example], rules: [{backendRefs: [{name: web, port: 80}]}]}}"
}

const AHEAD: &str = "another listener has its port and host, and counts in its place or keeps it from counting";

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let Item::Route(route) = *item else { return };
    let to = entry(route.kind, &route.metadata);
    let (mut open, mut held_back) = (Vec::new(), None);
    for attached in attached(world, route) {
        match (opening(attached.gateway), attached.ahead) {
            (Opening::Open(_), None) => open.push(attached.by),
            (Opening::Open(_), Some(ahead)) => held_back = held_back.or(Some((ahead, AHEAD))),
            (Opening::HeldBack(by, why), _) => held_back = held_back.or(Some((by, why))),
        }
    }
    match (open.is_empty(), held_back) {
        (false, _) => link.by_any(&Node::Outside, to, open),
        (true, Some((by, why))) => link.held_back(&Node::Outside, to, by, why),
        (true, None) => {}
    }
}
