use std::collections::BTreeSet;

use bailiwick_diag::{Finding, Place};
use bailiwick_model::Role;

use crate::check::check;
use crate::grants::{facts, holders_of};
use crate::rights::dangers;
use crate::scan::Scan;
use crate::words::quoted;

check! {
    /// A ClusterRole with the label `rbac.authorization.k8s.io/aggregate-to-view` adds its rules to `view`, for everybody
    /// who has that role now or later; likewise for `edit` and `admin`. Installers use it for custom resources. Here it
    /// adds rights of another kind than the default role has, such as reading Secrets to `view`: people were given that
    /// role because it does not have them.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// kind: ClusterRole
    /// apiVersion: rbac.authorization.k8s.io/v1
    /// metadata:
    ///   name: debug
    ///   labels: {rbac.authorization.k8s.io/aggregate-to-view: "true"}
    /// rules:
    /// - apiGroups: [""]
    ///   resources: [pods/exec]
    ///   verbs: [create]
    /// ```
    ///
    /// ## Fix
    ///
    /// - Take the label or the rule away, and bind the role to those who need it.
    ///
    /// See "Using RBAC Authorization", section "User-facing roles", in the Kubernetes documentation.
    "aggregation-escalation", "A default role with powers that others add", High
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (target, selectors) in scan.aggregated() {
        let Some(default) = scan.default_role(target) else {
            continue;
        };
        let usual: BTreeSet<&str> = default.rules.iter().flat_map(dangers).collect();
        for role in scan.snapshot.roles.in_namespace("") {
            let gathered = scan.gathers(selectors, role);
            if gathered && role.aggregation.is_none() && scan.default_role(role).is_none() {
                findings.extend(added(scan, role, target, &usual));
            }
        }
    }
    findings
}

fn added<'a>(
    scan: &Scan<'a>,
    role: &Role,
    target: &'a Role,
    usual: &BTreeSet<&str>,
) -> Vec<Finding> {
    let bindings = scan.bindings_of(target).iter();
    let holders: Vec<_> = bindings.flat_map(|binding| holders_of(binding)).collect();
    let finding = |(position, rule): (usize, _)| {
        let new: Vec<&str> = dangers(rule)
            .into_iter()
            .filter(|danger| !usual.contains(danger))
            .collect();
        if new.is_empty() {
            return None;
        }
        let message = format!(
            "{} lets everybody with {} {}",
            quoted(&role.object_ref()),
            quoted(&target.object_ref()),
            new.join("; ")
        );
        let place = Place::field(role.object_ref(), format!("/rules/{position}"));
        let mut finding = Finding::new(CHECK.id, CHECK.severity, message).at(place);
        finding.evidence = facts(&holders);
        Some(
            finding.help("take the label or the rule away, and bind the role to those who need it"),
        )
    };
    role.rules.iter().enumerate().filter_map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{binding, check, found, snapshot};

    fn labelled(target: &str, rule: &str) -> String {
        format!(
            "---\nkind: ClusterRole\napiVersion: rbac.authorization.k8s.io/v1\nmetadata:\n  name: extra\n  labels: \
             {{rbac.authorization.k8s.io/aggregate-to-{target}: 'true'}}\nrules:\n- {rule}\n"
        )
    }

    #[test]
    fn powers_that_the_default_role_lacks() {
        check(
            CHECK,
            &labelled("view", "{apiGroups: ['*'], resources: ['*'], verbs: [get]}"),
            &[
                "high /rules/0: ClusterRole `extra` lets everybody with ClusterRole `view` read Secrets; reach the \
               kubelet of nodes",
            ],
        );
        check(
            CHECK,
            &labelled(
                "edit",
                "{apiGroups: [rbac.authorization.k8s.io], resources: [roles], verbs: [bind]}",
            ),
            &[
                "high /rules/0: ClusterRole `extra` lets everybody with ClusterRole `edit` bind roles whose rights the \
               writer does not have",
            ],
        );
    }

    #[test]
    fn who_has_the_role_is_evidence() {
        let manifests = labelled(
            "view",
            "{apiGroups: [''], resources: [secrets], verbs: [get]}",
        ) + &binding("", "all", "ClusterRole view", "Group dev");
        let findings = found(CHECK, snapshot(&manifests));
        assert_eq!(
            findings[0].evidence,
            ["group:dev through ClusterRoleBinding all"]
        );
    }

    #[test]
    fn powers_that_it_has_and_custom_resources() {
        check(
            CHECK,
            &labelled(
                "edit",
                "{apiGroups: [''], resources: [secrets], verbs: [get]}",
            ),
            &[],
        );
        check(
            CHECK,
            &labelled(
                "view",
                "{apiGroups: [acme.example], resources: [widgets], verbs: ['*']}",
            ),
            &[],
        );
        check(
            CHECK,
            &labelled(
                "other",
                "{apiGroups: [''], resources: [secrets], verbs: [get]}",
            ),
            &[],
        );
    }
}
