//! Gateways and ListenerSets (Gateway API 1.6, `apis/v1`).

use std::collections::BTreeSet;

use bailiwick_core::{Kind, Str};

use super::core::spec_and_status;
use super::meta::is_kept;
use super::names;
use super::network::number;
use super::node::Node;
use super::reader::{Context, Shape};
use super::roles::selector;
use crate::gateway::{FromNamespaces, Gateway, Listener, ListenerSet};
use crate::meta::ObjectMeta;

const GATEWAY: Shape = Shape {
    what: "the spec of a Gateway",
    complete: true,
    fields: &[
        ("addresses", ""),
        ("allowedListeners", "it takes no ListenerSets"),
        ("defaultScope", "it is no default Gateway"),
        ("gatewayClassName", ""),
        ("infrastructure", ""),
        ("listeners", ""),
        ("tls", ""),
    ],
};

const ALLOWED_LISTENERS: Shape = Shape {
    what: "the ListenerSets that a Gateway takes",
    complete: true,
    fields: &[("namespaces", "it takes no ListenerSets")],
};

const LISTENER_NAMESPACES: Shape = Shape {
    what: "the namespaces of ListenerSets",
    complete: true,
    fields: &[
        ("from", "it takes no ListenerSets"),
        ("selector", "it takes no ListenerSets"),
    ],
};

const LISTENER_SET: Shape = Shape {
    what: "the spec of a ListenerSet",
    complete: true,
    fields: &[("listeners", ""), ("parentRef", "")],
};

const SET_PARENT: Shape = Shape {
    what: "the parent of a ListenerSet",
    complete: true,
    fields: &[
        ("group", ""),
        ("kind", "it is a Gateway"),
        ("name", ""),
        ("namespace", "it is in the ListenerSet's own namespace"),
    ],
};

const INFRASTRUCTURE: Shape = Shape {
    what: "what is made for a Gateway",
    complete: true,
    fields: &[("annotations", ""), ("labels", ""), ("parametersRef", "")],
};

const LISTENER: Shape = Shape {
    what: "a listener",
    complete: true,
    fields: &[
        ("allowedRoutes", "it takes the routes of its own namespace"),
        ("hostname", "it is about every host"),
        ("name", ""),
        ("port", ""),
        ("protocol", ""),
        ("tls", ""),
    ],
};

const TLS: Shape = Shape {
    what: "the TLS of a listener",
    complete: true,
    fields: &[
        ("certificateRefs", ""),
        ("frontendValidation", ""),
        ("mode", "TLS ends at the Gateway"),
        ("options", ""),
    ],
};

const ALLOWED: Shape = Shape {
    what: "what a listener takes",
    complete: true,
    fields: &[
        ("kinds", "it takes every kind that fits its protocol"),
        ("namespaces", "it takes the routes of its own namespace"),
    ],
};

const NAMESPACES: Shape = Shape {
    what: "the namespaces of a listener",
    complete: true,
    fields: &[
        ("from", "it takes the routes of its own namespace"),
        ("selector", "it takes no routes"),
    ],
};

const GROUP_KIND: Shape = Shape {
    what: "a kind of routes",
    complete: true,
    fields: &[("group", ""), ("kind", "")],
};

/// The scope of a default Gateway that takes every route that asks for one.
pub(super) const ALL_ROUTES: &str = "All";

/// The most listeners of a Gateway or ListenerSet, of which the names are to differ.
const MOST_LISTENERS: usize = 64;

pub(super) fn gateway(cx: &mut Context<'_>, root: &Node<'_>, metadata: ObjectMeta) -> Gateway {
    spec_and_status(cx, root);
    let mut gateway = Gateway {
        metadata,
        ..Gateway::default()
    };
    let Some(spec) = cx.inner(root, "spec", &GATEWAY) else {
        cx.refuse_missing(root, "spec", "give it a `gatewayClassName` and a listener");
        return gateway;
    };
    gateway.class = cx.text(&spec, "gatewayClassName");
    if gateway.class.is_empty() {
        cx.refuse_missing(&spec, "gatewayClassName", "name the class");
    }
    gateway.listeners = listeners(cx, &spec);
    let allowed = cx.inner(&spec, "allowedListeners", &ALLOWED_LISTENERS);
    gateway.sets = allowed.as_ref().and_then(|node| {
        let namespaces = cx.inner(node, "namespaces", &LISTENER_NAMESPACES)?;
        from(cx, &namespaces, FromNamespaces::None)
    });
    gateway.is_default = &*cx.text(&spec, "defaultScope") == ALL_ROUTES;
    if let Some(made) = cx.inner(&spec, "infrastructure", &INFRASTRUCTURE) {
        gateway.infrastructure = cx.text_map(&made, "annotations", |_, _, key, _| is_kept(key));
    }
    gateway
}

