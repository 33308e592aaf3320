//! Volumes, drivers, ways to run containers, and webhooks of admission.

use bailiwick_core::{Kind, Str};

use super::containers;
use super::core::spec_and_status;
use super::names;
use super::reader::{Context, Node, Shape};
use crate::meta::ObjectMeta;
use crate::platform::{CsiDriver, PersistentVolume, RuntimeClass, Webhook, WebhookConfiguration};

/// Any mapping; its other fields are not read.
const MAPPING: Shape = Shape {
    what: "a mapping",
    complete: false,
    fields: &[],
};

const VOLUME: Shape = Shape {
    what: "the spec of a PersistentVolume",
    complete: false,
    fields: &[
        ("hostPath", "it is no path of the node"),
        ("local", "it is no path of the node"),
        ("csi", ""),
        ("claimRef", "it is bound to no claim"),
        // Not read, and close to one that is.
        ("fc", ""),
        ("nfs", ""),
        ("rbd", ""),
    ],
};

const LOCAL: Shape = Shape {
    what: "a local volume",
    complete: true,
    fields: &[("path", ""), ("fsType", "")],
};

const DRIVER: Shape = Shape {
    what: "the spec of a CSIDriver",
    complete: false,
    fields: &[("volumeLifecycleModes", "its volumes need a claim")],
};

const RUNTIME_CLASS: Shape = Shape {
    what: "a RuntimeClass",
    complete: true,
    fields: &[
        ("apiVersion", ""),
        ("kind", ""),
        ("metadata", ""),
        ("handler", ""),
        ("overhead", ""),
        ("scheduling", ""),
    ],
};

const CONFIGURATION: Shape = Shape {
    what: "a configuration of webhooks",
    complete: true,
    fields: &[
        ("apiVersion", ""),
        ("kind", ""),
        ("metadata", ""),
        ("webhooks", "nothing is asked of it"),
    ],
};

const SELECTOR: Shape = Shape {
    what: "a label selector",
    complete: true,
    fields: &[
        (
            "matchExpressions",
            "the webhook is asked in every namespace",
        ),
        ("matchLabels", "the webhook is asked in every namespace"),
    ],
};

const EXPRESSION: Shape = Shape {
    what: "an expression of a label selector",
    complete: true,
    fields: &[("key", ""), ("operator", ""), ("values", "")],
};

/// The label of a namespace that is its name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

macro_rules! webhook {
    ($($more:expr),*) => {
        Shape {
            what: "a webhook",
            complete: true,
            fields: &[
                ("name", ""),
                ("clientConfig", ""),
                ("failurePolicy", "objects are refused where it does not answer"),
                ("admissionReviewVersions", ""),
                ("matchConditions", ""),
                ("matchPolicy", ""),
                ("namespaceSelector", ""),
                ("objectSelector", ""),
                ("rules", ""),
                ("sideEffects", ""),
                ("timeoutSeconds", ""),
                $($more),*
            ],
        }
    };
}

const VALIDATING_WEBHOOK: Shape = webhook!();
const MUTATING_WEBHOOK: Shape = webhook!(("reinvocationPolicy", ""));

const CLIENT: Shape = Shape {
    what: "the place of a webhook",
    complete: true,
    fields: &[("url", ""), ("service", ""), ("caBundle", "")],
};

const SERVICE: Shape = Shape {
    what: "a reference to a Service",
    complete: true,
    fields: &[("namespace", ""), ("name", ""), ("path", ""), ("port", "")],
};

pub(super) fn volume(
    cx: &mut Context<'_>,
    root: &Node<'_>,
    metadata: ObjectMeta,
) -> PersistentVolume {
    spec_and_status(cx, root);
    let mut volume = PersistentVolume {
        metadata,
        ..PersistentVolume::default()
    };
    let Some(spec) = cx.inner(root, "spec", &VOLUME) else {
        cx.refuse_missing(root, "spec", "describe the volume");
        return volume;
    };
    if let Some(path) = containers::host_path(cx, &spec) {
        volume.path = path;
    }
    if let Some(local) = cx.inner(&spec, "local", &LOCAL) {
        volume.path = containers::path_of(cx, &local);
        volume.local = true;
    }
    if let Some(csi) = cx.inner(&spec, "csi", &MAPPING) {
        volume.driver = driver_name(cx, &csi);
        for key in [
            "controllerPublishSecretRef",
            "nodeStageSecretRef",
            "nodePublishSecretRef",
            "controllerExpandSecretRef",
            "nodeExpandSecretRef",
        ] {
            cx.inner(&csi, key, &MAPPING);
        }
    }
    if let Some(claim) = cx.inner(&spec, "claimRef", &MAPPING) {
        volume.claim_namespace = cx.text(&claim, "namespace");
        volume.claim_name = cx.text(&claim, "name");
    }
    volume
}

