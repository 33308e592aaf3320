use bailiwick_diag::{Finding, Severity};
use bailiwick_model::PolicyRule;
use bailiwick_rbac::Right;

use crate::check::check;
use crate::grants::{Cause, Live};
use crate::rights::{ESCALATE, WRITE_ROLES};
use crate::scan::Scan;

check! {
    /// The API server lets nobody write rights into a role that they do not have themselves. The verb `escalate` on
    /// roles or clusterroles lifts that guard. With `update` or `patch` on a role that is bound to oneself, it is every
    /// right of the cluster, or of the namespace.
    ///
    /// Without a right to write roles `escalate` has no effect; it is reported as less severe then.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// rules:
    /// - apiGroups: [rbac.authorization.k8s.io]
    ///   resources: [clusterroles]
    ///   verbs: [get, update, escalate]
    /// ```
    ///
    /// ## Fix
    ///
    /// - Give the writer the rights that it is to hand on instead: then it needs no `escalate`.
    /// - Where an operator has to have it, name the roles under `resourceNames`. On `create` names have no effect.
    ///
    /// See "Using RBAC Authorization", section "Privilege escalation prevention and bootstrapping", in the Kubernetes
    /// documentation.
    "escalate-grant", "Writing roles with rights that the writer does not have", Critical, weighed
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let [cluster_roles, roles] = ESCALATE;
    let [write_cluster_roles, write_roles] = WRITE_ROLES;
    let find = |right: Right| {
        move |rule: &PolicyRule| Some(format!("resources/{}", right.named_in(rule)?))
    };
    let mut findings = Vec::new();
    for cause in scan.causes(Live::ClusterWide, find(cluster_roles)) {
        findings.push(finding(
            scan,
            &cause,
            "ClusterRoles",
            &[write_cluster_roles],
        ));
    }
    for cause in scan.causes(Live::Anywhere, find(roles)) {
        // A rule on both kinds that holds in the whole cluster is reported above.
        if !cause.is_cluster_wide() || cluster_roles.named_in(cause.rule).is_none() {
            findings.push(finding(scan, &cause, "Roles", &[write_roles]));
        }
    }
    findings
}

fn finding(scan: &Scan<'_>, cause: &Cause<'_>, kind: &str, write: &[Right]) -> Finding {
    let writer = cause
        .reached()
        .into_iter()
        .find(|(subject, namespace)| scan.holds(subject, namespace, write));
    let mut severity = cause.by_reach(CHECK.severity);
    if !cause.rule.resource_names.is_empty() {
        severity = severity.lower();
    }
    if writer.is_none() {
        severity = Severity::Low;
    }
    let finding = cause.finding(&CHECK, severity, &format!("escalate {kind}"));
    match writer {
        Some((subject, _)) => finding
            .because(format!("{subject} can also write {kind}"))
            .help("take `escalate` away; give the rights that are to be handed on instead"),
        None => finding
            .because(format!(
                "nobody of them can write {kind}, so that it has no effect now"
            ))
            .help("take `escalate` away"),
    }
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{bound, bound_in, check};

    #[test]
    fn with_the_right_to_write() {
        check(
            CHECK,
            &bound(
                "{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [escalate, patch]}",
            ),
            &[
                "critical /rules/0/resources/0: ClusterRole `r` lets `group:dev` escalate ClusterRoles in the whole \
               cluster",
            ],
        );
        check(
            CHECK,
            &bound_in(
                "shop",
                "{apiGroups: [rbac.authorization.k8s.io], resources: [roles], verbs: ['*']}",
            ),
            &[
                "high /rules/0/resources/0: ClusterRole `r` lets `group:dev` escalate Roles in namespace `shop`",
            ],
        );
    }

    #[test]
    fn both_kinds_in_one_rule_are_one_finding() {
        let rule = "{apiGroups: [rbac.authorization.k8s.io], resources: [roles, clusterroles], verbs: [escalate, patch]}";
        check(
            CHECK,
            &bound(rule),
            &[
                "critical /rules/0/resources/1: ClusterRole `r` lets `group:dev` escalate ClusterRoles in the whole cluster",
            ],
        );
        check(
            CHECK,
            &bound_in("shop", rule),
            &[
                "high /rules/0/resources/0: ClusterRole `r` lets `group:dev` escalate Roles in namespace `shop`",
            ],
        );
    }

    #[test]
    fn alone_it_does_nothing() {
        check(
            CHECK,
            &bound(
                "{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [escalate]}",
            ),
            &[
                "low /rules/0/resources/0: ClusterRole `r` lets `group:dev` escalate ClusterRoles in the whole cluster",
            ],
        );
    }

    #[test]
    fn a_role_binding_does_not_reach_cluster_roles() {
        let rule = "{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [escalate, patch]}";
        check(CHECK, &bound_in("shop", rule), &[]);
        check(
            CHECK,
            &bound(
                "{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [update, patch]}",
            ),
            &[],
        );
    }
}
