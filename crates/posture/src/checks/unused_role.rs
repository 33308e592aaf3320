use std::collections::HashSet;

use bailiwick_core::Kind;
use bailiwick_diag::{Finding, Place, kubectl};
use bailiwick_model::{LabelSelector, Role};

use crate::check::check;
use crate::rights::BIND;
use crate::scan::Scan;
use crate::words::quoted;

check! {
    /// No binding gives this role to anybody, no aggregated ClusterRole gathers it, and no rule names it as one to bind.
    /// It does nothing now. Left behind, it may be bound by name one day by somebody who does not read it.
    ///
    /// In manifests the binding may be elsewhere.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// kind: Role
    /// apiVersion: rbac.authorization.k8s.io/v1
    /// metadata: {name: deploy-2019, namespace: shop}   # no RoleBinding in `shop` refers to it
    /// ```
    ///
    /// ## Fix
    ///
    /// - Delete the role.
    ///
    /// See "RBAC Good Practices", section "Periodic review", in the Kubernetes documentation.
    "unused-role", "A role that is bound to nobody", Info
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let gathered = gathered(scan);
    let bindable = bindable(scan);
    let unused = |role: &&Role| {
        let namespace = &*role.metadata.namespace;
        let kinds = [Kind::RoleBinding, Kind::ClusterRoleBinding];
        scan.default_role(role).is_none()
            && scan.bindings_of(role).is_empty()
            && !(namespace.is_empty() && gathered.contains(&*role.metadata.name))
            && !bindable.contains(&*role.metadata.name)
            && scan.is_complete(&kinds, namespace)
    };
    let finding = |role: &Role| {
        let object = role.object_ref();
        let message = format!("{} is bound to nobody", quoted(&object));
        let finding = Finding::new(CHECK.id, CHECK.severity, message)
            .at(Place::object(object.clone()))
            .help("delete the role if nothing else refers to it");
        match scan.snapshot.cluster.stored {
            true => finding.fix("delete the role", kubectl::delete(&object)),
            false => finding,
        }
    };
    scan.snapshot
        .roles
        .iter()
        .filter(unused)
        .map(finding)
        .collect()
}

/// Names of the ClusterRoles whose rules aggregated ones gather.
fn gathered<'a>(scan: &Scan<'a>) -> HashSet<&'a str> {
    let aggregated: Vec<&[LabelSelector]> = scan.aggregated().map(|(_, own)| own).collect();
    let roles = scan.snapshot.roles.in_namespace("");
    roles
        .filter(|role| {
            let mut aggregated = aggregated.iter();
            aggregated.any(|selectors| scan.gathers(selectors, role))
        })
        .map(|role| &*role.metadata.name)
        .collect()
}

/// Names of roles that a rule allows to bind: an operator binds them later.
fn bindable<'a>(scan: &Scan<'a>) -> HashSet<&'a str> {
    let rules = scan.snapshot.roles.iter().flat_map(|role| &role.rules);
    rules
        .filter(|rule| BIND.iter().any(|bind| bind.is_in(rule)))
        .flat_map(|rule| &rule.resource_names)
        .map(|name| &**name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{bound, bound_in, check, cluster_role, role};

    const RULE: &str = "{apiGroups: [''], resources: [pods], verbs: [get]}";

    #[test]
    fn bound_to_nobody() {
        check(
            CHECK,
            &(cluster_role("a", RULE) + &role("shop", "b", RULE)),
            &[
                "info : Role `shop/b` is bound to nobody",
                "info : ClusterRole `a` is bound to nobody",
            ],
        );
    }

    #[test]
    fn bound_gathered_or_bindable() {
        check(CHECK, &bound_in("shop", RULE), &[]);
        let gathered = "---\nkind: ClusterRole\napiVersion: rbac.authorization.k8s.io/v1\nmetadata:\n  name: a\n  labels: \
                        {rbac.authorization.k8s.io/aggregate-to-view: 'true'}\nrules: []\n";
        check(CHECK, gathered, &[]);
        let bind = "{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [bind], \
                    resourceNames: [later]}";
        check(CHECK, &(bound(bind) + &cluster_role("later", RULE)), &[]);
    }
}
