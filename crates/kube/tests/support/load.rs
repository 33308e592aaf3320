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

/// Makes an API server serve the constraints of OpenShift.
pub(crate) fn define_constraints(admin: &Identity) {
    admin.apply(include_str!("../openshift.yaml")).unwrap();
    let definition = "crd/securitycontextconstraints.security.openshift.io";
    let wait = [
        "wait",
        "--for=condition=established",
        "--timeout=60s",
        definition,
    ];
    admin.kubectl(&wait).unwrap().success().unwrap();
}
