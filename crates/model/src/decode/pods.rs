//! Pods and what makes them. Of a pod spec only the fields about identity are read; of all others neither the type
//! nor the value is looked at.

use std::collections::BTreeSet;

use bailiwick_core::{Kind, Str};

use super::core::spec_and_status;
use super::names;
use super::reader::{Context, Node, Shape};
use crate::meta::ObjectMeta;
use crate::workload::{PodSpec, TokenMount, Workload};

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
        // Not read, and close to one that is.
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
    Workload {
        kind,
        metadata,
        pod: template(cx, root, path),
    }
}

fn template(cx: &mut Context<'_>, node: &Node<'_>, path: &[&str]) -> PodSpec {
    let (key, rest) = match path.split_first() {
        Some((key, rest)) => (*key, Some(rest)),
        None => ("spec", None),
    };
    let Some(inner) = node.field(key) else {
        cx.refuse_missing(node, key, "describe the pods that it runs");
        return PodSpec::default();
    };
    let shape = if rest.is_some() { &MAPPING } else { &POD_SPEC };
    match (cx.mapping(&inner, shape), rest) {
        (false, _) => PodSpec::default(),
        (true, Some(rest)) => template(cx, &inner, rest),
        (true, None) => pod_spec(cx, &inner),
    }
}

fn pod_spec(cx: &mut Context<'_>, node: &Node<'_>) -> PodSpec {
    let mut secrets = BTreeSet::new();
    let mut tokens = Vec::new();
    let mut containers = 0;
    cx.each(node, "containers", |cx, item| {
        containers += 1;
        container(cx, item, &mut secrets);
    });
    if containers == 0 {
        cx.refuse_missing(node, "containers", "name at least one container");
    }
    for key in ["initContainers", "ephemeralContainers"] {
        cx.each(node, key, |cx, item| container(cx, item, &mut secrets));
    }
    cx.each(node, "volumes", |cx, item| {
        volume(cx, item, &mut secrets, &mut tokens);
    });
    cx.each(node, "imagePullSecrets", |cx, item| {
        if cx.mapping(item, &LOCAL_REFERENCE) {
            secrets.insert(cx.text(item, "name"));
        }
    });
    secrets.remove("");
    PodSpec {
        service_account_name: service_account(cx, node),
        automount_service_account_token: cx.flag(node, "automountServiceAccountToken"),
        node_name: cx.text(node, "nodeName"),
        tokens: tokens.into(),
        secrets: secrets.into_iter().collect(),
    }
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

fn container(cx: &mut Context<'_>, node: &Node<'_>, secrets: &mut BTreeSet<Str>) {
    if !cx.mapping(node, &MAPPING) {
        return;
    }
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
    secrets: &mut BTreeSet<Str>,
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
        secrets.insert(name);
    }
    if let Some(share) = cx.inner(node, "azureFile", &MAPPING) {
        secrets.insert(cx.text(&share, "secretName"));
    }
    for (source, key) in VOLUME_SECRETS {
        if let Some(source) = cx.inner(node, source, &MAPPING) {
            secrets.insert(reference(cx, &source, key));
        }
    }
    let Some(projected) = cx.inner(node, "projected", &MAPPING) else {
        return;
    };
    cx.each(&projected, "sources", |cx, source| {
        if !cx.mapping(source, &MAPPING) {
            return;
        }
        secrets.insert(reference(cx, source, "secret"));
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
