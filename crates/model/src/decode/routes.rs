//! Routes to Gateways and ReferenceGrants (Gateway API 1.6, `apis/v1`).

use bailiwick_core::{Kind, Str};

use super::core::spec_and_status;
use super::gateway::{ALL_ROUTES, host, is_of_gateways};
use super::network::number;
use super::node::Node;
use super::reader::{Context, Shape};
use crate::gateway::{GrantFrom, GrantTo, ParentRef, ReferenceGrant, Route, RouteBackend};
use crate::meta::ObjectMeta;

const ROUTE: Shape = Shape {
    what: "the spec of a route",
    complete: true,
    fields: &[
        ("hostnames", "it is about every host"),
        ("parentRefs", "it is attached to nothing"),
        ("rules", "it leads nowhere"),
        ("useDefaultGateways", "it is attached to no default Gateway"),
    ],
};

const PARENT: Shape = Shape {
    what: "a parent of a route",
    complete: true,
    fields: &[
        ("group", ""),
        ("kind", "it is a Gateway"),
        ("name", ""),
        ("namespace", "it is in the route's own namespace"),
        ("port", "it is every listener"),
        ("sectionName", "it is every listener"),
    ],
};

const RULE: Shape = Shape {
    what: "a rule of a route",
    complete: true,
    fields: &[
        ("backendRefs", "it leads nowhere"),
        ("filters", ""),
        ("matches", "it is about every request"),
        ("name", ""),
        ("retry", ""),
        ("sessionPersistence", ""),
        ("timeouts", ""),
    ],
};

const FILTER: Shape = Shape {
    what: "a filter of a route",
    complete: true,
    fields: &[
        ("cors", ""),
        ("extensionRef", ""),
        ("externalAuth", ""),
        ("requestHeaderModifier", ""),
        ("requestMirror", ""),
        ("requestRedirect", ""),
        ("responseHeaderModifier", ""),
        ("type", ""),
        ("urlRewrite", ""),
    ],
};

const MIRROR: Shape = Shape {
    what: "a mirror of requests",
    complete: true,
    fields: &[("backendRef", ""), ("fraction", ""), ("percent", "")],
};

const BACKEND: Shape = Shape {
    what: "a backend of a route",
    complete: true,
    fields: &[
        ("filters", ""),
        ("group", ""),
        ("kind", "it is a Service"),
        ("name", ""),
        ("namespace", "it is in the route's own namespace"),
        ("port", ""),
        ("weight", ""),
    ],
};

const GRANT: Shape = Shape {
    what: "the spec of a ReferenceGrant",
    complete: true,
    fields: &[("from", ""), ("to", "")],
};

const FROM: Shape = Shape {
    what: "who may refer",
    complete: true,
    fields: &[("group", ""), ("kind", ""), ("namespace", "")],
};

const TO: Shape = Shape {
    what: "what may be referred to",
    complete: true,
    fields: &[
        ("group", ""),
        ("kind", ""),
        ("name", "it is each of its kind"),
    ],
};

pub(super) fn route(cx: &mut Context<'_>, root: &Node<'_>, metadata: ObjectMeta) -> Route {
    spec_and_status(cx, root);
    let mut route = Route {
        kind: cx.kind,
        metadata,
        parents: Box::default(),
        to_defaults: false,
        hostnames: Box::default(),
        backends: Box::default(),
    };
    let Some(spec) = cx.inner(root, "spec", &ROUTE) else {
        cx.refuse_missing(root, "spec", "give it a rule");
        return route;
    };
    let own = route.metadata.namespace.clone();
    let (mut parents, mut position) = (Vec::new(), 0);
    cx.each(&spec, "parentRefs", |cx, item| {
        parents.extend(parent(cx, item, &own, position));
        position += 1;
    });
    route.parents = parents.into();
    route.to_defaults = &*cx.text(&spec, "useDefaultGateways") == ALL_ROUTES;
    if matches!(cx.kind, Kind::HTTPRoute | Kind::GRPCRoute | Kind::TLSRoute) {
        route.hostnames = cx.texts(&spec, "hostnames");
        for name in &route.hostnames {
            host(cx, &spec, name);
        }
    }
    let mut backends = Vec::new();
    cx.each(&spec, "rules", |cx, rule| {
        if !cx.mapping(rule, &RULE) {
            return;
        }
        cx.each(rule, "backendRefs", |cx, item| {
            backends.extend(backend(cx, item, &own));
            if cx.mapping(item, &BACKEND) {
                mirrors(cx, item, &own, &mut backends);
            }
        });
        mirrors(cx, rule, &own, &mut backends);
    });
    route.backends = backends.into();
    route
}

