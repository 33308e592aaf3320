//! Pods and what makes them. Of a pod spec only the fields about identity, and about what holds containers back from
//! their node, are read; of all others neither the type nor the value is looked at.

use std::collections::BTreeSet;

use bailiwick_core::{Kind, Str};

use super::containers::{self, Surroundings};
use super::core::{EFFECTS, spec_and_status};
use super::node::Node;
use super::platform::driver_name;
use super::reader::{Context, Shape};
use super::{names, network};
use crate::meta::ObjectMeta;
use crate::workload::{ContainerList, PodSpec, TokenMount, Toleration, Workload};

const POD_SPEC: Shape = Shape {
    what: "a pod spec",
    complete: false,
    fields: &[
        (
            "serviceAccountName",
            "the pod runs as the service account `default`",
        ),
        (
            "serviceAccount",
            "the pod runs as the service account `default`",
        ),
        (
            "automountServiceAccountToken",
            "the pod mounts its service account's token unless the service account says otherwise",
        ),
        ("nodeName", ""),
        ("volumes", ""),
        ("containers", ""),
        ("initContainers", ""),
        ("ephemeralContainers", ""),
        ("imagePullSecrets", ""),
        (
            "hostPID",
            "its containers do not see the processes of the node",
        ),
        ("hostUsers", "root in its containers is root of the node"),
        ("securityContext", "its containers run as their images say"),
        (
            "hostIPC",
            "its containers share no memory with the processes of the node",
        ),
        ("hostNetwork", "its containers have a network of their own"),
        (
            "shareProcessNamespace",
            "its containers do not see the processes of each other",
        ),
        (
            "runtimeClassName",
            "the node runs its containers in the usual way",
        ),
        ("tolerations", "taints keep it off nodes"),
        ("nodeSelector", "it runs on any node"),
    ],
};

const LOCAL_REFERENCE: Shape = Shape {
    what: "a reference",
    complete: false,
    fields: &[("name", "")],
};

const SECRET_VOLUME: Shape = Shape {
    what: "a secret volume",
    complete: false,
    fields: &[("secretName", "")],
};

const TOLERATION: Shape = Shape {
    what: "a toleration",
    complete: true,
    fields: &[
        ("key", "it tolerates every taint"),
        ("operator", ""),
        ("value", ""),
        ("effect", "it tolerates taints of any effect"),
        ("tolerationSeconds", ""),
    ],
};

const CLAIM: Shape = Shape {
    what: "a volume behind a claim",
    complete: true,
    fields: &[
        ("claimName", ""),
        ("readOnly", "containers can write to it"),
    ],
};

const TOKEN: Shape = Shape {
    what: "a projected service account token",
    complete: false,
    fields: &[
        ("audience", "the API server accepts the token"),
        ("expirationSeconds", "the token lives for an hour"),
        ("path", ""),
    ],
};

const TRUST_BUNDLE: Shape = Shape {
    what: "a projected ClusterTrustBundle",
    complete: false,
    fields: &[
        ("name", ""),
        ("signerName", ""),
        ("labelSelector", "no bundle is found"),
        ("optional", ""),
        ("path", ""),
    ],
};

/// Any mapping: none of its other fields is read.
const MAPPING: Shape = Shape {
    what: "a mapping",
    complete: false,
    fields: &[],
};

/// Kinds of volume that read a Secret with the node's rights, and where they name it
/// (upstream `pkg/api/v1/pod/util.go`).
const VOLUME_SECRETS: [(&str, &str); 8] = [
    ("cephfs", "secretRef"),
    ("cinder", "secretRef"),
    ("csi", "nodePublishSecretRef"),
    ("flexVolume", "secretRef"),
    ("iscsi", "secretRef"),
    ("rbd", "secretRef"),
    ("scaleIO", "secretRef"),
    ("storageos", "secretRef"),
];

