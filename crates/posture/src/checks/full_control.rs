use bailiwick_diag::{Finding, Severity};

use crate::check::check;
use crate::grants::Live;
use crate::rights::is_everything;
use crate::scan::Scan;

check! {
    /// A rule with `*` as verb, group and resource allows everything. Given by a ClusterRoleBinding it is full control
    /// of the cluster: its holder reads every Secret, becomes every other identity and can undo every guard. Given by a
    /// RoleBinding it is full control of that namespace, with its service accounts and its roles.
    ///
    /// `system:masters` has these rights without a binding and is not reported. Binding that group does not add to
    /// them, and nobody can take them away from it: keep its certificates for emergencies.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// kind: ClusterRoleBinding
    /// apiVersion: rbac.authorization.k8s.io/v1
    /// metadata: {name: ci}
    /// roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
    /// subjects:
    /// - {kind: ServiceAccount, name: runner, namespace: ci}
    /// ```
    ///
    /// ## Fix
    ///
    /// - Find out what the subject really uses, and give it a role with that.
    /// - For people who need everything once in a while, give it for a limited time.
    ///
    /// See "RBAC Good Practices", section "Least privilege", in the Kubernetes documentation.
    "full-control", "Full control of the cluster or of a namespace", Critical, weighed
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let find = |rule: &bailiwick_model::PolicyRule| {
        let position = rule.resources.iter().position(|word| &**word == "*")?;
        is_everything(rule).then(|| format!("resources/{position}"))
    };
    let causes = scan.causes(Live::Anywhere, find);
    let finding = |cause: &crate::grants::Cause<'_>| {
        cause
            .finding(&CHECK, cause.by_reach(Severity::Critical), "do everything")
            .help("give a role with the verbs and resources that are used")
    };
    causes.iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{binding, bound, bound_in, check};

    #[test]
    fn cluster_admin_bound_to_others() {
        check(
            CHECK,
            &binding(
                "",
                "ci",
                "ClusterRole cluster-admin",
                "ServiceAccount ci/runner, Group system:masters",
            ),
            &[
                "critical /roleRef/name: ClusterRoleBinding `ci` lets `sa:ci/runner` do everything in the whole cluster, \
               through ClusterRole `cluster-admin`",
            ],
        );
    }

    #[test]
    fn a_default_binding_with_one_more_subject() {
        check(
            CHECK,
            &binding(
                "",
                "cluster-admin",
                "ClusterRole cluster-admin",
                "Group system:masters, User alice",
            ),
            &[
                "critical /roleRef/name: ClusterRoleBinding `cluster-admin` lets `user:alice` do everything in the whole \
               cluster, through ClusterRole `cluster-admin`",
            ],
        );
    }

    #[test]
    fn a_role_of_ones_own() {
        let rules = "{apiGroups: [''], resources: [pods], verbs: [get]}
            {apiGroups: ['*'], resources: ['*'], verbs: ['*']}";
        check(
            CHECK,
            &bound_in("shop", rules),
            &[
                "high /rules/1/resources/0: ClusterRole `r` lets `group:dev` do everything in namespace `shop`",
            ],
        );
        check(
            CHECK,
            &bound(rules),
            &[
                "critical /rules/1/resources/0: ClusterRole `r` lets `group:dev` do everything in the whole cluster",
            ],
        );
    }

    #[test]
    fn less_than_everything_and_masters() {
        let rules = "{apiGroups: ['*'], resources: ['*'], verbs: [get]}
            {apiGroups: [''], resources: ['*'], verbs: ['*']}
            {apiGroups: ['*'], resources: ['*'], verbs: ['*'], resourceNames: [x]}";
        check(CHECK, &bound(rules), &[]);
        check(
            CHECK,
            &binding("", "b", "ClusterRole cluster-admin", "Group system:masters"),
            &[],
        );
    }
}
