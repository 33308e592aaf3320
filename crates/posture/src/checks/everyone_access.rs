use bailiwick_core::Subject;
use bailiwick_core::names::{AUTHENTICATED, SERVICE_ACCOUNTS};
use bailiwick_diag::{Finding, Severity};

use crate::check::check;
use crate::exposure::{Exposure, Given, given_to};
use crate::scan::Scan;

check! {
    /// The group `system:authenticated` is everybody with any credentials: every person, every node and every pod with a
    /// token. `system:serviceaccounts` is every pod with a token. Whoever breaks into one container has these rights; so
    /// has every user of the identity provider. Neither group can be left.
    ///
    /// The severity follows what is given, and is one less in a namespace: paths and named objects are info, reading is
    /// medium, writing high, and what leads to full control critical.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// subjects:
    /// - {apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:authenticated"}
    /// ```
    ///
    /// ## Fix
    ///
    /// - Name the groups and service accounts that need it.
    ///
    /// See "RBAC Good Practices", section "Least privilege", in the Kubernetes documentation.
    "everyone-access", "Access for everybody", Critical, weighed
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let everybody = |subject: &Subject| match subject {
        Subject::Group { name } => name == AUTHENTICATED || name == SERVICE_ACCOUNTS,
        _ => false,
    };
    given_to(scan, everybody)
        .map(|given| finding(&given))
        .collect()
}

fn finding(given: &Given<'_>) -> Finding {
    let severity = match given.exposure {
        Exposure::Narrow => Severity::Info,
        Exposure::Reads => Severity::Medium,
        Exposure::Writes => Severity::High,
        Exposure::Dangerous(_) => Severity::Critical,
    };
    let severity = match &*given.binding.metadata.namespace {
        "" => severity,
        _ => severity.lower(),
    };
    let whom = match given.subject.name.as_ref() {
        AUTHENTICATED => "everybody with any credentials",
        _ => "every service account",
    };
    given
        .finding(&CHECK, severity, whom)
        .help("name the groups and service accounts that need it")
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{binding, check, cluster_role};

    #[test]
    fn by_what_is_given() {
        let manifests = [
            cluster_role(
                "exec",
                "{apiGroups: [''], resources: [pods/exec], verbs: [create]}",
            ),
            binding("", "a", "ClusterRole exec", "Group system:authenticated"),
            binding(
                "shop",
                "b",
                "ClusterRole exec",
                "Group system:serviceaccounts",
            ),
            cluster_role("read", "{apiGroups: [''], resources: [pods], verbs: [get]}"),
            binding(
                "",
                "c",
                "ClusterRole read",
                "Group dev, Group system:authenticated",
            ),
        ];
        check(
            CHECK,
            &manifests.concat(),
            &[
                "critical /subjects/0/name: ClusterRoleBinding `a` gives ClusterRole `exec` to everybody with any credentials",
                "high /subjects/0/name: RoleBinding `shop/b` gives ClusterRole `exec` to every service account",
                "medium /subjects/1/name: ClusterRoleBinding `c` gives ClusterRole `read` to everybody with any credentials",
            ],
        );
    }

    #[test]
    fn groups_of_ones_own_and_the_default_ones() {
        check(
            CHECK,
            &binding(
                "",
                "a",
                "ClusterRole view",
                "Group dev, Group system:serviceaccounts:ci",
            ),
            &[],
        );
        check(CHECK, "", &[]);
    }
}