/// A Pod, or an object with a pod template.
pub(super) fn workload(cx: &mut Context<'_>, root: &Node<'_>, metadata: ObjectMeta) -> Workload {
    spec_and_status(cx, root);
    let kind = cx.kind;
    let path: &[&str] = match kind {
        Kind::Pod => &[],
        Kind::CronJob => &["spec", "jobTemplate", "spec", "template"],
        _ => &["spec", "template"],
    };
    let (node_name, pod) = template(cx, root, path).unwrap_or_default();
    Workload {
        kind,
        metadata,
        node_name,
        pod: cx.share_pod(pod),
    }
}

fn template(cx: &mut Context<'_>, node: &Node<'_>, path: &[&str]) -> Option<(Str, PodSpec)> {
    let (key, rest) = match path.split_first() {
        Some((key, rest)) => (*key, Some(rest)),
        None => ("spec", None),
    };
    let Some(inner) = node.field(key) else {
        cx.refuse_missing(node, key, "describe the pods that it runs");
        return None;
    };
    let shape = if rest.is_some() { &MAPPING } else { &POD_SPEC };
    match (cx.mapping(&inner, shape), rest) {
        (false, _) => None,
        (true, Some(rest)) => template(cx, &inner, rest),
        (true, None) => {
            let mut around = Surroundings::default();
            around.annotations(cx, node);
            let mut pod = pod_spec(cx, &inner, around);
            if cx.kind != Kind::Pod {
                pod.labels = labels(cx, node);
            }
            Some((cx.text(&inner, "nodeName"), pod))
        }
    }
}

/// The labels in the metadata of a template.
fn labels(cx: &mut Context<'_>, node: &Node<'_>) -> Box<[(Str, Str)]> {
    match cx.inner(node, "metadata", &MAPPING) {
        Some(metadata) => cx.text_map(&metadata, "labels", |_, _, _, _| true),
        None => Box::default(),
    }
}

fn pod_spec(cx: &mut Context<'_>, node: &Node<'_>, mut around: Surroundings) -> PodSpec {
    let mut node_secrets = BTreeSet::new();
    let mut tokens = Vec::new();
    let host = host(cx, node);
    around.own_users = host.host_users == Some(false);
    around.shared_processes = host.share_process_namespace;
    // Containers name the volumes that they mount.
    cx.each(node, "volumes", |cx, item| {
        volume(cx, item, &mut around, &mut node_secrets, &mut tokens);
    });
    cx.each(node, "imagePullSecrets", |cx, item| {
        if cx.mapping(item, &LOCAL_REFERENCE) {
            node_secrets.insert(cx.text(item, "name"));
        }
    });
    let (mut kept, mut quiet, mut ports) = (Vec::new(), Vec::new(), Vec::new());
    for (key, list) in [
        ("containers", ContainerList::Containers),
        ("initContainers", ContainerList::InitContainers),
        ("ephemeralContainers", ContainerList::EphemeralContainers),
    ] {
        let mut count = 0;
        cx.each(node, key, |cx, item| {
            if containers::is_container(cx, item) {
                environment(cx, item, &mut around.secrets);
                cx.each(item, "ports", |cx, item| {
                    ports.push(network::container_port(cx, item, host.host_network));
                });
                match containers::container(cx, item, (list, count), &around) {
                    Ok(container) => kept.push(container),
                    Err(name) if name.is_empty() => {}
                    Err(name) => quiet.push(name),
                }
            }
            count += 1;
        });
        if list == ContainerList::Containers && count == 0 {
            cx.refuse_missing(node, "containers", "name at least one container");
        }
    }
    PodSpec {
        service_account_name: service_account(cx, node),
        automount_service_account_token: cx.flag(node, "automountServiceAccountToken"),
        tokens: tokens.into(),
        secrets: named(around.secrets),
        node_secrets: named(node_secrets),
        csi_drivers: named(around.csi_drivers),
        flex_drivers: named(around.flex_drivers),
        trust_bundles: named(around.trust_bundles),
        trusted_signers: named(around.trusted_signers),
        security: containers::pod_security(cx, node),
        containers: kept.into(),
        quiet_containers: quiet.into(),
        ports: ports.into(),
        ..host
    }
}

