use bailiwick_diag::Finding;
use bailiwick_rbac::Right;

use crate::check::check;
use crate::grants::{Grant, Live};
use crate::scan::Scan;

check! {
    /// The labels of a namespace say which Pod Security Standard is enforced there, which network policies and admission
    /// webhooks apply. Whoever updates namespaces lifts these guards. A RoleBinding gives it for its own namespace.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// rules:
    /// - apiGroups: [""]
    ///   resources: [namespaces]
    ///   verbs: [get, list, patch]
    /// ```
    ///
    /// ## Fix
    ///
    /// - Leave namespaces to whoever sets the guards. A policy of admission can keep single labels from being changed.
    ///
    /// See "RBAC Good Practices", section "Namespace modification", in the Kubernetes documentation.
    "namespace-write", "Changing the labels of namespaces", Medium, weighed
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    scan.report(&Grant {
        check: &CHECK,
        rights: &[Right::new("", "namespaces", &["update", "patch"])],
        live: Live::Anywhere,
        does: "change the labels of namespaces",
        help: "take `update` and `patch` on namespaces away",
    })
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{bound, bound_in, check};

    #[test]
    fn everywhere_and_in_its_own() {
        let rule = "{apiGroups: [''], resources: [namespaces], verbs: [get, patch]}";
        check(
            CHECK,
            &bound(rule),
            &[
                "medium /rules/0/resources/0: ClusterRole `r` lets `group:dev` change the labels of namespaces in the \
               whole cluster",
            ],
        );
        check(
            CHECK,
            &bound_in("shop", rule),
            &[
                "low /rules/0/resources/0: ClusterRole `r` lets `group:dev` change the labels of namespaces in namespace \
               `shop`",
            ],
        );
    }

    #[test]
    fn reading_and_creating() {
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: [namespaces], verbs: [get, create]}"),
            &[],
        );
    }
}
