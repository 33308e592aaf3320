use bailiwick_core::Kind;
use bailiwick_diag::{Finding, Place, Severity, kubectl};
use bailiwick_model::Binding;

use crate::check::check;
use crate::grants::{facts, holders_of};
use crate::scan::Scan;
use crate::words::quoted;

check! {
    /// A binding whose role does not exist gives nothing, until somebody creates a role of that name: then its subjects
    /// have those rights at once, and nobody granted them. Often a role was deleted and its bindings were left.
    ///
    /// In manifests the role may be created elsewhere; the finding is less severe then.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// kind: RoleBinding
    /// apiVersion: rbac.authorization.k8s.io/v1
    /// metadata: {name: deployer, namespace: shop}
    /// roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: deploy}   # the Role is `deployer`
    /// ```
    ///
    /// ## Fix
    ///
    /// - Delete the binding, or create it anew with the right role: `roleRef` cannot be changed.
    ///
    /// See "Using RBAC Authorization", section "RoleBinding and ClusterRoleBinding", in the Kubernetes documentation.
    "dangling-role", "A binding of a role that does not exist", Medium
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let bindings = scan.snapshot.bindings.iter();
    bindings
        .filter_map(|binding| finding(scan, binding))
        .collect()
}

fn finding(scan: &Scan<'_>, binding: &Binding) -> Option<Finding> {
    let role = binding.role()?;
    let absent = scan.role_of(binding).is_none() && scan.is_complete(&[role.kind], &role.namespace);
    if !absent
        || scan
            .default_binding(binding)
            .is_some_and(|own| own.role_ref == binding.role_ref)
    {
        return None;
    }
    let object = binding.object_ref();
    let (severity, how) = match scan.snapshot.cluster.stored {
        true => (Severity::Medium, "does not exist"),
        false => (Severity::Low, "is not in the input"),
    };
    let message = format!(
        "{} refers to {}, which {how}",
        quoted(&object),
        quoted(&role)
    );
    let mut finding = Finding::new(CHECK.id, severity, message)
        .at(Place::field(object.clone(), "/roleRef/name"))
        .help("delete the binding, or create it anew with a role that exists");
    finding.evidence = facts(&holders_of(binding).collect::<Vec<_>>());
    if let Some(near) = namesake(scan, binding) {
        finding = finding.because(near);
    }
    if scan.snapshot.cluster.stored {
        finding = finding.fix("delete the binding", kubectl::delete(&object));
    }
    Some(finding)
}

/// A role of the same name and the other kind is what was meant more often than not.
fn namesake(scan: &Scan<'_>, binding: &Binding) -> Option<String> {
    let (namespace, kind) = match &*binding.role_ref.kind {
        "Role" => ("", Kind::ClusterRole),
        _ => (&*binding.metadata.namespace, Kind::Role),
    };
    let role = scan.snapshot.roles.get(namespace, &binding.role_ref.name)?;
    (role.kind() == kind).then(|| format!("there is a {kind} of that name"))
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{binding, check, check_stored, cluster_role};

    #[test]
    fn in_manifests_and_in_a_cluster() {
        let manifests = binding("shop", "a", "Role gone", "User alice");
        check(
            CHECK,
            &manifests,
            &[
                "low /roleRef/name: RoleBinding `shop/a` refers to Role `shop/gone`, which is not in the input",
            ],
        );
        check_stored(
            CHECK,
            &manifests,
            &[
                "medium /roleRef/name: RoleBinding `shop/a` refers to Role `shop/gone`, which does not exist",
            ],
        );
    }

    #[test]
    fn roles_that_are_there() {
        check(
            CHECK,
            &binding("shop", "a", "ClusterRole view", "User alice"),
            &[],
        );
        let rule = "{apiGroups: [''], resources: [pods], verbs: [get]}";
        check(
            CHECK,
            &(cluster_role("r", rule) + &binding("", "a", "ClusterRole r", "User alice")),
            &[],
        );
    }
}