fn listeners(cx: &mut Context<'_>, spec: &Node<'_>) -> Box<[Listener]> {
    let listeners = cx.list(spec, "listeners", listener);
    let names: BTreeSet<&Str> = listeners.iter().map(|own| &own.name).collect();
    if listeners.len() > MOST_LISTENERS || names.len() < listeners.len() {
        let help = "name each listener; there are 64 at most";
        cx.refuse(spec, "has listeners of one name, or too many", help);
    }
    listeners
}

pub(super) fn listener_set(
    cx: &mut Context<'_>,
    root: &Node<'_>,
    metadata: ObjectMeta,
) -> ListenerSet {
    spec_and_status(cx, root);
    let mut set = ListenerSet {
        metadata,
        ..ListenerSet::default()
    };
    if cx.is_stored()
        && let Some(metadata) = root.field("metadata")
    {
        set.created = cx.text(&metadata, "creationTimestamp");
    }
    let help = "give it a `parentRef` and a listener";
    let Some(spec) = cx.inner(root, "spec", &LISTENER_SET) else {
        cx.refuse_missing(root, "spec", help);
        return set;
    };
    set.listeners = listeners(cx, &spec);
    if set.listeners.is_empty() {
        cx.refuse_missing(&spec, "listeners", help);
    }
    let Some(parent) = cx.inner(&spec, "parentRef", &SET_PARENT) else {
        cx.refuse_missing(&spec, "parentRef", help);
        return set;
    };
    let name = cx.text(&parent, "name");
    if name.is_empty() {
        cx.refuse_missing(&parent, "name", "name the Gateway");
    }
    let namespace = cx.text(&parent, "namespace");
    let is_gateway =
        is_of_gateways(cx, &parent) && matches!(&*cx.text(&parent, "kind"), "" | "Gateway");
    if is_gateway {
        let own = &set.metadata.namespace;
        let namespace = if namespace.is_empty() {
            own.clone()
        } else {
            namespace
        };
        set.gateway = (namespace, name);
    }
    set
}

fn listener(cx: &mut Context<'_>, node: &Node<'_>) -> Listener {
    if !cx.mapping(node, &LISTENER) {
        return Listener::default();
    }
    let mut listener = Listener {
        name: cx.text(node, "name"),
        hostname: cx.text(node, "hostname"),
        port: number(cx, node, "port").unwrap_or_default(),
        protocol: cx.text(node, "protocol"),
        ..Listener::default()
    };
    host(cx, node, &listener.hostname);
    for (key, is_there) in [
        ("name", !listener.name.is_empty()),
        ("port", listener.port != 0),
        ("protocol", !listener.protocol.is_empty()),
    ] {
        if !is_there {
            cx.refuse_missing(node, key, "give it a `name`, a `port` and a `protocol`");
        }
    }
    if let Some(tls) = cx.inner(node, "tls", &TLS) {
        listener.passthrough = &*cx.text(&tls, "mode") == "Passthrough";
    }
    let Some(allowed) = cx.inner(node, "allowedRoutes", &ALLOWED) else {
        return listener;
    };
    if let Some(node) = cx.inner(&allowed, "namespaces", &NAMESPACES) {
        listener.namespaces = from(cx, &node, FromNamespaces::Same).unwrap_or(FromNamespaces::None);
    }
    listener.kinds = cx.list(&allowed, "kinds", |cx, item| {
        cx.mapping(item, &GROUP_KIND);
        let own = is_of_gateways(cx, item);
        let kind = cx.text(item, "kind");
        // Of another group it is no kind that is read, whatever its name.
        if own { kind } else { cx.intern("") }
    });
    listener
}

/// The namespaces of which something is taken; `None` is none.
fn from(cx: &mut Context<'_>, node: &Node<'_>, unsaid: FromNamespaces) -> Option<FromNamespaces> {
    let said = match &*cx.text(node, "from") {
        "" => unsaid,
        "Same" => FromNamespaces::Same,
        "All" => FromNamespaces::All,
        "Selector" => FromNamespaces::Selector(selector(cx, &node.field("selector")?)),
        "None" => FromNamespaces::None,
        _ => {
            let help = "write `Same`, `All`, `Selector` or `None`";
            cx.refuse(node, "has no such `from`", help);
            FromNamespaces::None
        }
    };
    (said != FromNamespaces::None).then_some(said)
}

/// Whether the `group` of a reference is that of Gateways, which it is where none is given.
pub(super) fn is_of_gateways(cx: &mut Context<'_>, node: &Node<'_>) -> bool {
    let given = node.field("group").is_some();
    let group = cx.text(node, "group");
    !given || *group == *Kind::Gateway.group()
}

/// Refuses what is no host, with `*.` before it or not.
pub(super) fn host(cx: &mut Context<'_>, node: &Node<'_>, name: &str) {
    let bare = name.strip_prefix("*.").unwrap_or(name);
    if let Some(problem) = names::dns_subdomain(bare).filter(|_| !name.is_empty()) {
        cx.refuse(node, &format!("has a host that {problem}"), "");
    }
}
