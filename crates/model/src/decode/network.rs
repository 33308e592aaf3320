//! Services, Ingresses and ports.

use std::collections::BTreeSet;

use bailiwick_core::Str;

use super::core::spec_and_status;
use super::names;
use super::node::Node;
use super::reader::{Context, Shape};
use crate::meta::ObjectMeta;
use crate::network::{
    Cidr, ContainerPort, EndpointSlice, Ingress, PortRef, Protocol, Service, ServicePort,
};
use crate::value::Value;

const SERVICE: Shape = Shape {
    what: "the spec of a Service",
    complete: true,
    fields: &[
        ("allocateLoadBalancerNodePorts", ""),
        ("clusterIP", ""),
        ("clusterIPs", ""),
        ("externalIPs", ""),
        ("externalName", ""),
        ("externalTrafficPolicy", ""),
        ("healthCheckNodePort", ""),
        ("internalTrafficPolicy", ""),
        ("ipFamilies", ""),
        ("ipFamilyPolicy", ""),
        ("loadBalancerClass", ""),
        ("loadBalancerIP", ""),
        (
            "loadBalancerSourceRanges",
            "its load balancer lets everybody in",
        ),
        ("ports", ""),
        ("publishNotReadyAddresses", ""),
        ("selector", "it leads to no pod"),
        ("sessionAffinity", ""),
        ("sessionAffinityConfig", ""),
        ("trafficDistribution", ""),
        ("type", "it is reached from within the cluster alone"),
    ],
};

const SERVICE_PORT: Shape = Shape {
    what: "a port of a Service",
    complete: true,
    fields: &[
        ("appProtocol", ""),
        ("name", ""),
        ("nodePort", ""),
        ("port", ""),
        ("protocol", "the port talks TCP"),
        ("targetPort", "the pods' port is the Service's own"),
    ],
};

const SLICE: Shape = Shape {
    what: "an EndpointSlice",
    complete: true,
    fields: &[
        ("addressType", ""),
        ("apiVersion", ""),
        ("endpoints", "it leads nowhere"),
        ("kind", ""),
        ("metadata", ""),
        ("ports", "it leads nowhere"),
    ],
};

const ENDPOINT: Shape = Shape {
    what: "an endpoint",
    complete: true,
    fields: &[
        ("addresses", ""),
        ("conditions", ""),
        ("deprecatedTopology", ""),
        ("hints", ""),
        ("hostname", ""),
        ("nodeName", ""),
        ("targetRef", ""),
        ("zone", ""),
    ],
};

const ENDPOINT_PORT: Shape = Shape {
    what: "a port of an EndpointSlice",
    complete: true,
    fields: &[
        ("appProtocol", ""),
        ("name", ""),
        ("port", ""),
        ("protocol", "the port talks TCP"),
    ],
};

/// Any mapping; its other fields are not read.
const MAPPING: Shape = Shape {
    what: "a mapping",
    complete: false,
    fields: &[],
};

const INGRESS: Shape = Shape {
    what: "the spec of an Ingress",
    complete: true,
    fields: &[
        ("defaultBackend", ""),
        ("ingressClassName", ""),
        ("rules", ""),
        ("tls", ""),
    ],
};

const INGRESS_RULE: Shape = Shape {
    what: "a rule of an Ingress",
    complete: true,
    fields: &[("host", "it is about every host"), ("http", "")],
};

const HTTP: Shape = Shape {
    what: "the paths of an Ingress",
    complete: true,
    fields: &[("paths", "")],
};

const HTTP_PATH: Shape = Shape {
    what: "a path of an Ingress",
    complete: true,
    fields: &[("backend", ""), ("path", ""), ("pathType", "")],
};

const BACKEND: Shape = Shape {
    what: "a backend of an Ingress",
    complete: true,
    fields: &[("service", ""), ("resource", "")],
};

