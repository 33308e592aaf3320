use bailiwick_diag::Finding;

use crate::check::check;
use crate::grants::{Grant, Live};
use crate::rights::READ_SECRETS;
use crate::scan::Scan;

check! {
    /// `get`, `list` or `watch` on Secrets without names reads every Secret there: passwords, certificate keys,
    /// kubeconfigs, and tokens of service accounts, which make the reader that service account. `list` and `watch` show
    /// contents, not only names.
    ///
    /// A rule that names the Secrets it needs is not reported.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// rules:
    /// - apiGroups: [""]
    ///   resources: [configmaps, secrets]
    ///   verbs: [get, list, watch]
    /// ```
    ///
    /// ## Fix
    ///
    /// - Name the Secrets under `resourceNames`. `get` works then; so do `list` and `watch` with the field selector
    ///   `metadata.name=NAME`.
    /// - A pod needs no such right for a Secret that it mounts.
    ///
    /// See "RBAC Good Practices", section "Listing secrets", in the Kubernetes documentation.
    "secrets-read", "Reading every Secret", High, weighed
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    scan.report(&Grant {
        check: &CHECK,
        rights: &[READ_SECRETS],
        live: Live::Anywhere,
        does: "read every Secret",
        help: "name the Secrets that are needed under `resourceNames`, or take the right away",
    })
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{binding, bound, bound_in, check, cluster_role};

    #[test]
    fn without_names() {
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: [configmaps, secrets], verbs: [list]}"),
            &[
                "high /rules/0/resources/1: ClusterRole `r` lets `group:dev` read every Secret in the whole cluster",
            ],
        );
        check(
            CHECK,
            &bound_in(
                "shop",
                "{apiGroups: ['*'], resources: [secrets], verbs: ['*']}",
            ),
            &[
                "medium /rules/0/resources/0: ClusterRole `r` lets `group:dev` read every Secret in namespace `shop`",
            ],
        );
    }

    #[test]
    fn a_default_role_in_the_whole_cluster() {
        check(
            CHECK,
            &binding("", "editors", "ClusterRole edit", "User bob"),
            &[
                "high /roleRef/name: ClusterRoleBinding `editors` lets `user:bob` read every Secret in the whole \
               cluster, through ClusterRole `edit`",
            ],
        );
    }

    #[test]
    fn named_unbound_or_a_default_role_in_its_namespace() {
        let named = "{apiGroups: [''], resources: [secrets], verbs: [get], resourceNames: [db]}";
        check(CHECK, &bound(named), &[]);
        check(
            CHECK,
            &cluster_role("r", "{apiGroups: [''], resources: [secrets], verbs: [get]}"),
            &[],
        );
        check(
            CHECK,
            &binding("shop", "a", "ClusterRole edit", "Group dev"),
            &[],
        );
        // What aggregation adds to a default role is another check's.
        let added = "---\nkind: ClusterRole\napiVersion: rbac.authorization.k8s.io/v1\nmetadata:\n  name: extra\n  labels: \
                     {rbac.authorization.k8s.io/aggregate-to-view: 'true'}\nrules:\n- {apiGroups: [''], resources: \
                     [secrets], verbs: [get]}\n";
        let everybody = binding("", "all", "ClusterRole view", "Group dev");
        check(CHECK, &(everybody + added), &[]);
    }
}
