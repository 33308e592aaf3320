//! Objects as the API server writes them, and what identities go by of them.

use std::collections::BTreeMap;

use bailiwick_identity::pods::{Object, ObjectKind, SeenPod};
use bailiwick_model::ObjectMeta;
use serde::Deserialize;

/// Set on the object that stands for a static pod in the API (upstream `types.go`, `MirrorPodAnnotationKey`).
const MIRROR: &str = "kubernetes.io/config.mirror";
/// The UID that the kubelet calls a static pod by.
const CONFIG_HASH: &str = "kubernetes.io/config.hash";

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Meta {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) uid: String,
    pub(super) resource_version: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Plain {
    metadata: Meta,
}

#[derive(Deserialize)]
struct Pod {
    metadata: Meta,
    #[serde(default)]
    spec: PodSpec,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PodSpec {
    node_name: String,
    service_account_name: String,
    containers: Vec<Container>,
    init_containers: Vec<Container>,
    ephemeral_containers: Vec<Container>,
    volumes: Vec<Volume>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Container {
    image: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Volume {
    projected: Projected,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Projected {
    sources: Vec<Source>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Source {
    pod_certificate: PodCertificate,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PodCertificate {
    signer_name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PodStatus {
    phase: String,
}

/// An object of this kind.
pub(super) fn object(kind: ObjectKind, json: &str) -> Result<Object, serde_json::Error> {
    let plain = || serde_json::from_str::<Plain>(json).map(|plain| meta(plain.metadata));
    Ok(match kind {
        ObjectKind::Pod => Object::Pod(Box::new(pod(serde_json::from_str(json)?))),
        ObjectKind::ServiceAccount => Object::ServiceAccount(plain()?),
        ObjectKind::Node => Object::Node(plain()?),
        ObjectKind::Namespace => Object::Namespace(plain()?),
    })
}

/// Sorted, as lookups want it: the maps of the wire are.
fn meta(meta: Meta) -> ObjectMeta {
    let labels = meta.labels.into_iter();
    ObjectMeta {
        name: meta.name.into(),
        namespace: meta.namespace.into(),
        uid: meta.uid.into(),
        labels: labels
            .map(|(key, value)| (key.into(), value.into()))
            .collect(),
        ..ObjectMeta::default()
    }
}

fn pod(pod: Pod) -> SeenPod {
    let Pod {
        metadata,
        spec,
        status,
    } = pod;
    let mirror = metadata.annotations.contains_key(MIRROR);
    let hash = metadata.annotations.get(CONFIG_HASH).filter(|_| mirror);
    let config_hash = hash.cloned().unwrap_or_default();
    let containers = spec.containers.into_iter();
    let containers = containers
        .chain(spec.init_containers)
        .chain(spec.ephemeral_containers);
    let sources = spec
        .volumes
        .into_iter()
        .flat_map(|volume| volume.projected.sources);
    let signers = sources.map(|source| source.pod_certificate.signer_name);
    SeenPod {
        meta: meta(metadata),
        node: spec.node_name,
        service_account: spec.service_account_name,
        images: containers.map(|container| container.image).collect(),
        signers: signers.filter(|signer| !signer.is_empty()).collect(),
        mirror,
        config_hash,
        ended: matches!(&*status.phase, "Succeeded" | "Failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_identities_go_by_of_a_pod() {
        let json = r#"{"metadata":{"name":"web","namespace":"shop","uid":"u","labels":{"b":"2","a":"1"},
            "annotations":{"kubernetes.io/config.hash":"forged"}},
            "spec":{"nodeName":"n1","serviceAccountName":"cart","containers":[{"image":"a"}],
            "initContainers":[{"image":"b"}],"ephemeralContainers":[{"image":"c"}],
            "volumes":[{"name":"x","emptyDir":{}},{"name":"y","projected":{"sources":[{"secret":{}},
            {"podCertificate":{"signerName":"example.org/x","keyType":"ECDSAP256"}}]}}]},
            "status":{"phase":"Running"}}"#;
        let Object::Pod(pod) = object(ObjectKind::Pod, json).unwrap() else {
            panic!("another kind");
        };
        assert_eq!(pod.meta.label("b"), Some("2"));
        assert_eq!(pod.images, ["a", "b", "c"]);
        assert_eq!(pod.signers, ["example.org/x"]);
        assert_eq!((pod.mirror, pod.ended), (false, false));
        // Anybody who makes a pod can write the annotation; on a mirror pod the API server lets the node alone write it.
        assert_eq!(pod.config_hash, "");
        let json = json.replace(
            "config.hash\":",
            "config.mirror\":\"4f\",\"kubernetes.io/config.hash\":",
        );
        let Object::Pod(pod) = object(ObjectKind::Pod, &json.replace("Running", "Failed")).unwrap()
        else {
            panic!("another kind");
        };
        assert_eq!(
            (pod.mirror, pod.ended, pod.config_hash.as_str()),
            (true, true, "forged")
        );
    }
}
