use bailiwick_core::names::MASTERS;
use bailiwick_diag::{Finding, Place, kubectl};

use crate::check::check;
use crate::scan::Scan;
use crate::words::quoted;

check! {
    /// The API server allows everything to the group `system:masters` before it looks at roles. A binding that names the
    /// group gives it nothing, and deleting the binding takes nothing away: it only looks as if access were managed
    /// there.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// subjects:
    /// - {apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:masters"}
    /// ```
    ///
    /// ## Fix
    ///
    /// - Take the subject out. Look for the certificates that carry the group instead: they cannot be revoked.
    ///
    /// See "RBAC Good Practices", section "Least privilege", in the Kubernetes documentation.
    "masters-binding", "A binding of system:masters, which needs none", Low
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for binding in scan.snapshot.bindings.iter() {
        for (position, subject) in binding.subjects.iter().enumerate() {
            let masters = &*subject.kind == "Group" && &*subject.name == MASTERS;
            if !masters || scan.is_default_subject(binding, subject) {
                continue;
            }
            let object = binding.object_ref();
            let message = format!(
                "{} gives `{MASTERS}` nothing: that group may do everything",
                quoted(&object)
            );
            let pointer = format!("/subjects/{position}");
            let name = format!("{pointer}/name");
            let command = kubectl::remove(&object, &pointer, &name, MASTERS);
            findings.push(
                Finding::new(CHECK.id, CHECK.severity, message)
                    .at(Place::field(object, name))
                    .help("take the subject out of the binding")
                    .fix("take the subject out", command),
            );
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{binding, check};

    #[test]
    fn named_by_a_binding() {
        check(
            CHECK,
            &binding(
                "shop",
                "a",
                "ClusterRole view",
                "Group dev, Group system:masters",
            ),
            &[
                "low /subjects/1/name: RoleBinding `shop/a` gives `system:masters` nothing: that group may do everything",
            ],
        );
    }

    #[test]
    fn the_default_binding_and_a_user_of_that_name() {
        check(CHECK, "", &[]);
        check(
            CHECK,
            &binding("", "a", "ClusterRole view", "User system:masters"),
            &[],
        );
    }
}
