use bailiwick_diag::Finding;

use crate::check::check;
use crate::grants::{Grant, Live};
use crate::rights::RUN_IN_PODS;
use crate::scan::Scan;

check! {
    /// `create` on `pods/exec` or `pods/attach`, or `update` or `patch` on `pods/ephemeralcontainers`, runs commands in
    /// every pod there. Whoever has it reads the Secrets that the pods mount and uses the tokens of their service
    /// accounts. Reading the pod is not needed for it.
    ///
    /// `pods/*` in a rule does not give it: that is the literal name of nothing. `*/exec` does.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// rules:
    /// - apiGroups: [""]
    ///   resources: [pods/exec]
    ///   verbs: [create]
    /// ```
    ///
    /// ## Fix
    ///
    /// - Give it in the namespaces where it is needed, for the time it is needed.
    /// - `resourceNames` works here, for pods whose names are known.
    ///
    /// See "RBAC Good Practices" in the Kubernetes documentation.
    "pod-exec", "Running commands in every pod", High, weighed
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    scan.report(&Grant {
        check: &CHECK,
        rights: &RUN_IN_PODS,
        live: Live::Anywhere,
        does: "run commands in every pod",
        help: "give it in single namespaces and for a limited time, or take it away",
    })
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{bound, bound_in, check};

    #[test]
    fn without_names() {
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: [pods, pods/exec], verbs: [create]}"),
            &[
                "high /rules/0/resources/1: ClusterRole `r` lets `group:dev` run commands in every pod in the whole \
               cluster",
            ],
        );
        check(
            CHECK,
            &bound_in(
                "shop",
                "{apiGroups: ['*'], resources: ['*/ephemeralcontainers'], verbs: [patch]}",
            ),
            &[
                "medium /rules/0/resources/0: ClusterRole `r` lets `group:dev` run commands in every pod in namespace \
               `shop`",
            ],
        );
    }

    #[test]
    fn what_does_not_give_it() {
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: ['pods/*', pods], verbs: ['*']}"),
            &[],
        );
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: [pods/exec], verbs: [patch]}"),
            &[],
        );
        check(
            CHECK,
            &bound(
                "{apiGroups: [''], resources: [pods/exec], verbs: [create], resourceNames: [a]}",
            ),
            &[],
        );
    }
}
