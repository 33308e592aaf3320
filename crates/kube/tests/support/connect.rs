//! Options for a real server, and what a connection that fails says.

use std::fs;
use std::path::Path;

use bailiwick_kube::{Cluster, ConnectOptions};
use bailiwick_testkit::servers;
use serde_json::json;

/// Options with this kubeconfig alone.
pub(crate) fn with(kubeconfig: &Path) -> ConnectOptions {
    ConnectOptions {
        kubeconfig: Some(kubeconfig.to_owned()),
        ..ConnectOptions::default()
    }
}

/// Options for a server with a user entry of one's own.
pub(crate) fn with_user(
    dir: &Path,
    server: &servers::Cluster,
    user: &serde_json::Value,
) -> ConnectOptions {
    let path = dir.join("config");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "own",
        "contexts": [
            {"name": "own", "context": {"cluster": "c", "user": "u", "namespace": "shop"}},
            {"name": "other", "context": {"cluster": "c", "user": "missing"}},
            {"name": "broken", "context": {"cluster": "missing", "user": "u"}},
        ],
        "clusters": [{"name": "c", "cluster": {"server": server.server(), "certificate-authority": server.ca()}}],
        "users": [{"name": "u", "user": user}],
    });
    fs::write(&path, config.to_string()).unwrap();
    with(&path)
}

/// The message with which a connection fails; it never holds what must not print.
pub(crate) fn failure(options: &ConnectOptions) -> String {
    match Cluster::connect(options) {
        Ok(cluster) => panic!("connected to {}", cluster.server()),
        Err(error) => {
            let text = format!("{error}");
            assert!(!format!("{text} {error:?}").contains("planted"), "{text}");
            text
        }
    }
}

pub(crate) fn check(options: &ConnectOptions, expected: &[&str]) {
    let text = failure(options);
    for part in expected {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

/// The token of a new service account.
pub(crate) fn service_account(server: &servers::Cluster, name: &str) -> String {
    let manifest = format!(
        "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: {name}, namespace: default}}}}"
    );
    server.admin().apply(&manifest).unwrap();
    let identity = server.service_account("default", name).unwrap();
    let text = fs::read_to_string(identity.kubeconfig()).unwrap();
    let config: serde_json::Value = serde_json::from_str(&text).unwrap();
    config["users"][0]["user"]["token"]
        .as_str()
        .unwrap()
        .to_owned()
}