const BACKEND_SERVICE: Shape = Shape {
    what: "the Service of a backend",
    complete: true,
    fields: &[("name", ""), ("port", "")],
};

const BACKEND_PORT: Shape = Shape {
    what: "the port of a backend",
    complete: true,
    fields: &[("name", ""), ("number", "")],
};

const CONTAINER_PORT: Shape = Shape {
    what: "a port of a container",
    complete: true,
    fields: &[
        ("containerPort", ""),
        ("hostIP", "every address of the node leads to it"),
        ("hostPort", "no port of the node leads to it"),
        ("name", ""),
        ("protocol", "the port talks TCP"),
    ],
};

const PORT: &str = "must be between 1 and 65535";

pub(super) fn service(cx: &mut Context<'_>, root: &Node<'_>, metadata: ObjectMeta) -> Service {
    spec_and_status(cx, root);
    let mut service = Service {
        metadata,
        ..Service::default()
    };
    let Some(spec) = cx.inner(root, "spec", &SERVICE) else {
        cx.refuse_missing(root, "spec", "give it a port");
        return service;
    };
    service.service_type = cx.text(&spec, "type");
    let types = ["", "ClusterIP", "NodePort", "LoadBalancer", "ExternalName"];
    if !types.contains(&&*service.service_type) {
        let help = "write `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`";
        cx.refuse(&spec, "has no such `type`", help);
    }
    let is_name = &*service.service_type == "ExternalName";
    if is_name && cx.text(&spec, "externalName").is_empty() {
        cx.refuse_missing(&spec, "externalName", "name the host");
    }
    service.selector = cx.text_map(&spec, "selector", label);
    service.ports = cx.list(&spec, "ports", service_port);
    let headless = &*cx.text(&spec, "clusterIP") == "None";
    if service.ports.is_empty() && !is_name && !headless {
        cx.refuse_missing(&spec, "ports", "give it a port");
    }
    if service.ports.len() > 1 {
        let names: BTreeSet<&str> = service.ports.iter().map(|port| &*port.name).collect();
        if names.len() < service.ports.len() || names.contains("") {
            cx.refuse(
                &spec,
                "has ports without names of their own",
                "name each port",
            );
        }
    }
    service.external_ips = cx.texts(&spec, "externalIPs");
    let mut ranges = Vec::new();
    cx.each(&spec, "loadBalancerSourceRanges", |cx, item| {
        let text = cx.plain_text(item).unwrap_or_default().trim();
        ranges.extend(cidr(cx, item, text));
    });
    service.source_ranges = ranges.into();
    service
}

/// Whether a label of a selector is one.
fn label(cx: &mut Context<'_>, at: &Node<'_>, key: &str, value: &str) -> bool {
    if let Some(problem) = names::qualified_name(key).or_else(|| names::label_value(value)) {
        cx.refuse(at, problem, "");
    }
    true
}

pub(super) fn slice(cx: &mut Context<'_>, root: &Node<'_>, metadata: ObjectMeta) -> EndpointSlice {
    cx.mapping(root, &SLICE);
    let mut pods = BTreeSet::new();
    cx.each(root, "endpoints", |cx, item| {
        if !cx.mapping(item, &ENDPOINT) {
            return;
        }
        let Some(target) = cx.inner(item, "targetRef", &MAPPING) else {
            return;
        };
        let namespace = cx.text(&target, "namespace");
        let here = namespace.is_empty() || namespace == metadata.namespace;
        let name = cx.text(&target, "name");
        if here && &*cx.text(&target, "kind") == "Pod" {
            pods.insert(name);
        }
    });
    let ports = cx.list(root, "ports", |cx, item| {
        cx.mapping(item, &ENDPOINT_PORT);
        ContainerPort {
            name: cx.text(item, "name"),
            // The API server takes any number here; one that is no port leads nowhere.
            port: cx
                .integer(item, "port")
                .and_then(|port| u16::try_from(port).ok())
                .unwrap_or_default(),
            host_port: 0,
            protocol: protocol(cx, item),
        }
    });
    let mut slice = EndpointSlice {
        metadata,
        ..EndpointSlice::default()
    };
    if slice.metadata.label(EndpointSlice::WRITER) != Some(EndpointSlice::BY_SELECTOR) {
        slice.pods = pods.into_iter().collect();
        slice.ports = ports;
    }
    slice
}

