//! Objects of the network that proptest makes up.

use bailiwick_core::Kind;
use bailiwick_model::{
    Cidr, FromNamespaces, Gateway, GrantFrom, GrantTo, Ingress, IngressRule, LabelSelector,
    Listener, ListenerSet, NetworkPolicy, Object, ParentRef, Peer, PolicyPort, PortRef, Protocol,
    ReferenceGrant, Route, RouteBackend, Service, ServicePort,
};
use proptest::prelude::*;

use crate::made_up::{meta, text};

fn cidr() -> BoxedStrategy<Cidr> {
    (any::<[u8; 16]>(), any::<bool>(), 0..=32_u8)
        .prop_map(|(bytes, is_short, bits)| {
            let [a, b, c, d, ..] = bytes;
            let address = if is_short {
                [a, b, c, d].into()
            } else {
                bytes.into()
            };
            Cidr { address, bits }
        })
        .boxed()
}

pub(crate) fn network() -> BoxedStrategy<Object> {
    let port = prop_oneof![
        any::<u16>().prop_map(PortRef::Number),
        text().prop_map(PortRef::Name)
    ];
    (meta(true), port, cidr(), text(), any::<bool>())
        .prop_flat_map(|(metadata, port, cidr, name, flag)| {
            let word = name.clone();
            let service = Service {
                metadata: metadata.clone(),
                service_type: name.clone(),
                selector: [(name.clone(), name.clone())].into(),
                ports: [ServicePort {
                    name: name.clone(),
                    port: u16::from(flag),
                    target: port.clone(),
                    protocol: Protocol::Udp,
                }]
                .into(),
                external_ips: [name.clone()].into(),
                source_ranges: [cidr].into(),
            };
            let ingress = Ingress {
                metadata: metadata.clone(),
                backends: [(name.clone(), port.clone())].into(),
            };
            let selector = LabelSelector {
                match_labels: [(name.clone(), name)].into(),
                ..LabelSelector::default()
            };
            let rule = IngressRule {
                from: [
                    Peer::Addresses {
                        cidr,
                        except: [cidr].into(),
                    },
                    Peer::Pods {
                        namespaces: flag.then(|| selector.clone()),
                        pods: Some(selector.clone()),
                    },
                ]
                .into(),
                ports: [PolicyPort {
                    port: flag.then_some(port),
                    end: flag.then_some(7),
                    protocol: Protocol::Sctp,
                }]
                .into(),
            };
            let name = &word;
            let listeners: Box<[Listener]> = [Listener {
                name: name.clone(),
                hostname: name.clone(),
                port: 80,
                protocol: name.clone(),
                passthrough: flag,
                namespaces: match flag {
                    true => FromNamespaces::Selector(selector.clone()),
                    false => FromNamespaces::All,
                },
                kinds: [name.clone()].into(),
            }]
            .into();
            let set = ListenerSet {
                metadata: metadata.clone(),
                gateway: (name.clone(), name.clone()),
                created: name.clone(),
                listeners: listeners.clone(),
            };
            let gateway = Gateway {
                metadata: metadata.clone(),
                class: name.clone(),
                listeners,
                sets: flag.then_some(FromNamespaces::Same),
                is_default: flag,
                infrastructure: [(name.clone(), name.clone())].into(),
            };
            let route = Route {
                kind: if flag {
                    Kind::HTTPRoute
                } else {
                    Kind::UDPRoute
                },
                metadata: metadata.clone(),
                to_defaults: flag,
                parents: [ParentRef {
                    position: 3,
                    is_set: flag,
                    namespace: name.clone(),
                    name: name.clone(),
                    section: name.clone(),
                    port: flag.then_some(1),
                }]
                .into(),
                hostnames: [name.clone()].into(),
                backends: [RouteBackend {
                    at: name.clone(),
                    namespace: name.clone(),
                    name: name.clone(),
                    port: 1,
                }]
                .into(),
            };
            let grant = ReferenceGrant {
                metadata: metadata.clone(),
                from: [GrantFrom {
                    group: name.clone(),
                    kind: name.clone(),
                    namespace: name.clone(),
                }]
                .into(),
                to: [GrantTo {
                    name: name.clone(),
                    ..GrantTo::default()
                }]
                .into(),
            };
            let policy = NetworkPolicy {
                metadata,
                pods: selector,
                ingress: flag.then(|| [rule].into()),
            };
            prop_oneof![
                Just(Object::Service(service)),
                Just(Object::Ingress(ingress)),
                Just(Object::NetworkPolicy(policy)),
                Just(Object::Gateway(gateway)),
                Just(Object::ListenerSet(set)),
                Just(Object::Route(route)),
                Just(Object::ReferenceGrant(grant)),
            ]
        })
        .boxed()
}
