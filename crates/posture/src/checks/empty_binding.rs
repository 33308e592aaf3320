use bailiwick_diag::{Finding, Place, kubectl};

use crate::check::check;
use crate::grants::holders_of;
use crate::scan::Scan;
use crate::words::quoted;

check! {
    /// A binding without subjects gives its role to nobody. Often the last subject was taken out and the binding was
    /// forgotten; whoever adds one later need not ask which role it gives. A subject that can be nobody, such as a
    /// service account without a namespace in a ClusterRoleBinding, counts as none.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// kind: RoleBinding
    /// apiVersion: rbac.authorization.k8s.io/v1
    /// metadata: {name: on-call, namespace: shop}
    /// roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}
    /// subjects: []
    /// ```
    ///
    /// ## Fix
    ///
    /// - Delete the binding.
    ///
    /// See "RBAC Good Practices", section "Periodic review", in the Kubernetes documentation.
    "empty-binding", "A binding without subjects", Low
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for binding in scan.snapshot.bindings.iter() {
        // `system:masters` is somebody, though it needs no binding; another check speaks of that.
        let somebody = holders_of(binding).next().is_some()
            || binding
                .subjects
                .iter()
                .any(|subject| &*subject.kind == "Group");
        if somebody || scan.default_binding(binding).is_some() {
            continue;
        }
        let object = binding.object_ref();
        findings.push(
            Finding::new(
                CHECK.id,
                CHECK.severity,
                format!("{} has no subjects", quoted(&object)),
            )
            .at(Place::field(object.clone(), ""))
            .help("delete the binding")
            .fix("delete the binding", kubectl::delete(&object)),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{binding, check};

    #[test]
    fn nobody_is_named() {
        let none = "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: a, namespace: shop}\n\
                    roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\n";
        check(CHECK, none, &["low : RoleBinding `shop/a` has no subjects"]);
        check(
            CHECK,
            &(none.to_owned() + "subjects: []\n"),
            &["low : RoleBinding `shop/a` has no subjects"],
        );
    }

    #[test]
    fn somebody_or_a_default_one() {
        check(CHECK, "", &[]);
        check(
            CHECK,
            &binding("shop", "a", "ClusterRole view", "User bob"),
            &[],
        );
        check(
            CHECK,
            &binding("shop", "a", "ClusterRole view", "Group system:masters"),
            &[],
        );
    }
}