/// What a pod shares with its node, and on which nodes it runs.
fn host(cx: &mut Context<'_>, node: &Node<'_>) -> PodSpec {
    let mut flag = |key| cx.flag(node, key);
    let host_users = flag("hostUsers");
    let (host_pid, host_ipc, host_network) =
        (flag("hostPID"), flag("hostIPC"), flag("hostNetwork"));
    let share_process_namespace = flag("shareProcessNamespace") == Some(true);
    let shared = [
        ("hostPID", host_pid),
        ("hostIPC", host_ipc),
        ("hostNetwork", host_network),
    ];
    let help = "remove one of the two";
    for (key, value) in shared {
        if value == Some(true) && host_users == Some(false) {
            cx.refuse(
                node,
                &format!("has `{key}: true` and `hostUsers: false`"),
                help,
            );
        }
    }
    if share_process_namespace && host_pid == Some(true) {
        let reason = "has `shareProcessNamespace: true` and `hostPID: true`";
        cx.refuse(node, reason, help);
    }
    let mut selector = Vec::new();
    cx.text_map(node, "nodeSelector", |cx, _, key, value| {
        selector.push((cx.intern(key), cx.intern(value)));
        false
    });
    selector.sort_unstable();
    // Those for the conditions of nodes stand in every pod, and say nothing of where it may run.
    let is_of_choice = |toleration: &Toleration| !toleration.key.starts_with("node.kubernetes.io/");
    let tolerations = cx.list(node, "tolerations", toleration);
    PodSpec {
        host_pid: host_pid.unwrap_or(false),
        host_ipc: host_ipc.unwrap_or(false),
        host_network: host_network.unwrap_or(false),
        host_users,
        share_process_namespace,
        runtime_class_name: cx.text(node, "runtimeClassName"),
        tolerations: tolerations.into_iter().filter(is_of_choice).collect(),
        node_selector: selector.into(),
        ..PodSpec::default()
    }
}

fn toleration(cx: &mut Context<'_>, node: &Node<'_>) -> Toleration {
    cx.mapping(node, &TOLERATION);
    let (key, value) = (cx.text(node, "key"), cx.text(node, "value"));
    let (operator, effect) = (cx.text(node, "operator"), cx.text(node, "effect"));
    if !effect.is_empty() && !EFFECTS.contains(&&*effect) {
        let help = "write `NoSchedule`, `PreferNoSchedule`, `NoExecute` or nothing";
        cx.refuse(node, "has no such `effect`", help);
    }
    let is_equal = match &*operator {
        "" | "Equal" => true,
        "Exists" => false,
        _ => {
            cx.refuse(node, "has no such `operator`", "write `Exists` or `Equal`");
            false
        }
    };
    if key.is_empty() && is_equal {
        let help = "write `operator: Exists` to tolerate everything";
        cx.refuse(node, "has no `key` to compare", help);
    }
    Toleration {
        key,
        value: is_equal.then_some(value),
        effect,
    }
}

fn named(mut names: BTreeSet<Str>) -> Box<[Str]> {
    names.remove("");
    names.into_iter().collect()
}

/// The old field `serviceAccount` counts where `serviceAccountName` is empty
/// (upstream `pkg/apis/core/v1/conversion.go`).
fn service_account(cx: &mut Context<'_>, node: &Node<'_>) -> Str {
    let old = cx.text(node, "serviceAccount");
    let new = cx.text(node, "serviceAccountName");
    let (key, name) = if new.is_empty() {
        ("serviceAccount", old)
    } else {
        ("serviceAccountName", new)
    };
    if let Some(at) = node.field(key).filter(|_| !name.is_empty())
        && let Some(problem) = names::dns_subdomain(&name)
    {
        cx.refuse(&at, problem, "");
    }
    name
}

fn environment(cx: &mut Context<'_>, node: &Node<'_>, secrets: &mut BTreeSet<Str>) {
    cx.each(node, "envFrom", |cx, source| {
        if cx.mapping(source, &MAPPING) {
            secrets.insert(reference(cx, source, "secretRef"));
        }
    });
    cx.each(node, "env", |cx, variable| {
        if cx.mapping(variable, &MAPPING)
            && let Some(source) = cx.inner(variable, "valueFrom", &MAPPING)
        {
            secrets.insert(reference(cx, &source, "secretKeyRef"));
        }
    });
}

