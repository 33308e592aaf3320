use std::collections::BTreeMap;

use bailiwick_core::Subject;
use bailiwick_diag::Finding;

use crate::check::check;
use crate::grants::{Holder, facts, holders_of};
use crate::scan::Scan;
use crate::words::count;

check! {
    /// The service account `default` is that of every pod that names none. What is bound to it, all of these pods have,
    /// also those that are added later and never asked for it.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// subjects:
    /// - {kind: ServiceAccount, name: default, namespace: shop}
    /// ```
    ///
    /// ## Fix
    ///
    /// - Make a service account for the workload that needs the rights, name it in `serviceAccountName`, and bind the
    ///   role to it.
    ///
    /// See "Configure Service Accounts for Pods" in the Kubernetes documentation and the CIS Kubernetes Benchmark, 5.1.5.
    "default-service-account", "Rights of the default service account", Medium, weighed
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let mut bound: BTreeMap<String, Vec<Holder<'_>>> = BTreeMap::new();
    for holder in scan.snapshot.bindings.iter().flat_map(holders_of) {
        match holder.subject() {
            Some(Subject::ServiceAccount { namespace, name }) if name == "default" => {
                bound.entry(namespace).or_default().push(holder);
            }
            _ => {}
        }
    }
    let users = users(scan);
    let finding = |(namespace, holders): (String, Vec<Holder<'_>>)| {
        let message = format!("service account `{namespace}/default` has rights of its own");
        let mut finding = Finding::new(CHECK.id, CHECK.severity, message)
            .help("bind the role to a service account of the workload that needs it");
        finding.places = holders.iter().take(3).map(Holder::place).collect();
        finding.evidence = facts(&holders);
        if let Some((number, example)) = users.get(&*namespace) {
            let fact = format!(
                "it is that of {}, such as {example}",
                count(*number, "workload")
            );
            finding.evidence.push(fact);
        }
        finding
    };
    bound.into_iter().map(finding).collect()
}

/// How many workloads run as the default service account of a namespace, and one of them. What a controller made
/// counts with its controller.
fn users<'a>(scan: &Scan<'a>) -> BTreeMap<&'a str, (usize, String)> {
    let mut users: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    for workload in scan.snapshot.all_workloads() {
        if workload.pod.service_account() == "default" && workload.metadata.controller.is_none() {
            users
                .entry(&workload.metadata.namespace)
                .or_insert_with(|| (0, workload.object_ref().to_string()))
                .0 += 1;
        }
    }
    users
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{binding, check, deployment, found, snapshot};

    #[test]
    fn one_finding_for_all_bindings() {
        let manifests = [
            binding(
                "shop",
                "a",
                "ClusterRole view",
                "ServiceAccount shop/default",
            ),
            binding(
                "",
                "b",
                "ClusterRole view",
                "User alice, User system:serviceaccount:shop:default",
            ),
            deployment("shop", "web", "{containers: [{name: web}]}"),
            deployment(
                "shop",
                "own",
                "{serviceAccountName: own, containers: [{name: web}]}",
            ),
        ];
        let manifests = manifests.concat();
        check(
            CHECK,
            &manifests,
            &["medium /subjects/1/name: service account `shop/default` has rights of its own"],
        );
        let findings = found(CHECK, snapshot(&manifests));
        assert_eq!(
            findings[0].evidence,
            [
                "sa:shop/default through ClusterRoleBinding b",
                "sa:shop/default through RoleBinding shop/a",
                "it is that of 1 workload, such as Deployment shop/web"
            ]
        );
    }

    #[test]
    fn other_service_accounts() {
        check(
            CHECK,
            &binding(
                "shop",
                "a",
                "ClusterRole view",
                "ServiceAccount shop/web, User default",
            ),
            &[],
        );
    }
}
