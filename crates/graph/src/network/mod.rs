//! Which pods somebody can connect to from outside, and which policy keeps him off.

mod conflict;
#[cfg(test)]
mod conflict_tests;
pub(crate) mod gateway;
#[cfg(test)]
mod gateway_tests;
#[cfg(test)]
mod tests;

use bailiwick_core::{Kind, ObjectRef, Str};
use bailiwick_model::{
    ContainerPort, EndpointSlice, Ingress, IngressRule, LabelSelector, NAME_LABEL, NetworkPolicy,
    ObjectMeta, Peer, PolicyPort, PortRef, Protocol, Service, ServicePort, Workload,
};

use crate::build::World;
use crate::condition::Atom;
use crate::node::Node;

/// Who connects to a pod.
#[derive(Clone, Copy)]
pub(crate) enum Client {
    /// Somebody outside of the cluster.
    Outside,
    /// What makes Ingresses or Gateways work, in a namespace that nobody knows.
    Controller,
}

/// What holds a step back where a policy does.
pub(crate) const KEPT_OFF: &str = "a NetworkPolicy lets nobody from outside in";

/// What holds a step back where a load balancer has no public address.
const WITHIN: &str = "its load balancer is within the provider's network";

/// A port of a pod.
pub(crate) type Port = (u16, Protocol);

/// What a Service opens to outside, and by which setting.
pub(crate) enum Opening {
    /// It is open.
    Open(Atom),
    /// It would be, but for a setting.
    HeldBack(Atom, &'static str),
}

/// What cloud providers read to keep a load balancer inside their network: annotation and value.
const INTERNAL: [(&str, &str); 6] = [
    ("cloud.google.com/load-balancer-type", "Internal"),
    ("networking.gke.io/load-balancer-type", "Internal"),
    (
        "service.beta.kubernetes.io/aws-load-balancer-internal",
        "true",
    ),
    (
        "service.beta.kubernetes.io/aws-load-balancer-internal",
        "0.0.0.0/0",
    ),
    (
        "service.beta.kubernetes.io/aws-load-balancer-scheme",
        "internal",
    ),
    (
        "service.beta.kubernetes.io/azure-load-balancer-internal",
        "true",
    ),
];

/// A pod behind a Service, with those of its ports that lead to it and the setting by which they do.
pub(crate) struct Behind<'a> {
    pub(crate) pod: &'a Workload,
    pub(crate) ports: Vec<Port>,
    pub(crate) by: Atom,
}

/// The pods behind these ports of a Service: those that its selector fits, or where it has none those that an
/// EndpointSlice names.
pub(crate) fn behind<'a>(
    world: &World<'a>,
    service: &Service,
    ports: impl Fn(&ServicePort) -> bool,
) -> Vec<Behind<'a>> {
    let chosen: Vec<&ServicePort> = service.ports.iter().filter(|port| ports(port)).collect();
    let mut found = match service.selector.is_empty() {
        true => by_slices(world, service, &chosen),
        false => by_selector(world, service, &chosen),
    };
    found.retain(|behind| !behind.ports.is_empty());
    found
}

fn by_selector<'a>(
    world: &World<'a>,
    service: &Service,
    chosen: &[&ServicePort],
) -> Vec<Behind<'a>> {
    let selects = |pod: &&Workload| {
        let mut wanted = service.selector.iter();
        wanted.all(|label| pod.pod_labels().contains(label))
    };
    let pods = world.workloads_in(&service.metadata.namespace);
    let behind = |pod: &'a Workload| Behind {
        pod,
        ports: chosen.iter().filter_map(|port| target(port, pod)).collect(),
        by: setting(Kind::Service, &service.metadata, "/spec/selector"),
    };
    pods.filter(selects).map(behind).collect()
}

