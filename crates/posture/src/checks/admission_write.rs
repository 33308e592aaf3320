use bailiwick_diag::Finding;

use crate::check::check;
use crate::grants::{Grant, Live};
use crate::rights::CHANGE_ADMISSION;
use crate::scan::Scan;

check! {
    /// A webhook or policy of admission sees every object that it asks for, Secrets among them, and a mutating one
    /// rewrites them: it can put a container into every pod. Whoever writes these configurations has that power.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// rules:
    /// - apiGroups: [admissionregistration.k8s.io]
    ///   resources: [mutatingwebhookconfigurations]
    ///   verbs: [get, list, watch, patch]
    /// ```
    ///
    /// ## Fix
    ///
    /// - An operator that renews the certificate of its own webhook needs `update` or `patch` on that name alone: put it
    ///   under `resourceNames`.
    ///
    /// See "RBAC Good Practices", section "Control admission webhooks", in the Kubernetes documentation.
    "admission-write", "Changing what is admitted", High, weighed
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    scan.report(&Grant {
        check: &CHECK,
        rights: &CHANGE_ADMISSION,
        live: Live::ClusterWide,
        does: "change webhooks and policies of admission",
        help: "name the configurations under `resourceNames`, or take the right away",
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
            &bound(
                "{apiGroups: [admissionregistration.k8s.io], resources: [mutatingwebhookconfigurations], verbs: [patch]}",
            ),
            &[
                "high /rules/0/resources/0: ClusterRole `r` lets `group:dev` change webhooks and policies of admission \
               in the whole cluster",
            ],
        );
    }

    #[test]
    fn named_read_or_dead() {
        let rule =
            "apiGroups: [admissionregistration.k8s.io], resources: [mutatingwebhookconfigurations]";
        check(
            CHECK,
            &bound(&format!("{{{rule}, verbs: [patch], resourceNames: [own]}}")),
            &[],
        );
        check(CHECK, &bound(&format!("{{{rule}, verbs: [get]}}")), &[]);
        check(
            CHECK,
            &bound_in("shop", &format!("{{{rule}, verbs: [patch]}}")),
            &[],
        );
    }
}
