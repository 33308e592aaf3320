#![allow(
    clippy::needless_pass_by_value,
    reason = "cases are literals that nobody needs afterwards"
)]

mod contradiction;
mod decode;
mod explain;
mod import;
mod tally;

use bailiwick_model::{ObjectMeta, Value};
use serde_json::json;

use super::*;
use crate::facts::{Facts, Pod, Process};

fn value(json: &serde_json::Value) -> Value {
    serde_json::from_value(json.clone()).unwrap()
}

/// A rule with this spec, in a namespace where one is given.
fn rule(namespace: &str, name: &str, spec: serde_json::Value) -> Result<Rule, DecodeError> {
    let mut metadata = json!({"name": name});
    let mut kind = "WorkloadIdentity";
    if !namespace.is_empty() {
        metadata["namespace"] = json!(namespace);
        kind = "NamespaceWorkloadIdentity";
    }
    let document = json!({
        "apiVersion": "bailiwick.dev/v1alpha1", "kind": kind,
        "metadata": metadata, "spec": spec,
    });
    decode(&value(&document))
}

fn meta(namespace: &str, name: &str, labels: &[(&str, &str)]) -> ObjectMeta {
    let mut labels: Vec<_> = labels
        .iter()
        .map(|(k, v)| ((*k).into(), (*v).into()))
        .collect();
    labels.sort();
    ObjectMeta {
        labels: labels.into(),
        ..ObjectMeta::named(namespace, name)
    }
}

fn pod() -> Facts {
    let pod = Pod {
        meta: meta("shop", "web-1", &[("app", "web"), ("tier", "front")]),
        namespace: meta("", "shop", &[("team", "a")]),
        node: meta("", "n1", &[("zone", "z1")]),
        service_account: "web".into(),
        images: vec!["reg/web:1".into(), "reg/mesh:2".into()],
        own_image: None,
    };
    Facts {
        pod: Some(pod),
        process: None,
    }
}

fn process() -> Facts {
    let process = Process {
        pid: 7,
        uid: 1000,
        gid: 100,
        groups: vec![20, 44],
        path: Some("/usr/bin/web".into()),
    };
    Facts {
        process: Some(process),
        pod: None,
    }
}
