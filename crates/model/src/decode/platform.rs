//! Volumes, drivers and ways to run containers.

use bailiwick_core::Str;

use super::containers;
use super::core::spec_and_status;
use super::names;
use super::node::Node;
use super::reader::{Context, Shape};
use crate::meta::ObjectMeta;
use crate::platform::{CsiDriver, PersistentVolume, RuntimeClass, VolumeClaim};

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