fn service_port(cx: &mut Context<'_>, node: &Node<'_>) -> ServicePort {
    if !cx.mapping(node, &SERVICE_PORT) {
        return ServicePort::default();
    }
    let port = number(cx, node, "port").unwrap_or_default();
    if port == 0 {
        cx.refuse(node, &format!("has a `port` that {PORT}"), "");
    }
    cx.integer(node, "nodePort");
    ServicePort {
        name: cx.text(node, "name"),
        port,
        target: port_ref(cx, node, "targetPort").unwrap_or(PortRef::Number(port)),
        protocol: protocol(cx, node),
    }
}

pub(super) fn protocol(cx: &mut Context<'_>, node: &Node<'_>) -> Protocol {
    match &*cx.text(node, "protocol") {
        "" | "TCP" => Protocol::Tcp,
        "UDP" => Protocol::Udp,
        "SCTP" => Protocol::Sctp,
        _ => {
            cx.refuse(
                node,
                "has no such `protocol`",
                "write `TCP`, `UDP` or `SCTP`",
            );
            Protocol::Tcp
        }
    }
}

/// A port number; refused where it is out of range, `None` where there is none.
pub(super) fn number(cx: &mut Context<'_>, node: &Node<'_>, key: &str) -> Option<u16> {
    let number = cx.integer(node, key)?;
    let port = u16::try_from(number).ok().filter(|port| *port > 0);
    if port.is_none() && number != 0 {
        cx.refuse(node, &format!("has a `{key}` that {PORT}"), "");
    }
    port
}

/// A port by number or name; `None` where there is none.
pub(super) fn port_ref(cx: &mut Context<'_>, node: &Node<'_>, key: &str) -> Option<PortRef> {
    let field = node.field(key)?;
    let Value::String(name) = field.value else {
        let port = number(cx, node, key);
        let is_zero = matches!(field.value, Value::UInt(0));
        if is_zero && key != "targetPort" {
            cx.refuse(node, &format!("has a `{key}` that {PORT}"), "");
        }
        return port.map(PortRef::Number);
    };
    if name.is_empty() && key == "targetPort" {
        return None;
    }
    if let Some(problem) = names::port_name(name) {
        cx.refuse(&field, problem, "");
    }
    Some(PortRef::Name(cx.intern(name)))
}

pub(super) fn ingress(cx: &mut Context<'_>, root: &Node<'_>, metadata: ObjectMeta) -> Ingress {
    spec_and_status(cx, root);
    let mut backends = Vec::new();
    let spec = cx.inner(root, "spec", &INGRESS);
    let fallback = spec
        .as_ref()
        .and_then(|spec| cx.inner(spec, "defaultBackend", &BACKEND));
    if let Some(fallback) = &fallback {
        backends.extend(backend(cx, fallback));
    }
    let mut rules = 0;
    if let Some(spec) = &spec {
        cx.each(spec, "rules", |cx, rule| {
            rules += 1;
            if cx.mapping(rule, &INGRESS_RULE)
                && let Some(http) = cx.inner(rule, "http", &HTTP)
            {
                paths(cx, &http, &mut backends);
            }
        });
    }
    if rules == 0 && fallback.is_none() {
        let at = spec.as_ref().unwrap_or(root);
        cx.refuse_missing(at, "rules", "give it a rule or a `defaultBackend`");
    }
    let mut known = BTreeSet::new();
    backends.retain(|backend: &(Str, PortRef)| known.insert(format!("{backend:?}")));
    Ingress {
        metadata,
        backends: backends.into(),
    }
}