/// The `name` in the reference `key`; empty where there is none.
fn reference(cx: &mut Context<'_>, node: &Node<'_>, key: &str) -> Str {
    match cx.inner(node, key, &LOCAL_REFERENCE) {
        Some(reference) => cx.text(&reference, "name"),
        None => Str::default(),
    }
}

fn volume(
    cx: &mut Context<'_>,
    node: &Node<'_>,
    around: &mut Surroundings,
    node_secrets: &mut BTreeSet<Str>,
    tokens: &mut Vec<TokenMount>,
) {
    if !cx.mapping(node, &MAPPING) {
        return;
    }
    if let Some(secret) = cx.inner(node, "secret", &SECRET_VOLUME) {
        let name = cx.text(&secret, "secretName");
        if name.is_empty() {
            cx.refuse_missing(&secret, "secretName", "name the Secret");
        }
        around.secrets.insert(name);
    }
    if let Some(path) = containers::host_path(cx, node) {
        let name = cx.text(node, "name");
        around.host_paths.insert(name, path);
    }
    if let Some(claim) = cx.inner(node, "persistentVolumeClaim", &CLAIM) {
        let name = cx.text(&claim, "claimName");
        if name.is_empty() {
            cx.refuse_missing(&claim, "claimName", "name the claim");
        }
        let read_only = cx.flag(&claim, "readOnly") == Some(true);
        around
            .claims
            .insert(cx.text(node, "name"), (name, read_only));
    }
    if let Some(csi) = cx.inner(node, "csi", &MAPPING) {
        around.csi_drivers.insert(driver_name(cx, &csi));
    }
    if let Some(flex) = cx.inner(node, "flexVolume", &MAPPING) {
        around.flex_drivers.insert(driver_name(cx, &flex));
    }
    if let Some(share) = cx.inner(node, "azureFile", &MAPPING) {
        node_secrets.insert(cx.text(&share, "secretName"));
    }
    for (source, key) in VOLUME_SECRETS {
        if let Some(source) = cx.inner(node, source, &MAPPING) {
            node_secrets.insert(reference(cx, &source, key));
        }
    }
    let Some(projected) = cx.inner(node, "projected", &MAPPING) else {
        return;
    };
    cx.each(&projected, "sources", |cx, source| {
        if !cx.mapping(source, &MAPPING) {
            return;
        }
        around.secrets.insert(reference(cx, source, "secret"));
        if let Some(token) = cx.inner(source, "serviceAccountToken", &TOKEN) {
            tokens.push(token_mount(cx, &token));
        }
        if let Some(bundle) = cx.inner(source, "clusterTrustBundle", &TRUST_BUNDLE) {
            trust_bundle(cx, &bundle, around);
        }
    });
}

/// A bundle by its name, or those of a signer that a selector finds. One that is left out finds none.
fn trust_bundle(cx: &mut Context<'_>, node: &Node<'_>, around: &mut Surroundings) {
    let (name, signer) = (cx.text(node, "name"), cx.text(node, "signerName"));
    let has_selector = cx.inner(node, "labelSelector", &MAPPING).is_some();
    if name.is_empty() == signer.is_empty() {
        let help = "name one bundle, or the signer whose bundles it is about";
        cx.refuse(
            node,
            "must have a `name` or a `signerName`, and not both",
            help,
        );
    }
    around.trust_bundles.insert(name);
    if has_selector {
        around.trusted_signers.insert(signer);
    }
}

fn token_mount(cx: &mut Context<'_>, node: &Node<'_>) -> TokenMount {
    let token = TokenMount {
        audience: cx.text(node, "audience"),
        expiration_seconds: cx.integer(node, "expirationSeconds"),
    };
    if token
        .expiration_seconds
        .is_some_and(|seconds| !(600..=1 << 32).contains(&seconds))
    {
        cx.refuse(
            node,
            "has `expirationSeconds` below ten minutes or above 2^32",
            "ask for at least 600 seconds",
        );
    }
    token
}
