//! Reading as somebody.

use bailiwick_kube::{Cluster, ConnectOptions, LoadOptions, Loaded};
use bailiwick_model::{Value, YamlError};
use bailiwick_testkit::servers::Identity;

pub(crate) fn connect(identity: &Identity) -> Cluster {
    let kubeconfig = Some(identity.kubeconfig().to_owned());
    Cluster::connect(&ConnectOptions {
        kubeconfig,
        yaml: Some(json),
        ..ConnectOptions::default()
    })
    .unwrap()
}

/// JSON is YAML, and here the texts of objects are JSON.
fn json(text: &str) -> Result<Value, YamlError> {
    serde_json::from_str(text).map_err(|error| YamlError {
        line: 1,
        message: error.to_string(),
        is_ours: true,
    })
}

pub(crate) fn load(cluster: &Cluster, options: &LoadOptions) -> Loaded {
    cluster.load(options, &mut |_| {})
}

/// Makes an API server serve the kinds that Kubernetes does not bring: of TCPRoutes a version before `v1` alone.
pub(crate) fn define_custom_kinds(admin: &Identity) {
    admin.apply(include_str!("../custom.yaml")).unwrap();
    let wait = [
        "wait",
        "--for=condition=established",
        "--timeout=60s",
        "crd",
        "--all",
    ];
    admin.kubectl(&wait).unwrap().success().unwrap();
}
