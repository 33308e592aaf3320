//! Volumes, drivers and ways to run containers.

use bailiwick_core::Str;

use super::containers;
use super::core::spec_and_status;
use super::names;
use super::node::Node;
use super::reader::{Context, Shape};
use crate::meta::ObjectMeta;
use crate::platform::{
    ApiService, CsiDriver, PersistentVolume, RuntimeClass, TrustBundle, VolumeClaim,
};

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

const CLAIM: Shape = Shape {
    what: "the spec of a PersistentVolumeClaim",
    complete: true,
    fields: &[
        ("accessModes", ""),
        ("dataSource", ""),
        ("dataSourceRef", ""),
        ("resources", ""),
        ("selector", ""),
        ("storageClassName", ""),
        ("volumeAttributesClassName", ""),
        ("volumeMode", ""),
        ("volumeName", "any volume that fits may be bound to it"),
    ],
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

const API_SERVICE: Shape = Shape {
    what: "the spec of an APIService",
    complete: true,
    fields: &[
        ("service", "the API server answers itself"),
        ("group", ""),
        ("version", ""),
        (
            "insecureSkipTLSVerify",
            "the API server wants a certificate that it can check",
        ),
        ("caBundle", ""),
        ("groupPriorityMinimum", ""),
        ("versionPriority", ""),
    ],
};

const SERVICE: Shape = Shape {
    what: "a reference to a Service",
    complete: true,
    fields: &[("namespace", ""), ("name", ""), ("port", "")],
};

const TRUST_BUNDLE: Shape = Shape {
    what: "the spec of a ClusterTrustBundle",
    complete: true,
    fields: &[
        ("signerName", "the bundle is of no signer"),
        ("trustBundle", ""),
    ],
};

const SPEC_ALONE: Shape = Shape {
    what: "a ClusterTrustBundle",
    complete: true,
    fields: &[
        ("apiVersion", ""),
        ("kind", ""),
        ("metadata", ""),
        ("spec", ""),
    ],
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

pub(super) fn claim(cx: &mut Context<'_>, root: &Node<'_>, metadata: ObjectMeta) -> VolumeClaim {
    spec_and_status(cx, root);
    let spec = cx.inner(root, "spec", &CLAIM);
    let volume = spec.map(|spec| cx.text(&spec, "volumeName"));
    VolumeClaim {
        metadata,
        volume: volume.unwrap_or_default(),
    }
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

/// Source: `ValidateAPIService` of k8s.io/kube-aggregator.
pub(super) fn api_service(
    cx: &mut Context<'_>,
    root: &Node<'_>,
    metadata: ObjectMeta,
) -> ApiService {
    spec_and_status(cx, root);
    let mut own = ApiService {
        metadata,
        ..ApiService::default()
    };
    let Some(spec) = cx.inner(root, "spec", &API_SERVICE) else {
        cx.refuse_missing(root, "spec", "say which group it is about");
        return own;
    };
    let (group, version) = (cx.text(&spec, "group"), cx.text(&spec, "version"));
    if *own.metadata.name != format!("{version}.{group}") {
        let help = "name it after them, such as `v1.shop.example`";
        cx.refuse(&spec, "has another version or group than its name", help);
    }
    if group.is_empty() && &*version != "v1" {
        cx.refuse_missing(&spec, "group", "name the API group");
    }
    let of_group = (!group.is_empty()).then(|| names::dns_subdomain(&group));
    let problems = [
        ("group", of_group.flatten()),
        ("version", names::dns_label_letter_first(&version)),
    ];
    for (key, problem) in problems {
        if let (Some(problem), Some(at)) = (problem, spec.field(key)) {
            cx.refuse(&at, problem, "");
        }
    }
    own.unverified = cx.flag(&spec, "insecureSkipTLSVerify") == Some(true);
    let is_checked = !cx.text(&spec, "caBundle").is_empty();
    let Some(service) = cx.inner(&spec, "service", &SERVICE) else {
        if own.unverified || is_checked {
            let reason = "says how to check a server, and names none";
            cx.refuse(&spec, reason, "name its `service`, or leave that out");
        }
        return own;
    };
    if own.unverified && is_checked {
        let reason = "has a `caBundle` that `insecureSkipTLSVerify` does not look at";
        cx.refuse(&spec, reason, "leave one of the two out");
    }
    own.service_namespace = cx.text(&service, "namespace");
    own.service_name = cx.text(&service, "name");
    for (key, text) in [
        ("namespace", &own.service_namespace),
        ("name", &own.service_name),
    ] {
        if text.is_empty() {
            cx.refuse_missing(&service, key, "name the Service");
        }
    }
    let port = cx.integer(&service, "port").unwrap_or(443);
    if !(1..=65_535).contains(&port) {
        cx.refuse(&service, "has a `port` that is none", "");
    }
    own
}

/// Source: `ValidateClusterTrustBundle` and `ValidateSignerName` of upstream's `pkg/apis/certificates/validation`.
pub(super) fn trust_bundle(
    cx: &mut Context<'_>,
    root: &Node<'_>,
    metadata: ObjectMeta,
) -> TrustBundle {
    cx.mapping(root, &SPEC_ALONE);
    let mut bundle = TrustBundle {
        metadata,
        ..TrustBundle::default()
    };
    let Some(spec) = cx.inner(root, "spec", &TRUST_BUNDLE) else {
        cx.refuse_missing(root, "spec", "say what to trust");
        return bundle;
    };
    bundle.signer = cx.text(&spec, "signerName");
    if cx.text(&spec, "trustBundle").is_empty() {
        cx.refuse_missing(&spec, "trustBundle", "hold at least one certificate");
    }
    let own = match bundle.metadata.name.rsplit_once(':') {
        Some((signer, _)) => signer.replacen(':', "/", 1),
        None => String::new(),
    };
    if *bundle.signer != own {
        let reason = "has a signer that its name does not start with";
        let help = "name it after the signer, such as `shop.example:web:` and more, or after none without a colon";
        cx.refuse(&spec, reason, help);
    } else if let Some(at) = spec.field("signerName").filter(|_| !own.is_empty())
        && let Some(problem) = names::signer(&own)
    {
        cx.refuse(&at, problem, "");
    }
    bundle
}
