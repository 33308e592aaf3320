//! `scan` on a real cluster: a fresh one is clean, and the fixes that findings name mend them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test, also where it is no test function"
)]

use std::collections::BTreeSet;
use std::env;
use std::process::Command;

use bailiwick_testkit::binaries;
use bailiwick_testkit::servers::Cluster;
use serde_json::Value;

/// Problems whose findings name an exact fix, one of each, and names that a shell could take for something else.
const MENDABLE: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "it's $(unused); `true`"}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: nobody, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: -dangling, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: gone}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: view}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:masters"}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: again, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}]
---
apiVersion: v1
kind: Secret
metadata:
  name: token
  namespace: shop
  annotations: {kubernetes.io/service-account.name: default}
type: kubernetes.io/service-account-token
"#;

fn scan(cluster: &Cluster) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_bailiwick"))
        .args(["scan", "--min-severity", "info", "-o", "json"])
        .env("KUBECONFIG", cluster.admin().kubeconfig())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let list: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{stderr}"));
    assert_eq!(list["partial"], false, "{list:#}");
    let items = list["items"].as_array().unwrap().clone();
    assert_eq!(
        output.status.code(),
        Some(i32::from(!items.is_empty())),
        "{stderr}"
    );
    items
}

fn shell(cluster: &Cluster, commands: &str) {
    let kubectl = binaries::server("kubectl").unwrap();
    let path = env::join_paths(
        std::iter::once(kubectl.parent().unwrap().to_owned())
            .chain(env::split_paths(&env::var_os("PATH").unwrap())),
    );
    let output = Command::new("sh")
        .args(["-e", "-c", commands])
        .env("PATH", path.unwrap())
        .env("KUBECONFIG", cluster.admin().kubeconfig())
        .env("HOME", cluster.dir())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{commands}\n{stderr}");
}

#[test]
fn a_fresh_cluster_is_clean_and_fixes_mend() {
    let cluster = Cluster::builder().start().unwrap();
    cluster.wait_for_aggregation().unwrap();
    assert_eq!(scan(&cluster), [Value::Null; 0]);

    cluster.admin().apply(MENDABLE).unwrap();
    let found = scan(&cluster);
    let ids: BTreeSet<&str> = found
        .iter()
        .map(|finding| finding["id"].as_str().unwrap())
        .collect();
    let expected = [
        "dangling-role",
        "duplicate-binding",
        "empty-binding",
        "legacy-token",
        "masters-binding",
        "unused-role",
    ];
    assert_eq!(ids, BTreeSet::from(expected), "{found:#?}");
    for finding in &found {
        let fix = finding["fix"]["text"].as_str();
        shell(
            &cluster,
            fix.unwrap_or_else(|| panic!("no fix: {finding:#}")),
        );
    }
    assert_eq!(scan(&cluster), [Value::Null; 0]);
}
