use bailiwick_diag::{Finding, Severity};

use crate::check::check;
use crate::grants::{Holder, Live};
use crate::rights::{ESCALATE, WRITE_ROLES};
use crate::scan::Scan;
use crate::words::lower;

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
    "escalate-grant", "Writing roles with rights that the writer does not have", Critical
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let [of_cluster, of_namespace] = ESCALATE;
    let [write_cluster, write_namespace] = WRITE_ROLES;
    let kinds = [
        (of_cluster, write_cluster, Live::ClusterWide, "ClusterRoles"),
        (of_namespace, write_namespace, Live::Anywhere, "Roles"),
    ];
    let mut findings = Vec::new();
    for (escalate, write, live, kind) in kinds {
        let find = |rule: &_| {
            escalate
                .named_in(rule)
                .map(|position| format!("resources/{position}"))
        };
        for cause in scan.causes(live, find) {
            let mut severity = cause.by_reach(CHECK.severity);
            let writer = cause.holders.iter().find(|holder| {
                let namespace = match live {
                    Live::ClusterWide => "",
                    Live::Anywhere => &*holder.binding.metadata.namespace,
                };
                let subject = holder.subject();
                subject.is_some_and(|subject| scan.holds(&subject, namespace, &[write]))
            });
            if !cause.rule.resource_names.is_empty() {
                severity = lower(severity);
            }
            if writer.is_none() {
                severity = Severity::Low;
            }
            let does = format!("escalate {kind}");
            let finding = cause.finding(&CHECK, severity, &does);
            findings.push(match writer.and_then(Holder::subject) {
                Some(subject) => finding
                    .because(format!("{subject} can also write {kind}"))
                    .help("take `escalate` away; give the rights that are to be handed on instead"),
                None => finding
                    .because(format!(
                        "nobody of them can write {kind}, so that it has no effect now"
                    ))
                    .help("take `escalate` away"),
            });
        }
    }
    findings
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
