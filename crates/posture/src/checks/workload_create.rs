use bailiwick_diag::Finding;

use crate::check::check;
use crate::grants::{Grant, Live};
use crate::rights::MAKE_PODS;
use crate::scan::Scan;

check! {
    /// Whoever creates a pod chooses its service account, and which Secrets and volumes of the namespace it mounts; the
    /// API server does not ask for a right to them. Creating or changing what makes pods, such as Deployments, is the
    /// same. In the whole cluster that reaches the service accounts of the controllers in `kube-system`, and with them
    /// full control.
    ///
    /// Whoever may do this in single namespaces has a hold of these namespaces, which is how teams work, and is not
    /// reported; see `namespace-takeover` for namespaces where that is more than it seems.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// rules:
    /// - apiGroups: [apps]
    ///   resources: [deployments]
    ///   verbs: [get, patch]       # bound by a ClusterRoleBinding
    /// ```
    ///
    /// ## Fix
    ///
    /// - Bind the role in the namespaces where it is needed, by RoleBindings.
    ///
    /// See "RBAC Good Practices", section "Workload creation", in the Kubernetes documentation.
    "workload-create", "Running pods in every namespace", High, weighed
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    scan.report(&Grant {
        check: &CHECK,
        rights: &MAKE_PODS,
        live: Live::ClusterWide,
        does: "run pods as any service account",
        help: "bind the role by RoleBindings in the namespaces where it is needed",
    })
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{bound, bound_in, check};

    #[test]
    fn in_the_whole_cluster() {
        check(
            CHECK,
            &bound("{apiGroups: [apps], resources: [deployments], verbs: [get, patch]}"),
            &[
                "high /rules/0/resources/0: ClusterRole `r` lets `group:dev` run pods as any service account in the \
               whole cluster",
            ],
        );
    }

    #[test]
    fn in_a_namespace_or_without_a_template() {
        check(
            CHECK,
            &bound_in(
                "shop",
                "{apiGroups: [''], resources: [pods], verbs: [create]}",
            ),
            &[],
        );
        check(
            CHECK,
            &bound("{apiGroups: [batch], resources: [jobs], verbs: [update, patch]}"),
            &[],
        );
        check(
            CHECK,
            &bound("{apiGroups: [apps], resources: [deployments/scale], verbs: ['*']}"),
            &[],
        );
    }
}
