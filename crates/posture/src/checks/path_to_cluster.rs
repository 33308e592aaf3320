use crate::check::check;

check! {
    /// Somebody gets to full control of the cluster, and it comes down to one thing: a rule, a subject of a binding, or a
    /// setting. Each such cause is one finding, however many get there through it, and without all of them nobody does.
    /// A cause that another check reports too is reported there.
    ///
    /// The evidence is the shortest path that rests on it, step by step; the kinds of steps are
    /// [edges](../edges/README.md) with a page each. [How findings are ranked](../scan.md) says how far and how easily
    /// count. Those of the control plane are no start, and what the API server creates for itself is no cause.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// kind: ClusterRole
    /// rules:
    /// - {apiGroups: [""], resources: [secrets], verbs: [create, get]}   # a Secret may ask for any token
    /// ```
    ///
    /// ## Fix
    ///
    /// - Take the cause away; the finding has the command.
    /// - Where it has to stay, mark its object with the annotation `bailiwick.dev/needed: "why"`. Then what leads to it
    ///   is a cause.
    /// - `bailiwick fix` finds the fewest changes that close every path.
    "path-to-cluster", "Ways to full control of the cluster", Critical, to Cluster
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{binding, bound, check, cluster_role, deployment, service_account};

    const ESCALATE: &str = "{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [escalate, patch], \
                            resourceNames: [r]}";

    #[test]
    fn a_rule_however_many_have_it() {
        let manifests = [
            cluster_role("r", ESCALATE),
            binding("", "a", "ClusterRole r", "Group dev, User eve"),
            binding("", "b", "ClusterRole r", "ServiceAccount shop/web"),
            service_account("shop", "web"),
            deployment(
                "shop",
                "web",
                "{serviceAccountName: web, containers: [{name: web}]}",
            ),
        ];
        check(
            CHECK,
            &manifests.concat(),
            &[
                "critical /rules/0: ClusterRole r, rule 1, takes `user eve`, `group dev` and 2 others to full control of the \
                 cluster",
            ],
        );
    }

    #[test]
    fn a_subject_where_the_role_is_everybodys() {
        let manifests = binding(
            "",
            "a",
            "ClusterRole cluster-admin",
            "Group system:masters, User eve",
        );
        check(
            CHECK,
            &manifests,
            &[
                "critical /subjects/1: ClusterRoleBinding a, subject 2, takes `user eve` to full control of the cluster",
            ],
        );
    }

    #[test]
    fn what_is_marked_as_needed_is_no_cause_but_what_leads_to_it_is() {
        let exec = "{apiGroups: [''], resources: [pods/exec], verbs: [create]}";
        let manifests = [
            binding(
                "",
                "gitops",
                "ClusterRole cluster-admin",
                "ServiceAccount ops/gitops",
            )
            .replacen(
                "name: 'gitops'",
                "name: 'gitops', annotations: {bailiwick.dev/needed: applies everything}",
                1,
            ),
            service_account("ops", "gitops"),
            deployment(
                "ops",
                "gitops",
                "{serviceAccountName: gitops, containers: [{name: gitops}]}",
            ),
            bound(exec),
        ];
        check(
            CHECK,
            &manifests.concat(),
            &[
                "critical /rules/0: ClusterRole r, rule 1, takes `group dev` to full control of the cluster",
            ],
        );
    }

    #[test]
    fn reading_pods_and_the_defaults() {
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: [pods], verbs: [get]}"),
            &[],
        );
    }
}
