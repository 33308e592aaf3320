//! The snapshot file: what is written is read again, and only that.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails by panicking and prints its seed"
)]

use bailiwick_core::{Kind, Str};
use bailiwick_input::snapshot::{SnapshotError, read, write};
use bailiwick_input::{Defaults, LoadOptions, Source, load};
use bailiwick_model::{
    AdmissionBinding, AdmissionPolicy, Binding, BindingSubject, Cidr, ClaimMount, ClusterInfo,
    Container, ContainerPort, CsiDriver, CustomResource, Delta, FileId, FileOrigin, FromNamespaces,
    Gap, Gateway, GrantFrom, GrantTo, HostPathMount, Ingress, IngressRule, LabelSelector, Listener,
    ListenerSet, MatchResources, Namespace, NetworkPolicy, Node, Object, ObjectMeta, Origin,
    ParamRef, ParentRef, Peer, PersistentVolume, PodSpec, PolicyPort, PolicyRule, PortRef,
    Protocol, ReferenceGrant, Requirement, ResourceRule, Role, RoleRef, Route, RouteBackend, RunAs,
    RuntimeClass, Secret, Security, SecurityContextConstraints, Service, ServiceAccount,
    ServicePort, Snapshot, SourceFile, Taint, TokenMount, Toleration, Webhook,
    WebhookConfiguration, Workload,
};
use proptest::prelude::*;

fn text() -> BoxedStrategy<Str> {
    prop_oneof!["[a-z]{1,8}", "\\PC{0,6}", Just("*".to_owned())]
        .prop_map(Into::into)
        .boxed()
}

fn texts() -> BoxedStrategy<Box<[Str]>> {
    prop::collection::vec(text(), 0..4)
        .prop_map(Vec::into_boxed_slice)
        .boxed()
}

fn pairs() -> BoxedStrategy<Box<[(Str, Str)]>> {
    prop::collection::btree_map(text(), text(), 0..3)
        .prop_map(|map| map.into_iter().collect())
        .boxed()
}

fn meta(namespaced: bool) -> BoxedStrategy<ObjectMeta> {
    (
        text(),
        "[a-z]{1,4}",
        text(),
        pairs(),
        pairs(),
        prop::option::of((text(), text())),
    )
        .prop_map(
            move |(name, namespace, uid, labels, annotations, controller)| ObjectMeta {
                name,
                namespace: if namespaced {
                    namespace.into()
                } else {
                    "".into()
                },
                uid,
                labels,
                annotations,
                controller,
            },
        )
        .boxed()
}

fn rule() -> BoxedStrategy<PolicyRule> {
    (texts(), texts(), texts(), texts(), texts())
        .prop_map(
            |(verbs, api_groups, resources, resource_names, non_resource_urls)| PolicyRule {
                verbs,
                api_groups,
                resources,
                resource_names,
                non_resource_urls,
            },
        )
        .boxed()
}

fn selector() -> BoxedStrategy<LabelSelector> {
    (
        pairs(),
        prop::collection::vec((text(), text(), texts()), 0..2),
    )
        .prop_map(|(match_labels, requirements)| LabelSelector {
            match_labels,
            match_expressions: requirements
                .into_iter()
                .map(|(key, operator, values)| Requirement {
                    key,
                    operator,
                    values,
                })
                .collect(),
        })
        .boxed()
}

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

