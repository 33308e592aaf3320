//! Reading as somebody.

use bailiwick_kube::{Cluster, ConnectOptions, LoadOptions, Loaded};
use bailiwick_testkit::servers::Identity;

pub(crate) fn connect(identity: &Identity) -> Cluster {
    let kubeconfig = Some(identity.kubeconfig().to_owned());
    Cluster::connect(&ConnectOptions {
        kubeconfig,
        ..ConnectOptions::default()
    })
    .unwrap()
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