/// The name of a driver of volumes.
pub(super) fn driver_name(cx: &mut Context<'_>, node: &Node<'_>) -> Str {
    let name = cx.text(node, "driver");
    if name.is_empty() {
        cx.refuse_missing(node, "driver", "name the driver");
    }
    name
}

pub(super) fn driver(cx: &mut Context<'_>, root: &Node<'_>, metadata: ObjectMeta) -> CsiDriver {
    spec_and_status(cx, root);
    let mut inline = false;
    if let Some(spec) = cx.inner(root, "spec", &DRIVER) {
        for mode in &cx.texts(&spec, "volumeLifecycleModes") {
            match &**mode {
                "Ephemeral" => inline = true,
                "Persistent" => {}
                _ => cx.refuse(
                    &spec,
                    "has an unknown mode in `volumeLifecycleModes`",
                    "write `Persistent` or `Ephemeral`",
                ),
            }
        }
    }
    CsiDriver { metadata, inline }
}

pub(super) fn runtime_class(
    cx: &mut Context<'_>,
    root: &Node<'_>,
    metadata: ObjectMeta,
) -> RuntimeClass {
    cx.mapping(root, &RUNTIME_CLASS);
    for key in ["overhead", "scheduling"] {
        cx.inner(root, key, &MAPPING);
    }
    let handler = cx.text(root, "handler");
    match (names::dns_label(&handler), root.field("handler")) {
        (Some(problem), Some(at)) => cx.refuse(&at, problem, ""),
        (Some(_), None) => cx.refuse_missing(root, "handler", "name a handler of the node"),
        (None, _) => {}
    }
    RuntimeClass { metadata, handler }
}

pub(super) fn webhooks(
    cx: &mut Context<'_>,
    root: &Node<'_>,
    metadata: ObjectMeta,
) -> WebhookConfiguration {
    cx.mapping(root, &CONFIGURATION);
    let webhooks = cx.list(root, "webhooks", webhook);
    WebhookConfiguration {
        metadata,
        mutating: cx.kind == Kind::MutatingWebhookConfiguration,
        webhooks,
    }
}

/// Whether labels of namespaces are selected by that somebody can change: the API server sets the name by itself.
fn selects(cx: &mut Context<'_>, selector: &Node<'_>) -> bool {
    let mut found = false;
    cx.text_map(selector, "matchLabels", |_, _, key, _| {
        found |= key != NAME_LABEL;
        false
    });
    cx.each(selector, "matchExpressions", |cx, expression| {
        if cx.mapping(expression, &EXPRESSION) {
            found |= &*cx.text(expression, "key") != NAME_LABEL;
            let operator = cx.text(expression, "operator");
            let is_known = matches!(&*operator, "In" | "NotIn" | "Exists" | "DoesNotExist");
            if !is_known {
                let help = "write `In`, `NotIn`, `Exists` or `DoesNotExist`";
                cx.refuse(expression, "has no such `operator`", help);
            }
            cx.texts(expression, "values");
        }
    });
    found
}

fn webhook(cx: &mut Context<'_>, node: &Node<'_>) -> Webhook {
    let shape = match cx.kind {
        Kind::MutatingWebhookConfiguration => &MUTATING_WEBHOOK,
        _ => &VALIDATING_WEBHOOK,
    };
    if !cx.mapping(node, shape) {
        return Webhook::default();
    }
    let mut webhook = Webhook {
        name: cx.text(node, "name"),
        ..Webhook::default()
    };
    if webhook.name.split('.').count() < 3 || names::dns_subdomain(&webhook.name).is_some() {
        let help = "give it a `name` of at least three parts, such as `pods.shop.example`";
        cx.refuse(node, "has no full name", help);
    }
    if let Some(selector) = cx.inner(node, "namespaceSelector", &SELECTOR) {
        webhook.by_namespace = selects(cx, &selector);
    }
    match &*cx.text(node, "failurePolicy") {
        "" | "Fail" => {}
        "Ignore" => webhook.fails_open = true,
        _ => cx.refuse(
            node,
            "has no such `failurePolicy`",
            "write `Fail` or `Ignore`",
        ),
    }
    let Some(client) = cx.inner(node, "clientConfig", &CLIENT) else {
        cx.refuse_missing(node, "clientConfig", "say where the webhook is");
        return webhook;
    };
    let url = cx.text(&client, "url");
    let service = cx.inner(&client, "service", &SERVICE);
    if url.is_empty() == service.is_none() {
        cx.refuse(
            &client,
            "must have a `url` or a `service`, and not both",
            "",
        );
    }
    if let Some(service) = service {
        webhook.service_namespace = cx.text(&service, "namespace");
        webhook.service_name = cx.text(&service, "name");
        for (key, text) in [
            ("namespace", &webhook.service_namespace),
            ("name", &webhook.service_name),
        ] {
            if text.is_empty() {
                cx.refuse_missing(&service, key, "name the Service");
            }
        }
    }
    webhook
}
