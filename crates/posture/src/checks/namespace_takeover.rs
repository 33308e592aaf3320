use bailiwick_core::Subject;
use bailiwick_diag::{Finding, Place};
use bailiwick_model::{Binding, PolicyRule};
use bailiwick_rbac::Right;

use crate::check::check;
use crate::grants::holders_of;
use crate::rights::{CREATE_TOKENS, IMPERSONATE_SUBJECT, MAKE_PODS};
use crate::scan::{Scan, Sovereign};
use crate::words::{few, quoted};

check! {
    /// A service account with full control of the cluster can be taken over by whoever may create pods in its namespace
    /// (a pod runs as any service account there), issue its tokens, or impersonate it. Such a RoleBinding looks like
    /// access to one namespace and is access to everything. `kube-system`, where the controllers have their service
    /// accounts, always is such a namespace; that of a GitOps controller often is.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// kind: RoleBinding
    /// apiVersion: rbac.authorization.k8s.io/v1
    /// metadata: {name: developers, namespace: gitops}   # its controller is bound to cluster-admin
    /// roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
    /// subjects:
    /// - {apiGroup: rbac.authorization.k8s.io, kind: Group, name: developers}
    /// ```
    ///
    /// ## Fix
    ///
    /// - Give people read access to such a namespace only, or take full control away from its service account.
    ///
    /// See "RBAC Good Practices", section "Workload creation", in the Kubernetes documentation.
    "namespace-takeover", "A namespace whose service accounts control the cluster", Critical, weighed
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let namespaced = scan
        .snapshot
        .bindings
        .iter()
        .filter(|b| !b.metadata.namespace.is_empty());
    namespaced
        .filter_map(|binding| finding(scan, binding))
        .collect()
}

fn finding(scan: &Scan<'_>, binding: &Binding) -> Option<Finding> {
    let sovereign = scan.sovereign(&binding.metadata.namespace)?;
    let role = scan.role_of(binding)?;
    let ways: Vec<&str> = WAYS
        .iter()
        .filter(|(rights, names, _)| {
            let gives = |rule: &PolicyRule| rights.iter().any(|right| right.is_in(rule));
            let reaches = |rule: &PolicyRule| match names {
                Names::OfAccount => names_account(rule, sovereign),
                Names::None => rule.resource_names.is_empty(),
            };
            role.rules.iter().any(|rule| gives(rule) && reaches(rule))
        })
        .map(|(_, _, words)| *words)
        .collect();
    let subjects: Vec<String> = holders_of(binding)
        .filter(|holder| {
            let subject = binding.subjects.get(holder.position);
            !subject.is_some_and(|subject| scan.is_default_subject(binding, subject))
        })
        .filter_map(|holder| holder.subject())
        .filter(|subject| !scan.is_sovereign(subject))
        .map(|subject| format!("`{subject}`"))
        .collect();
    if ways.is_empty() || subjects.is_empty() {
        return None;
    }
    let message = format!(
        "{} lets {} take over `{}`, which has full control of the cluster",
        quoted(&binding.object_ref()),
        few(&subjects),
        sovereign.subject,
    );
    let finding = Finding::new(CHECK.id, CHECK.severity, message)
        .at(Place::field(binding.object_ref(), "/roleRef/name"))
        .at(Place::object(sovereign.binding.object_ref()).label("gives full control"))
        .because(format!("{} lets them {}", quoted(&role.object_ref()), ways.join("; ")))
        .because(format!("{} has full control through {}", sovereign.subject, sovereign.binding.object_ref()))
        .help("give read access only in this namespace, or less than full control to the service account");
    Some(finding)
}

/// Whether names in a rule are names of service accounts.
enum Names {
    OfAccount,
    None,
}

const WAYS: [(&[Right], Names, &str); 3] = [
    (&MAKE_PODS, Names::None, "run pods as it"),
    (&[CREATE_TOKENS], Names::OfAccount, "issue its tokens"),
    (
        &[IMPERSONATE_SUBJECT[1]],
        Names::OfAccount,
        "impersonate it",
    ),
];

fn names_account(rule: &PolicyRule, sovereign: &Sovereign<'_>) -> bool {
    let Subject::ServiceAccount { name, .. } = &sovereign.subject else {
        return false;
    };
    rule.resource_names.is_empty() || rule.resource_names.iter().any(|own| **own == **name)
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{binding, check, role};

    const GITOPS: &str = "gitops";

    #[test]
    fn a_team_beside_a_powerful_controller() {
        let manifests = [
            binding(
                "",
                "controller",
                "ClusterRole cluster-admin",
                "ServiceAccount gitops/controller",
            ),
            binding(
                GITOPS,
                "team",
                "ClusterRole edit",
                "Group dev, ServiceAccount gitops/controller",
            ),
        ];
        check(
            CHECK,
            &manifests.concat(),
            &[
                "critical /roleRef/name: RoleBinding `gitops/team` lets `group:dev` take over `sa:gitops/controller`, \
               which has full control of the cluster",
            ],
        );
    }

    #[test]
    fn kube_system() {
        let manifests = [
            role(
                "kube-system",
                "jobs",
                "{apiGroups: [batch], resources: [jobs], verbs: [create]}",
            ),
            binding("kube-system", "jobs", "Role jobs", "User alice"),
        ];
        check(
            CHECK,
            &manifests.concat(),
            &[
                "critical /roleRef/name: RoleBinding `kube-system/jobs` lets `user:alice` take over \
               `sa:kube-system/clusterrole-aggregation-controller`, which has full control of the cluster",
            ],
        );
    }

    #[test]
    fn other_namespaces_names_and_reading() {
        let controller = binding(
            "",
            "c",
            "ClusterRole cluster-admin",
            "ServiceAccount gitops/controller",
        );
        check(
            CHECK,
            &(controller.clone() + &binding("shop", "team", "ClusterRole edit", "Group dev")),
            &[],
        );
        check(
            CHECK,
            &(controller.clone() + &binding(GITOPS, "team", "ClusterRole view", "Group dev")),
            &[],
        );
        let token = "{apiGroups: [''], resources: [serviceaccounts/token], verbs: [create], resourceNames: [other]}";
        let manifests = [
            controller,
            role(GITOPS, "t", token),
            binding(GITOPS, "t", "Role t", "Group dev"),
        ];
        check(CHECK, &manifests.concat(), &[]);
    }
}
