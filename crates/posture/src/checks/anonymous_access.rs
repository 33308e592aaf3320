use bailiwick_core::Subject;
use bailiwick_core::names::{ANONYMOUS, UNAUTHENTICATED};
use bailiwick_diag::{Finding, Severity};

use crate::check::check;
use crate::exposure::{Exposure, given_to};
use crate::scan::Scan;

check! {
    /// The user `system:anonymous` and the group `system:unauthenticated` are everybody who reaches the API server, with
    /// no credentials at all. By default they may read the version and whether the server is well. Anything beyond that
    /// is open to the network.
    ///
    /// The severity follows what is given: paths and named objects are low, reading is high, all else is critical.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// kind: ClusterRoleBinding
    /// apiVersion: rbac.authorization.k8s.io/v1
    /// metadata: {name: dashboard}
    /// roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
    /// subjects:
    /// - {apiGroup: rbac.authorization.k8s.io, kind: User, name: "system:anonymous"}
    /// ```
    ///
    /// ## Fix
    ///
    /// - Take the subject out of the binding. A client that has to read something before it has credentials can be given
    ///   that one object by name.
    /// - An AuthenticationConfiguration can limit anonymous requests to paths such as `/livez`.
    ///
    /// See "RBAC Good Practices", section "Hardening", and "Authenticating", section "Anonymous requests", in the
    /// Kubernetes documentation.
    "anonymous-access", "Access without credentials", Critical, weighed
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let nobody = |subject: &Subject| match subject {
        Subject::User { name } => name == ANONYMOUS,
        Subject::Group { name } => name == UNAUTHENTICATED,
        Subject::ServiceAccount { .. } => false,
    };
    let severity = |exposure: &Exposure| match exposure {
        Exposure::Narrow => Severity::Low,
        Exposure::Reads => Severity::High,
        Exposure::Writes | Exposure::Dangerous(_) => Severity::Critical,
    };
    given_to(scan, nobody)
        .map(|given| {
            given
                .finding(
                    &CHECK,
                    severity(&given.exposure),
                    "whoever reaches the API server, without credentials",
                )
                .help("take the subject out of the binding")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{binding, check, cluster_role, role};

    #[test]
    fn reading_and_writing() {
        let manifests = [
            cluster_role(
                "read",
                "{apiGroups: [''], resources: [pods], verbs: [list]}",
            ),
            binding(
                "",
                "a",
                "ClusterRole read",
                "Group dev, User system:anonymous",
            ),
            cluster_role(
                "write",
                "{apiGroups: [''], resources: [pods], verbs: [delete]}",
            ),
            binding(
                "shop",
                "b",
                "ClusterRole write",
                "Group system:unauthenticated",
            ),
        ];
        check(
            CHECK,
            &manifests.concat(),
            &[
                "critical /subjects/0/name: RoleBinding `shop/b` gives ClusterRole `write` to whoever reaches the API server, \
                 without credentials",
                "high /subjects/1/name: ClusterRoleBinding `a` gives ClusterRole `read` to whoever reaches the API server, \
                 without credentials",
            ],
        );
    }

    #[test]
    fn a_named_object_matters_little() {
        let rule = "{apiGroups: [''], resources: [configmaps], verbs: [get], resourceNames: [cluster-info]}";
        let manifests = [
            role("kube-public", "info", rule),
            binding("kube-public", "info", "Role info", "User system:anonymous"),
        ];
        check(
            CHECK,
            &manifests.concat(),
            &[
                "low /subjects/0/name: RoleBinding `kube-public/info` gives Role `kube-public/info` to whoever reaches the \
               API server, without credentials",
            ],
        );
    }

    #[test]
    fn the_default_ones() {
        check(CHECK, "", &[]);
        let stored = binding(
            "",
            "system:public-info-viewer",
            "ClusterRole system:public-info-viewer",
            "Group system:authenticated, Group system:unauthenticated",
        );
        check(CHECK, &stored, &[]);
    }
}
