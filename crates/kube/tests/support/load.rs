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
