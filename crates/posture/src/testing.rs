//! Runs one check over manifests.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::LazyLock;

use bailiwick_diag::Finding;
use bailiwick_graph::Graph;
use bailiwick_input::{Defaults, LoadOptions, Source, load};
use bailiwick_model::{ApiTable, Snapshot};
use bailiwick_rbac::Engine;

use crate::Check;

/// Asserts what a check finds in manifests, with the default objects of 1.37 added: severity, pointer of the primary
/// place and message of each.
#[track_caller]
pub(crate) fn check(check: Check, manifests: &str, expected: &[&str]) {
    assert_found(&found(check, snapshot(manifests)), expected);
}

/// The same, for objects as an API server stores them.
#[track_caller]
pub(crate) fn check_stored(check: Check, manifests: &str, expected: &[&str]) {
    let mut snapshot = snapshot(manifests);
    snapshot.cluster.stored = true;
    assert_found(&found(check, snapshot), expected);
}

/// What a check finds.
pub(crate) fn found(check: Check, snapshot: Snapshot) -> Vec<Finding> {
    static API: LazyLock<ApiTable> = LazyLock::new(|| ApiTable::embedded(37).unwrap());
    let graph = Graph::new(&snapshot, BTreeMap::new());
    crate::scan_with(&[check], &Engine::new(snapshot), &API, &graph)
}

/// The objects of these manifests; none may get lost.
#[track_caller]
pub(crate) fn snapshot(manifests: &str) -> Snapshot {
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    file.write_all(manifests.as_bytes()).unwrap();
    let options = LoadOptions {
        defaults: Defaults::Minor(37),
        ..LoadOptions::default()
    };
    let loaded = load(&[Source::Path(file.path().to_owned())], &options);
    assert_eq!(loaded.snapshot.gaps, [], "{:?}", loaded.findings);
    loaded.snapshot
}

#[track_caller]
fn assert_found(findings: &[Finding], expected: &[&str]) {
    let shown: Vec<String> = findings
        .iter()
        .map(|finding| {
            let place = &finding.places[0];
            format!(
                "{} {}: {}",
                finding.severity, place.pointer, finding.message
            )
        })
        .collect();
    assert_eq!(shown, expected);
}

/// ClusterRole `r` with these rules, one a line as a flow mapping, bound in the whole cluster to group `dev`.
pub(crate) fn bound(rules: &str) -> String {
    cluster_role("r", rules) + &binding("", "a", "ClusterRole r", "Group dev")
}

/// The same, bound in a namespace.
pub(crate) fn bound_in(namespace: &str, rules: &str) -> String {
    cluster_role("r", rules) + &binding(namespace, "a", "ClusterRole r", "Group dev")
}

/// A ClusterRole with these rules, one a line as a flow mapping.
pub(crate) fn cluster_role(name: &str, rules: &str) -> String {
    role("", name, rules)
}

/// A Role, or a ClusterRole where the namespace is empty.
pub(crate) fn role(namespace: &str, name: &str, rules: &str) -> String {
    let kind = if namespace.is_empty() {
        "ClusterRole"
    } else {
        "Role"
    };
    let rules: String = rules
        .lines()
        .map(|rule| format!("- {}\n", rule.trim()))
        .collect();
    format!(
        "---\nkind: {kind}\n{}rules:\n{rules}",
        head(namespace, name)
    )
}

/// A RoleBinding, or a ClusterRoleBinding where the namespace is empty, of `KIND NAME` to subjects `KIND NAME` or
/// `ServiceAccount NAMESPACE/NAME`, separated by commas.
pub(crate) fn binding(namespace: &str, name: &str, role: &str, subjects: &str) -> String {
    let kind = if namespace.is_empty() {
        "ClusterRoleBinding"
    } else {
        "RoleBinding"
    };
    let (role_kind, role_name) = role.split_once(' ').unwrap();
    let subjects: String = subjects.split(", ").map(subject).collect();
    format!(
        "---\nkind: {kind}\n{}roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {role_kind}, name: '{role_name}'}}\n\
         subjects:\n{subjects}",
        head(namespace, name)
    )
}

/// A ServiceAccount.
pub(crate) fn service_account(namespace: &str, name: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{namespace: {namespace}, name: {name}}}\n"
    )
}

/// A Deployment whose pods have this spec, a flow mapping.
pub(crate) fn deployment(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{namespace: {namespace}, name: {name}}}\n\
         spec: {{template: {{spec: {spec}}}}}\n"
    )
}

fn head(namespace: &str, name: &str) -> String {
    let namespace = match namespace {
        "" => String::new(),
        namespace => format!(", namespace: '{namespace}'"),
    };
    format!("apiVersion: rbac.authorization.k8s.io/v1\nmetadata: {{name: '{name}'{namespace}}}\n")
}

fn subject(text: &str) -> String {
    let (kind, name) = text.split_once(' ').unwrap();
    match name.split_once('/') {
        Some((namespace, name)) if kind == "ServiceAccount" => {
            format!("- {{kind: {kind}, name: '{name}', namespace: '{namespace}'}}\n")
        }
        _ => format!("- {{apiGroup: rbac.authorization.k8s.io, kind: {kind}, name: '{name}'}}\n"),
    }
}