fn paths(cx: &mut Context<'_>, http: &Node<'_>, backends: &mut Vec<(Str, PortRef)>) {
    let mut count = 0;
    cx.each(http, "paths", |cx, path| {
        count += 1;
        if !cx.mapping(path, &HTTP_PATH) {
            return;
        }
        let path_type = cx.text(path, "pathType");
        match &*path_type {
            "Exact" | "Prefix" if !cx.text(path, "path").starts_with('/') => {
                cx.refuse(path, "has a `path` that does not start with `/`", "");
            }
            "Exact" | "Prefix" | "ImplementationSpecific" => {}
            _ => cx.refuse(
                path,
                "has no such `pathType`",
                "write `Prefix`, `Exact` or `ImplementationSpecific`",
            ),
        }
        match cx.inner(path, "backend", &BACKEND) {
            Some(node) => backends.extend(backend(cx, &node)),
            None => cx.refuse_missing(path, "backend", "name the Service that it leads to"),
        }
    });
    if count == 0 {
        cx.refuse_missing(http, "paths", "give it a path");
    }
}

fn backend(cx: &mut Context<'_>, node: &Node<'_>) -> Option<(Str, PortRef)> {
    let service = cx.inner(node, "service", &BACKEND_SERVICE);
    let resource = node.field("resource").is_some();
    let Some(service) = service else {
        if !resource {
            cx.refuse(
                node,
                "names neither a Service nor a resource",
                "name a `service`",
            );
        }
        return None;
    };
    if resource {
        cx.refuse(
            node,
            "names a Service and a resource",
            "remove one of the two",
        );
    }
    let name = cx.text(&service, "name");
    if let Some(problem) = names::dns_label(&name) {
        cx.refuse(&service, &format!("has a `name` that {problem}"), "");
    }
    let port = cx.inner(&service, "port", &BACKEND_PORT);
    let by_number = port
        .as_ref()
        .and_then(|port| number(cx, port, "number"))
        .map(PortRef::Number);
    let by_name = port.as_ref().map(|port| cx.text(port, "name"));
    let by_name = by_name.filter(|name| !name.is_empty()).map(PortRef::Name);
    if by_number.is_some() == by_name.is_some() {
        cx.refuse(
            &service,
            "has no one port",
            "give the `name` or the `number` of a port",
        );
    }
    Some((name, by_number.or(by_name)?))
}

pub(super) fn cidr(cx: &mut Context<'_>, node: &Node<'_>, text: &str) -> Option<Cidr> {
    let range = Cidr::parse(text);
    if range.is_none() {
        let help = "write an address and how many bits count, such as `10.0.0.0/8`";
        cx.refuse(node, "is no range of addresses", help);
    }
    range
}

/// A port of a container, in a pod that has the network of its node or not.
pub(super) fn container_port(
    cx: &mut Context<'_>,
    node: &Node<'_>,
    host_network: bool,
) -> ContainerPort {
    if !cx.mapping(node, &CONTAINER_PORT) {
        return ContainerPort::default();
    }
    let port = number(cx, node, "containerPort").unwrap_or_default();
    if port == 0 {
        cx.refuse(node, &format!("has a `containerPort` that {PORT}"), "");
    }
    let name = cx.text(node, "name");
    if let Some(problem) = names::port_name(&name).filter(|_| !name.is_empty()) {
        cx.refuse(node, &format!("has a `name` that {problem}"), "");
    }
    let host_port = number(cx, node, "hostPort").unwrap_or_default();
    if host_network && host_port != 0 && host_port != port {
        let help = "in the network of the node both are the same";
        cx.refuse(
            node,
            "has a `hostPort` that is not its `containerPort`",
            help,
        );
    }
    ContainerPort {
        name,
        port,
        host_port: if host_network { port } else { host_port },
        protocol: protocol(cx, node),
    }
}