/// Where the filters of a rule or a backend send a copy of each request.
fn mirrors(cx: &mut Context<'_>, node: &Node<'_>, own: &Str, backends: &mut Vec<RouteBackend>) {
    cx.each(node, "filters", |cx, filter| {
        if !cx.mapping(filter, &FILTER) {
            return;
        }
        let mirror = cx.inner(filter, "requestMirror", &MIRROR);
        if let Some(to) = mirror.as_ref().and_then(|node| node.field("backendRef")) {
            backends.extend(backend(cx, &to, own));
        }
    });
}

/// A Gateway or ListenerSet that a route asks to be attached to; `None` where it is another parent.
fn parent(cx: &mut Context<'_>, node: &Node<'_>, own: &Str, position: u32) -> Option<ParentRef> {
    if !cx.mapping(node, &PARENT) {
        return None;
    }
    let is_own = is_of_gateways(cx, node);
    let kind = cx.text(node, "kind");
    let name = cx.text(node, "name");
    if name.is_empty() {
        cx.refuse_missing(node, "name", "name the Gateway or ListenerSet");
    }
    let namespace = cx.text(node, "namespace");
    let parent = ParentRef {
        position,
        is_set: &*kind == Kind::ListenerSet.as_str(),
        namespace: if namespace.is_empty() {
            own.clone()
        } else {
            namespace
        },
        name,
        section: cx.text(node, "sectionName"),
        port: number(cx, node, "port"),
    };
    (is_own && matches!(&*kind, "" | "Gateway" | "ListenerSet")).then_some(parent)
}

/// A Service that a route leads to; `None` where it is something else, or nothing is sent there.
fn backend(cx: &mut Context<'_>, node: &Node<'_>, own: &Str) -> Option<RouteBackend> {
    if !cx.mapping(node, &BACKEND) {
        return None;
    }
    let (group, kind, name) = (
        cx.text(node, "group"),
        cx.text(node, "kind"),
        cx.text(node, "name"),
    );
    if name.is_empty() {
        cx.refuse_missing(node, "name", "name the Service");
    }
    let weight = cx.integer(node, "weight");
    if !group.is_empty() || !matches!(&*kind, "" | "Service") {
        return None;
    }
    let port = number(cx, node, "port");
    if port.is_none() {
        cx.refuse_missing(node, "port", "give the number of the Service's port");
    }
    let namespace = cx.text(node, "namespace");
    let backend = RouteBackend {
        at: cx.intern(&node.pointer()),
        namespace: if namespace.is_empty() {
            own.clone()
        } else {
            namespace
        },
        name,
        port: port?,
    };
    (weight != Some(0)).then_some(backend)
}

pub(super) fn grant(cx: &mut Context<'_>, root: &Node<'_>, metadata: ObjectMeta) -> ReferenceGrant {
    spec_and_status(cx, root);
    let mut grant = ReferenceGrant {
        metadata,
        ..ReferenceGrant::default()
    };
    let Some(spec) = cx.inner(root, "spec", &GRANT) else {
        cx.refuse_missing(root, "spec", "say who may refer to what");
        return grant;
    };
    grant.from = cx.list(&spec, "from", |cx, item| {
        cx.mapping(item, &FROM);
        GrantFrom {
            group: cx.text(item, "group"),
            kind: cx.text(item, "kind"),
            namespace: cx.text(item, "namespace"),
        }
    });
    grant.to = cx.list(&spec, "to", |cx, item| {
        cx.mapping(item, &TO);
        GrantTo {
            group: cx.text(item, "group"),
            kind: cx.text(item, "kind"),
            name: cx.text(item, "name"),
        }
    });
    for (key, is_empty) in [("from", grant.from.is_empty()), ("to", grant.to.is_empty())] {
        if is_empty {
            cx.refuse_missing(&spec, key, "say who may refer to what");
        }
    }
    grant
}