fn network() -> BoxedStrategy<Object> {
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

fn admission() -> BoxedStrategy<Object> {
    let parts = (meta(false), any::<bool>(), any::<bool>(), text(), texts());
    let object =
        |(metadata, mutating, flag, name, names): (ObjectMeta, bool, bool, Str, Box<[Str]>)| {
            let rule = ResourceRule {
                operations: names.clone(),
                groups: names.clone(),
                versions: names.clone(),
                resources: names.clone(),
                names,
                scope: name.clone(),
            };
            let matches = MatchResources {
                rules: [rule.clone()].into(),
                except: if flag { [rule].into() } else { [].into() },
                exact: flag,
                ..MatchResources::default()
            };
            if flag {
                return Object::AdmissionPolicy(AdmissionPolicy {
                    metadata,
                    mutating,
                    matches,
                    param_kind: mutating.then(|| (name.clone(), name)),
                    judges: mutating,
                    annotates: mutating,
                    fails_open: mutating,
                    by_claims: mutating,
                });
            }
            let param = ParamRef {
                name: name.clone(),
                namespace: name.clone(),
                required: mutating,
            };
            Object::AdmissionBinding(AdmissionBinding {
                metadata,
                mutating,
                policy: name,
                matches,
                denies: mutating,
                param: mutating.then_some(param),
            })
        };
    parts.prop_map(object).boxed()
}

fn object() -> BoxedStrategy<Object> {
    let role = (
        any::<bool>().prop_flat_map(meta),
        prop::collection::vec(rule(), 0..3),
        prop::option::of(prop::collection::vec(selector(), 0..3)),
    )
        .prop_map(|(metadata, rules, aggregation)| {
            Object::Role(Role {
                metadata,
                rules: rules.into(),
                aggregation: aggregation.map(Into::into),
            })
        });
    let subject =
        (text(), text(), text(), text()).prop_map(|(kind, api_group, name, namespace)| {
            BindingSubject {
                kind,
                api_group,
                name,
                namespace,
            }
        });
    let binding = (
        any::<bool>().prop_flat_map(meta),
        text(),
        text(),
        prop::collection::vec(subject, 0..3),
    )
        .prop_map(|(metadata, kind, name, subjects)| {
            Object::Binding(Binding {
                metadata,
                role_ref: RoleRef {
                    api_group: "g".into(),
                    kind,
                    name,
                },
                subjects: subjects.into(),
            })
        });
    let workload = (
        prop::sample::select(vec![Kind::Pod, Kind::Deployment, Kind::CronJob]),
        meta(true),
        (
            text(),
            prop::option::of(any::<bool>()),
            text(),
            texts(),
            prop::collection::vec((text(), prop::option::of(any::<i64>())), 0..2),
        ),
    )
        .prop_map(
            |(kind, metadata, (service_account_name, automount, node_name, secrets, tokens))| {
                let tokens = tokens
                    .into_iter()
                    .map(|(audience, expiration_seconds)| TokenMount {
                        audience,
                        expiration_seconds,
                    })
                    .collect();
                let container = Container {
                    position: 1,
                    name: node_name.clone(),
                    security: Security {
                        privileged: true,
                        capabilities: secrets.clone(),
                        run_as_user: Some(0),
                        ..Security::default()
                    },
                    host_paths: [HostPathMount {
                        path: node_name.clone(),
                        ..HostPathMount::default()
                    }]
                    .into(),
                    claims: [ClaimMount {
                        claim: node_name.clone(),
                        below: service_account_name.clone(),
                        ..ClaimMount::default()
                    }]
                    .into(),
                    ..Container::default()
                };
                let pod = PodSpec {
                    service_account_name,
                    automount_service_account_token: automount,
                    tokens,
                    secrets,
                    host_network: true,
                    labels: [(node_name.clone(), node_name.clone())].into(),
                    ports: [ContainerPort {
                        name: node_name.clone(),
                        port: 80,
                        host_port: 81,
                        protocol: Protocol::Tcp,
                    }]
                    .into(),
                    tolerations: [Toleration {
                        key: node_name.clone(),
                        value: Some(node_name.clone()),
                        ..Toleration::default()
                    }]
                    .into(),
                    node_selector: [(node_name.clone(), node_name.clone())].into(),
                    containers: [container].into(),
                    ..PodSpec::default()
                };
                Object::Workload(Workload {
                    kind,
                    metadata,
                    node_name,
                    pod: pod.into(),
                })
            },
        );
    prop_oneof![
        role,
        binding,
        workload,
        meta(false).prop_map(|metadata| Object::Namespace(Namespace { metadata })),
        (meta(false), text(), text(), text()).prop_map(|(metadata, key, kernel, runtime)| {
            let (value, effect) = (key.clone(), key.clone());
            Object::Node(Node {
                metadata,
                provider_id: key.clone(),
                taints: [Taint { key, value, effect }].into(),
                kernel,
                runtime,
            })
        }),
        (meta(false), text(), text(), any::<bool>()).prop_map(|(metadata, path, driver, local)| {
            Object::PersistentVolume(PersistentVolume {
                metadata,
                claim_namespace: path.clone(),
                claim_name: driver.clone(),
                path,
                local,
                driver,
            })
        }),
        (meta(false), any::<bool>())
            .prop_map(|(metadata, inline)| Object::CsiDriver(CsiDriver { metadata, inline })),
        (meta(false), text()).prop_map(|(metadata, handler)| Object::RuntimeClass(RuntimeClass {
            metadata,
            handler
        })),
        (meta(false), any::<bool>(), text(), text()).prop_map(
            |(metadata, mutating, name, service)| {
                let webhook = Webhook {
                    name,
                    service_namespace: service.clone(),
                    service_name: service,
                    matches: MatchResources {
                        exact: mutating,
                        ..MatchResources::default()
                    },
                    fails_open: mutating,
                };
                Object::Webhooks(WebhookConfiguration {
                    metadata,
                    mutating,
                    webhooks: [webhook].into(),
                })
            },
        ),
        network(),
        admission(),
        (meta(true), text()).prop_map(|(metadata, secret_type)| Object::Secret(Secret {
            metadata,
            secret_type
        })),
        (meta(true), prop::option::of(any::<bool>()), texts()).prop_map(
            |(metadata, automount, secrets)| {
                Object::ServiceAccount(ServiceAccount {
                    metadata,
                    automount_service_account_token: automount,
                    secrets,
                })
            }
        ),
        (meta(false), any::<bool>(), any::<bool>(), texts()).prop_map(
            |(metadata, privileged, host_pid, names)| {
                Object::Constraints(SecurityContextConstraints {
                    metadata,
                    privileged,
                    host_pid,
                    host_paths: !privileged,
                    run_as: if host_pid { RunAs::Any } else { RunAs::Root },
                    allowed_capabilities: names.clone(),
                    users: names,
                    ..SecurityContextConstraints::default()
                })
            }
        ),
        (meta(false), text(), text(), texts()).prop_map(|(metadata, group, plural, versions)| {
            Object::CustomResource(CustomResource {
                metadata,
                group,
                plural,
                versions,
                ..CustomResource::default()
            })
        }),
    ]
    .boxed()
}

fn origin() -> BoxedStrategy<Origin> {
    prop_oneof![
        Just(Origin::Live),
        any::<u16>().prop_map(|minor| Origin::Default { minor }),
        any::<(u32, u64, u64, u64, Option<u32>, u64)>().prop_map(
            |(file, document, start, end, item, hash)| {
                Origin::File(FileOrigin {
                    file: FileId(file),
                    document,
                    start,
                    end,
                    item,
                    hash,
                })
            }
        ),
    ]
    .boxed()
}

fn any_snapshot() -> BoxedStrategy<Snapshot> {
    (
        prop::collection::vec((object(), origin()), 0..20),
        (text(), prop::option::of(any::<u16>()), any::<bool>()),
        prop::collection::vec(text(), 0..3),
        prop::collection::vec((text(), text()), 0..3),
    )
        .prop_map(|(objects, (name, minor, stored), files, gaps)| {
            let mut snapshot = Snapshot {
                cluster: ClusterInfo {
                    name: name.to_string(),
                    minor,
                    stored,
                },
                files: files.into_iter().map(|path| SourceFile { path }).collect(),
                gaps: gaps
                    .into_iter()
                    .map(|(namespace, message)| Gap {
                        kinds: vec![Kind::Role],
                        namespace,
                        except: "".into(),
                        message: message.to_string(),
                    })
                    .collect(),
                ..Snapshot::default()
            };
            for (object, origin) in objects {
                snapshot.apply(Delta::Upsert(Box::new(object), origin));
            }
            snapshot
        })
        .boxed()
}

fn bytes(snapshot: &Snapshot) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(snapshot, &mut bytes).unwrap();
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn what_is_written_is_read_again(snapshot in any_snapshot()) {
        let written = bytes(&snapshot);
        prop_assert_eq!(&read(written.as_slice()).unwrap(), &snapshot);
        prop_assert_eq!(bytes(&snapshot), written);
    }

    #[test]
    fn a_file_cut_short_or_changed_is_never_taken_for_whole(snapshot in any_snapshot(), at in any::<prop::sample::Index>(), bit in 0..8) {
        let written = bytes(&snapshot);
        let at = at.index(written.len());
        prop_assert!(read(&written[..at]).is_err());
        let mut changed = written;
        changed[at] ^= 1_u8 << bit;
        if let Ok(read) = read(changed.as_slice()) {
            prop_assert_eq!(read, snapshot);
        }
    }
}

