use bailiwick_core::{Kind, Str};
use bailiwick_diag::{Finding, Place};
use bailiwick_model::{PolicyRule, Role};

use crate::check::check;
use crate::grants::{facts, holders_of};
use crate::rights::{MOST_COMBINATIONS, combinations};
use crate::scan::Scan;
use crate::words::{quoted, ticked};

check! {
    /// A RoleBinding gives rights in its namespace. Nodes, PersistentVolumes, ClusterRoles and paths such as `/metrics`
    /// have no namespace, so that rules on them do nothing in a role that only RoleBindings give. `kubectl auth can-i
    /// --list` shows them all the same.
    ///
    /// Namespaces are an exception: a RoleBinding governs requests on its own Namespace, though not creating and listing
    /// them.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// kind: Role
    /// apiVersion: rbac.authorization.k8s.io/v1
    /// metadata: {name: monitoring, namespace: shop}
    /// rules:
    /// - apiGroups: [""]
    ///   resources: [pods, nodes]    # `nodes` does nothing
    ///   verbs: [list]
    /// ```
    ///
    /// ## Fix
    ///
    /// - Where the right is needed, put it into a ClusterRole and bind that by a ClusterRoleBinding. Else take it out.
    ///
    /// See "Using RBAC Authorization", section "RoleBinding and ClusterRoleBinding", in the Kubernetes documentation.
    "dead-scope", "A right on what has no namespace, given in a namespace", Low
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for role in scan.snapshot.roles.iter() {
        let bindings = scan.bindings_of(role);
        let bound_everywhere = bindings
            .iter()
            .any(|binding| binding.metadata.namespace.is_empty());
        let unseen = !scan.is_complete(&[Kind::ClusterRoleBinding], "");
        if bindings.is_empty() || bound_everywhere || unseen || role.aggregation.is_some() {
            continue;
        }
        for (position, rule) in role.rules.iter().enumerate() {
            if !scan.is_default_rule(role, rule) {
                findings.extend(finding(scan, role, position, rule));
            }
        }
    }
    findings
}

fn finding(scan: &Scan<'_>, role: &Role, position: usize, rule: &PolicyRule) -> Option<Finding> {
    if combinations(rule) > MOST_COMBINATIONS {
        return None;
    }
    let dead = |resource: &Str| {
        let mut needs = rule.api_groups.iter().flat_map(|group| {
            let ask = move |verb: &Str| scan.api.needs_cluster_binding(group, resource, verb);
            rule.verbs.iter().map(ask)
        });
        needs.all(|need| need == Some(true))
    };
    let resources: Vec<(usize, &Str)> = rule
        .resources
        .iter()
        .enumerate()
        .filter(|(_, word)| dead(word))
        .collect();
    let (field, words) = match (resources.first(), rule.non_resource_urls.is_empty()) {
        (Some((first, _)), _) => (
            format!("resources/{first}"),
            ticked(resources.iter().map(|(_, word)| word)),
        ),
        (None, false) => (
            "nonResourceURLs/0".to_owned(),
            ticked(&*rule.non_resource_urls),
        ),
        (None, true) => return None,
    };
    let message = format!(
        "{} is given by RoleBindings only, which do not reach {words}: that has no namespace",
        quoted(&role.object_ref())
    );
    let mut finding = Finding::new(CHECK.id, CHECK.severity, message)
        .at(Place::field(
            role.object_ref(),
            format!("/rules/{position}/{field}"),
        ))
        .help("bind it by a ClusterRoleBinding where it is needed, else take it out");
    let holders: Vec<_> = scan
        .bindings_of(role)
        .iter()
        .flat_map(|b| holders_of(b))
        .collect();
    finding.evidence = facts(&holders);
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{binding, bound, bound_in, check, role};

    #[test]
    fn by_role_bindings_only() {
        check(
            CHECK,
            &bound_in(
                "shop",
                "{apiGroups: [''], resources: [pods, nodes, nodes/stats], verbs: [get, list]}",
            ),
            &[
                "low /rules/0/resources/1: ClusterRole `r` is given by RoleBindings only, which do not reach `nodes` and \
               `nodes/stats`: that has no namespace",
            ],
        );
        check(
            CHECK,
            &bound_in("shop", "{nonResourceURLs: [/metrics], verbs: [get]}"),
            &[
                "low /rules/0/nonResourceURLs/0: ClusterRole `r` is given by RoleBindings only, which do not reach \
               `/metrics`: that has no namespace",
            ],
        );
        let manifests = [
            role(
                "shop",
                "m",
                "{apiGroups: [''], resources: [namespaces], verbs: [create, list]}",
            ),
            binding("shop", "m", "Role m", "User alice"),
        ];
        check(
            CHECK,
            &manifests.concat(),
            &[
                "low /rules/0/resources/0: Role `shop/m` is given by RoleBindings only, which do not reach `namespaces`: \
               that has no namespace",
            ],
        );
    }

    #[test]
    fn what_reaches_something() {
        let rule = "{apiGroups: [''], resources: [nodes], verbs: [get]}";
        check(CHECK, &bound(rule), &[]);
        check(
            CHECK,
            &(bound_in("shop", rule) + &binding("", "c", "ClusterRole r", "User bob")),
            &[],
        );
        check(
            CHECK,
            &bound_in(
                "shop",
                "{apiGroups: [''], resources: [namespaces], verbs: [get, list]}",
            ),
            &[],
        );
        let bind =
            "{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [bind]}";
        check(CHECK, &bound_in("shop", bind), &[]);
        check(
            CHECK,
            &bound_in("shop", "{apiGroups: ['*'], resources: ['*'], verbs: ['*']}"),
            &[],
        );
        check(
            CHECK,
            &binding("shop", "a", "ClusterRole cluster-admin", "User bob"),
            &[],
        );
    }
}
