//! Snapshots that proptest makes up.

use bailiwick_core::{Kind, Str};
use bailiwick_model::{
    AdmissionBinding, AdmissionPolicy, ApiService, Binding, BindingSubject, ClaimMount,
    ClusterInfo, Container, ContainerPort, CsiDriver, CustomResource, Delta, FileId, FileOrigin,
    Gap, HostPathMount, LabelSelector, MatchResources, Namespace, Node, Object, ObjectMeta, Origin,
    ParamRef, PersistentVolume, PodSpec, PolicyRule, Protocol, Requirement, ResourceRule, Role,
    RoleRef, RunAs, RuntimeClass, Secret, Security, SecurityContextConstraints, ServiceAccount,
    Snapshot, SourceFile, Taint, TokenMount, Toleration, TrustBundle, Webhook,
    WebhookConfiguration, Workload,
};
use proptest::prelude::*;

use crate::network::network;

pub(crate) fn text() -> BoxedStrategy<Str> {
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

pub(crate) fn meta(namespaced: bool) -> BoxedStrategy<ObjectMeta> {
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

pub(crate) fn selector() -> BoxedStrategy<LabelSelector> {
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
                    trust_bundles: secrets.clone(),
                    trusted_signers: secrets.clone(),
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
        (meta(false), text(), text(), any::<bool>()).prop_map(
            |(metadata, service_namespace, service_name, unverified)| {
                Object::ApiService(ApiService {
                    metadata,
                    service_namespace,
                    service_name,
                    unverified,
                })
            }
        ),
        (meta(false), text())
            .prop_map(|(metadata, signer)| Object::TrustBundle(TrustBundle { metadata, signer })),
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

pub(crate) fn any_snapshot() -> BoxedStrategy<Snapshot> {
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
                        kinds: vec![Kind::Role, Kind::APIService],
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