#[test]
fn a_snapshot_is_a_source_like_any_other() {
    let directory = tempfile::tempdir().unwrap();
    let manifest = directory.path().join("a.yaml");
    std::fs::write(&manifest, "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r}\nrules: []\n---\nkind: [\n").unwrap();
    let options = LoadOptions {
        defaults: Defaults::None,
        ..LoadOptions::default()
    };
    let first = load(&[Source::Path(manifest.clone())], &options);
    let file = directory.path().join("cluster.bailiwick");
    write(&first.snapshot, std::fs::File::create(&file).unwrap()).unwrap();

    let again = load(&[Source::Path(file.clone())], &options);
    assert_eq!(again.snapshot, first.snapshot);
    assert_eq!(
        again.snapshot.gaps.len(),
        1,
        "what was lost then is still missing"
    );
    // Together with other files the numbers of the files move.
    let extra = directory.path().join("b.yaml");
    std::fs::write(
        &extra,
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: s}\n",
    )
    .unwrap();
    let both = load(&[Source::Path(extra), Source::Path(file)], &options);
    let Some(Origin::File(origin)) = both
        .snapshot
        .roles
        .entry("default", "r")
        .map(|entry| entry.origin)
    else {
        panic!("no origin");
    };
    assert_eq!(
        &*both.snapshot.files[origin.file.0 as usize].path,
        manifest.to_str().unwrap()
    );
}

#[test]
fn a_newer_version_is_refused() {
    let line = "{\"format\":\"bailiwick.dev/snapshot\",\"version\":99}\n";
    let packed = zstd::encode_all(line.as_bytes(), 1).unwrap();
    assert!(matches!(
        read(packed.as_slice()),
        Err(SnapshotError::Newer(99))
    ));
}
