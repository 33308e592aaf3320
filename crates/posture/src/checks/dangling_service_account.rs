use std::collections::{BTreeMap, BTreeSet};

use bailiwick_core::{Kind, Request, ResourceRequest, Subject};
use bailiwick_diag::{Finding, Severity};

use crate::check::check;
use crate::grants::{Holder, facts, holders_of};
use crate::scan::Scan;
use crate::words::ticked;

check! {
    /// A binding that names a service account that does not exist gives its rights to whoever creates a service account
    /// of that name. Creating service accounts is a small right, which `edit` holds in its namespace; the binding makes
    /// it the right to have whatever is bound.
    ///
    /// The finding names who may create it. In manifests the service account may be created elsewhere; the finding is
    /// less severe then.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// subjects:
    /// - {kind: ServiceAccount, name: old-deployer, namespace: shop}   # deleted last year
    /// ```
    ///
    /// ## Fix
    ///
    /// - Take the subject out of its bindings.
    ///
    /// See "RBAC Good Practices", section "Periodic review", in the Kubernetes documentation.
    "dangling-service-account", "Rights of a service account that does not exist", Medium
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let mut missing: BTreeMap<(String, String), Vec<Holder<'_>>> = BTreeMap::new();
    for binding in scan.snapshot.bindings.iter() {
        for holder in holders_of(binding) {
            if let Some(account) = absent(scan, &holder) {
                missing.entry(account).or_default().push(holder);
            }
        }
    }
    if missing.is_empty() {
        return Vec::new();
    }
    let creators = creators(scan);
    missing
        .into_iter()
        .map(|((namespace, name), holders)| {
            let mut finding = finding(scan, &namespace, &name, &holders);
            let here = creators.get(&namespace).into_iter();
            let able: BTreeSet<&String> = here.chain(creators.get("")).flatten().collect();
            if !able.is_empty() {
                let fact = format!(
                    "{} may create service accounts in `{namespace}`",
                    ticked(able)
                );
                finding.evidence.push(fact);
            }
            finding
        })
        .collect()
}

fn finding(scan: &Scan<'_>, namespace: &str, name: &str, holders: &[Holder<'_>]) -> Finding {
    let (severity, how) = match scan.snapshot.cluster.stored {
        true => (Severity::Medium, "does not exist"),
        false => (Severity::Low, "is not in the input"),
    };
    let message = format!("service account `{namespace}/{name}` has rights, but {how}");
    let mut finding = Finding::new(CHECK.id, severity, message)
        .help("take the subject out of the bindings, or create the service account");
    finding.places = holders.iter().take(3).map(Holder::place).collect();
    finding.evidence = facts(holders);
    finding
}

/// Namespace and name of the service account that this subject names, where it is missing.
///
/// `default` is made with its namespace. The service accounts of default bindings belong to controllers.
fn absent(scan: &Scan<'_>, holder: &Holder<'_>) -> Option<(String, String)> {
    let Some(Subject::ServiceAccount { namespace, name }) = holder.subject() else {
        return None;
    };
    let subject = holder.binding.subjects.get(holder.position)?;
    let known = name == "default"
        || scan
            .snapshot
            .service_accounts
            .get(&namespace, &name)
            .is_some()
        || scan.is_default_subject(holder.binding, subject)
        || !scan.is_complete(&[Kind::ServiceAccount], &namespace);
    (!known).then_some((namespace, name))
}

/// Who may create service accounts, by namespace (empty: everywhere), beyond those who may by default.
fn creators(scan: &Scan<'_>) -> BTreeMap<String, BTreeSet<String>> {
    let request = Request::from(ResourceRequest::new("create", "", "serviceaccounts"));
    let mut creators: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let able = scan.engine.who_can_everywhere(&request);
    for who in able.subjects().filter(|who| !who.is_master()) {
        for grant in who.grants() {
            let (Some(binding), Some(subject)) = (grant.binding(), grant.binding_subject()) else {
                continue;
            };
            if !scan.is_default_subject(binding, subject) {
                let own = creators.entry(grant.namespace().to_owned()).or_default();
                own.insert(who.subject().to_string());
            }
        }
    }
    creators
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{
        binding, check, check_stored, cluster_role, found, service_account, snapshot,
    };

    #[test]
    fn in_manifests_and_in_a_cluster() {
        let manifests = [
            binding(
                "shop",
                "a",
                "ClusterRole view",
                "User alice, ServiceAccount shop/gone",
            ),
            binding(
                "",
                "b",
                "ClusterRole view",
                "User system:serviceaccount:shop:gone",
            ),
        ];
        check(
            CHECK,
            &manifests.concat(),
            &[
                "low /subjects/0/name: service account `shop/gone` has rights, but is not in the input",
            ],
        );
        check_stored(
            CHECK,
            &manifests.concat(),
            &[
                "medium /subjects/0/name: service account `shop/gone` has rights, but does not exist",
            ],
        );
    }

    #[test]
    fn who_may_create_it_is_evidence() {
        let manifests = [
            binding("", "b", "ClusterRole view", "ServiceAccount shop/gone"),
            cluster_role(
                "make",
                "{apiGroups: [''], resources: [serviceaccounts], verbs: [create]}",
            ),
            binding("shop", "make", "ClusterRole make", "Group dev"),
            binding("other", "make", "ClusterRole make", "Group ops"),
        ];
        let findings = found(CHECK, snapshot(&manifests.concat()));
        assert_eq!(
            findings[0].evidence,
            [
                "sa:shop/gone through ClusterRoleBinding b",
                "`group:dev` may create service accounts in `shop`"
            ]
        );
    }

    #[test]
    fn those_that_are_there_and_default() {
        let manifests = [
            service_account("shop", "web"),
            binding(
                "shop",
                "a",
                "ClusterRole view",
                "ServiceAccount shop/web, ServiceAccount shop/default",
            ),
        ];
        check(CHECK, &manifests.concat(), &[]);
    }
}
