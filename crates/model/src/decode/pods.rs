//! Pods and what makes them. Of a pod spec only the fields about identity, and about what holds containers back from
//! their node, are read; of all others neither the type nor the value is looked at.

use std::collections::BTreeSet;

use bailiwick_core::{Kind, Str};

use super::containers::{self, Surroundings};
use super::core::spec_and_status;
use super::names;
use super::reader::{Context, Node, Shape};
use crate::meta::ObjectMeta;
use crate::workload::{ContainerList, PodSpec, TokenMount, Workload};

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
        // Not read, and close to one that is.
        ("hostIPC", ""),
        ("hostNetwork", ""),
        ("nodeSelector", ""),
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

const TOKEN: Shape = Shape {
    what: "a projected service account token",
    complete: false,
    fields: &[
        ("audience", "the API server accepts the token"),
        ("expirationSeconds", "the token lives for an hour"),
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
            Some((cx.text(&inner, "nodeName"), pod_spec(cx, &inner, around)))
        }
    }
}

fn pod_spec(cx: &mut Context<'_>, node: &Node<'_>, mut around: Surroundings) -> PodSpec {
    let mut node_secrets = BTreeSet::new();
    let mut tokens = Vec::new();
    // Containers name the volumes that they mount.
    cx.each(node, "volumes", |cx, item| {
        volume(cx, item, &mut around, &mut node_secrets, &mut tokens);
    });
    cx.each(node, "imagePullSecrets", |cx, item| {
        if cx.mapping(item, &LOCAL_REFERENCE) {
            node_secrets.insert(cx.text(item, "name"));
        }
    });
    let mut kept = Vec::new();
    for (key, list) in [
        ("containers", ContainerList::Containers),
        ("initContainers", ContainerList::InitContainers),
        ("ephemeralContainers", ContainerList::EphemeralContainers),
    ] {
        let mut count = 0;
        cx.each(node, key, |cx, item| {
            if containers::is_container(cx, item) {
                environment(cx, item, &mut around.secrets);
                kept.extend(containers::container(cx, item, (list, count), &around));
            }
            count += 1;
        });
        if list == ContainerList::Containers && count == 0 {
            cx.refuse_missing(node, "containers", "name at least one container");
        }
    }
    let host_users = cx.flag(node, "hostUsers");
    let host_pid = cx.flag(node, "hostPID").unwrap_or(false);
    if host_pid && host_users == Some(false) {
        let help = "remove one of the two";
        cx.refuse(node, "has `hostPID: true` and `hostUsers: false`", help);
    }
    PodSpec {
        service_account_name: service_account(cx, node),
        automount_service_account_token: cx.flag(node, "automountServiceAccountToken"),
        tokens: tokens.into(),
        secrets: named(around.secrets),
        node_secrets: named(node_secrets),
        host_pid,
        host_users,
        security: containers::pod_security(cx, node),
        containers: kept.into(),
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
    });
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