fn by_slices<'a>(world: &World<'a>, service: &Service, chosen: &[&ServicePort]) -> Vec<Behind<'a>> {
    let ObjectMeta {
        namespace, name, ..
    } = &service.metadata;
    // Such a Service leads to another name, never to pods.
    if &*service.service_type == "ExternalName" {
        return Vec::new();
    }
    let slices = world.snapshot.endpoint_slices.in_namespace(namespace);
    let own = slices.filter(|slice| slice.metadata.label(EndpointSlice::SERVICE) == Some(name));
    let mut found = Vec::new();
    for slice in own {
        let is_chosen = |port: &&ContainerPort| {
            let mut chosen = chosen.iter();
            chosen.any(|own| own.name == port.name && own.protocol == port.protocol)
        };
        let ports = slice.ports.iter().filter(is_chosen);
        let ports: Vec<Port> = ports.map(|port| (port.port, port.protocol)).collect();
        for pod in &slice.pods {
            found.extend(
                world
                    .snapshot
                    .workload(Kind::Pod, namespace, pod)
                    .map(|pod| Behind {
                        pod,
                        ports: ports.clone(),
                        by: setting(Kind::EndpointSlice, &slice.metadata, "/endpoints"),
                    }),
            );
        }
    }
    found
}

/// The port of a pod that a port of a Service leads to; `None` where the pod has none of that name.
fn target(port: &ServicePort, pod: &Workload) -> Option<Port> {
    let number = match &port.target {
        PortRef::Number(number) => *number,
        PortRef::Name(name) => {
            let mut own = pod.pod.ports.iter();
            own.find(|own| own.name == *name && own.protocol == port.protocol)?
                .port
        }
    };
    Some((number, port.protocol))
}

/// The Services behind an Ingress, each with its port.
pub(crate) fn backends<'a, 'i>(
    world: &World<'a>,
    ingress: &'i Ingress,
) -> impl Iterator<Item = (&'a Service, &'i PortRef)> {
    let (services, namespace) = (&world.snapshot.services, &ingress.metadata.namespace);
    let backends = ingress.backends.iter();
    backends.filter_map(move |(name, port)| Some((services.get(namespace, name)?, port)))
}

/// The connection to what lies behind a Service or an Ingress.
pub(crate) fn entry(kind: Kind, metadata: &ObjectMeta) -> Node {
    Node::Entry(ObjectRef::new(kind, &metadata.namespace, &metadata.name))
}

/// Whether a port of a Service is the one that an Ingress names.
pub(crate) fn is_port(port: &ServicePort, named: &PortRef) -> bool {
    match named {
        PortRef::Number(number) => port.port == *number,
        PortRef::Name(name) => port.name == *name,
    }
}

/// A setting of an object that leads traffic to pods.
pub(crate) fn setting(kind: Kind, metadata: &ObjectMeta, pointer: &str) -> Atom {
    Atom::Field {
        object: ObjectRef::new(kind, &metadata.namespace, &metadata.name),
        pointer: pointer.to_owned(),
    }
}

