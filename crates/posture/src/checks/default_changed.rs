use bailiwick_diag::{Finding, Place};
use bailiwick_model::{Binding, Role};

use crate::check::check;
use crate::scan::Scan;
use crate::words::{count, quoted, ticked};

check! {
    /// The API server creates roles and bindings for itself and for the controllers. This one gives more than the API
    /// server made it give. At every start the API server adds what is missing to these objects; what was added by
    /// others stays, and nobody looks for it there.
    ///
    /// What aggregation adds to `admin`, `edit` and `view` is not meant here.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// kind: ClusterRoleBinding
    /// apiVersion: rbac.authorization.k8s.io/v1
    /// metadata: {name: cluster-admin}
    /// roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
    /// subjects:
    /// - {apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:masters"}
    /// - {apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}   # added
    /// ```
    ///
    /// ## Fix
    ///
    /// - Take the addition out, and put it into a role or binding of its own where it is needed.
    ///
    /// See "Using RBAC Authorization", section "Default roles and role bindings", in the Kubernetes documentation.
    "default-changed", "A default role or binding that gives more", Medium
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let roles = scan
        .snapshot
        .roles
        .iter()
        .filter_map(|role| changed_role(scan, role));
    let bindings = scan
        .snapshot
        .bindings
        .iter()
        .filter_map(|binding| changed_binding(scan, binding));
    roles.chain(bindings).collect()
}

fn changed_role(scan: &Scan<'_>, role: &Role) -> Option<Finding> {
    if role.aggregation.is_some() || scan.default_role(role).is_none() {
        return None;
    }
    let added: Vec<usize> = role
        .rules
        .iter()
        .enumerate()
        .filter(|(_, rule)| !scan.is_default_rule(role, rule))
        .map(|(position, _)| position)
        .collect();
    let first = added.first()?;
    let object = role.object_ref();
    let message = format!(
        "{} has {} that the API server did not give it",
        quoted(&object),
        count(added.len(), "rule")
    );
    Some(
        Finding::new(CHECK.id, CHECK.severity, message)
            .at(Place::field(object, format!("/rules/{first}")))
            .help("take it out and put it into a role of its own"),
    )
}

fn changed_binding(scan: &Scan<'_>, binding: &Binding) -> Option<Finding> {
    scan.default_binding(binding)?;
    let added: Vec<_> = binding
        .subjects
        .iter()
        .enumerate()
        .filter(|(_, subject)| !scan.is_default_subject(binding, subject))
        .collect();
    let (first, _) = added.first()?;
    let object = binding.object_ref();
    let message = format!(
        "{} names {}, which the API server did not put there",
        quoted(&object),
        ticked(added.iter().map(|(_, subject)| &subject.name))
    );
    Some(
        Finding::new(CHECK.id, CHECK.severity, message)
            .at(Place::field(object, format!("/subjects/{first}/name")))
            .help("take it out and put it into a binding of its own"),
    )
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{binding, check, cluster_role};

    #[test]
    fn a_subject_or_a_rule_more() {
        check(
            CHECK,
            &binding(
                "",
                "cluster-admin",
                "ClusterRole cluster-admin",
                "Group system:masters, User alice",
            ),
            &[
                "medium /subjects/1/name: ClusterRoleBinding `cluster-admin` names `alice`, which the API server did not put \
               there",
            ],
        );
        let rules = "{nonResourceURLs: [/livez], verbs: [get]}
            {apiGroups: [''], resources: [pods], verbs: [get]}";
        check(
            CHECK,
            &cluster_role("system:public-info-viewer", rules),
            &[
                "medium /rules/1: ClusterRole `system:public-info-viewer` has 1 rule that the API server did not give it",
            ],
        );
    }

    #[test]
    fn as_created_or_less() {
        check(CHECK, "", &[]);
        check(
            CHECK,
            &cluster_role(
                "system:public-info-viewer",
                "{nonResourceURLs: [/livez], verbs: [get]}",
            ),
            &[],
        );
        check(
            CHECK,
            &binding(
                "",
                "cluster-admin",
                "ClusterRole cluster-admin",
                "Group system:masters",
            ),
            &[],
        );
    }
}