/// The JSON pointer to a key of a mapping.
fn in_map(mapping: &str, key: &str) -> String {
    format!("{mapping}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// Whether a load balancer or an address of its own leads from outside to a Service; `None` for those that have
/// neither.
pub(crate) fn opening(service: &Service) -> Option<Opening> {
    let at = |pointer: &str| setting(Kind::Service, &service.metadata, pointer);
    if !service.external_ips.is_empty() {
        return Some(Opening::Open(at("/spec/externalIPs")));
    }
    if &*service.service_type != "LoadBalancer" {
        return None;
    }
    let internal = INTERNAL.iter().find(|(key, value)| {
        let own = service.metadata.annotation(key);
        own.is_some_and(|own| own.eq_ignore_ascii_case(value))
    });
    if let Some((key, _)) = internal {
        let pointer = in_map("/metadata/annotations", key);
        return Some(Opening::HeldBack(at(&pointer), WITHIN));
    }
    let ranges = &service.source_ranges;
    if !ranges.is_empty() && !ranges.iter().any(|range| range.is_everything()) {
        let why = "its load balancer lets in certain addresses alone";
        return Some(Opening::HeldBack(at("/spec/loadBalancerSourceRanges"), why));
    }
    Some(Opening::Open(at("/spec/type")))
}

/// The policy that keeps a client off all of these ports of a pod; `None` where he gets to one.
///
/// Policies are about traffic to the pods that they select, and whatever none of them lets in is kept off. A pod with
/// the network of its node is out of their reach (upstream `networking/v1`, `NetworkPolicySpec`).
pub(crate) fn kept_off(
    world: &World<'_>,
    pod: &Workload,
    ports: &[Port],
    client: Client,
) -> Option<Atom> {
    if pod.pod.host_network {
        return None;
    }
    let policies = world
        .snapshot
        .network_policies
        .in_namespace(&pod.metadata.namespace);
    let about: Vec<(&NetworkPolicy, &[IngressRule])> = policies
        .filter(|policy| policy.pods.matches_labels(pod.pod_labels()) == Some(true))
        .filter_map(|policy| Some((policy, policy.ingress.as_deref()?)))
        .collect();
    let (first, _) = about.first()?;
    let lets_in = |rule: &IngressRule| {
        let peer =
            rule.from.is_empty() || rule.from.iter().any(|peer| is_peer(world, peer, client));
        let port = rule.ports.is_empty()
            || ports
                .iter()
                .any(|port| rule.ports.iter().any(|own| is_open(own, *port, pod)));
        peer && port
    };
    let is_let_in = about.iter().any(|(_, rules)| rules.iter().any(lets_in));
    (!is_let_in).then(|| setting(Kind::NetworkPolicy, &first.metadata, "/spec/ingress"))
}

fn is_open(own: &PolicyPort, (number, protocol): Port, pod: &Workload) -> bool {
    if own.protocol != protocol {
        return false;
    }
    match (&own.port, own.end) {
        (None, _) => true,
        (Some(PortRef::Number(first)), Some(last)) => (*first..=last).contains(&number),
        (Some(PortRef::Number(port)), None) => *port == number,
        (Some(PortRef::Name(name)), _) => {
            let mut ports = pod.pod.ports.iter();
            ports.any(|port| port.name == *name && port.port == number && port.protocol == protocol)
        }
    }
}

/// Whether a peer may be this client. Ranges of addresses are outside where they hold every address.
fn is_peer(world: &World<'_>, peer: &Peer, client: Client) -> bool {
    match (peer, client) {
        (Peer::Addresses { cidr, .. }, _) => cidr.is_everything(),
        (Peer::Pods { .. }, Client::Outside) => false,
        // A controller of Ingresses does not live among the pods of others.
        (
            Peer::Pods {
                namespaces: None, ..
            },
            Client::Controller,
        ) => false,
        (
            Peer::Pods {
                namespaces: Some(namespaces),
                pods,
            },
            Client::Controller,
        ) => has_pod(world, namespaces, pods.as_ref()),
    }
}

/// Whether a namespace has the labels that are wanted.
fn is_wanted(world: &World<'_>, wanted: &LabelSelector, namespace: &str) -> bool {
    let known = world.snapshot.namespaces.get("", namespace);
    let labels = known.map_or(&[][..], |known| &known.metadata.labels);
    // The API server gives every namespace a label with its name.
    let mut labels = labels.to_vec();
    let name = (NAME_LABEL.into(), namespace.into());
    if !labels.contains(&name) {
        labels.push(name);
        labels.sort_unstable();
    }
    wanted.matches_labels(&labels) == Some(true)
}

/// Whether a namespace that fits has a pod that fits, or nothing is known of its pods.
fn has_pod(world: &World<'_>, wanted: &LabelSelector, pods: Option<&LabelSelector>) -> bool {
    let namespaces = world.namespaces_in(&Str::default()).into_iter();
    let mut namespaces = namespaces.filter(|namespace| is_wanted(world, wanted, namespace));
    namespaces.any(|namespace| {
        let mut inside = world.workloads_in(&namespace).peekable();
        let is_wanted = |workload: &Workload| {
            pods.is_none_or(|pods| pods.matches_labels(workload.pod_labels()) == Some(true))
        };
        inside.peek().is_none() || inside.any(is_wanted)
    })
}
