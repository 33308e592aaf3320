use bailiwick_core::{Kind, ObjectRef};
use bailiwick_diag::{Finding, Place};
use bailiwick_rbac::aggregation::{Aggregated, aggregate};

use crate::check::check;
use crate::scan::Scan;
use crate::words::{count, quoted};

check! {
    /// A controller writes the rules of an aggregated ClusterRole, and overwrites what others write there. Where the
    /// stored rules are not what it would write, either it has not run yet, or somebody changed them by hand: what was
    /// added works until the controller comes by and is gone then.
    ///
    /// As long as `admin`, `edit` and `view` are empty, because no controller-manager has run, anybody who may write
    /// bindings may bind them: the API server compares the rules of the moment.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// kind: ClusterRole
    /// aggregationRule:
    ///   clusterRoleSelectors:
    ///   - matchLabels: {rbac.acme.example/aggregate-to-monitoring: "true"}
    /// rules:                       # written by hand, will be overwritten
    /// - {apiGroups: [""], resources: [pods], verbs: [get]}
    /// ```
    ///
    /// ## Fix
    ///
    /// - Put the rules into a ClusterRole with the label that the selector asks for.
    /// - Where nobody wrote by hand, see why the controller-manager does not.
    ///
    /// See "Using RBAC Authorization", section "Aggregated ClusterRoles", in the Kubernetes documentation.
    "aggregation-drift", "An aggregated ClusterRole with other rules than the controller writes", Medium
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    if !scan.is_complete(&[Kind::ClusterRole], "") {
        return Vec::new();
    }
    let aggregation = aggregate(scan.snapshot);
    let circular = |role: &&Aggregated| !aggregation.circular.contains(&role.role);
    let changed = aggregation.roles.iter().filter(circular);
    changed.filter_map(|role| finding(scan, role)).collect()
}

fn finding(scan: &Scan<'_>, computed: &Aggregated) -> Option<Finding> {
    let stored = scan.snapshot.roles.get("", &computed.role)?;
    let lost = stored
        .rules
        .iter()
        .filter(|rule| !computed.rules.contains(rule))
        .count();
    let added = computed
        .rules
        .iter()
        .filter(|rule| !stored.rules.contains(rule))
        .count();
    let object = ObjectRef::new(Kind::ClusterRole, "", &computed.role);
    let change = match (lost, added) {
        (0, 0) => "write its rules in another order".to_owned(),
        (0, added) => format!("add {}", count(added, "rule")),
        (lost, 0) => format!("take {} away", count(lost, "rule")),
        (lost, added) => format!("add {} and take {lost} away", count(added, "rule")),
    };
    let message = format!("the controller would {change} in {}", quoted(&object));
    Some(
        Finding::new(CHECK.id, CHECK.severity, message)
            .at(Place::field(object, "/rules"))
            .help("put rules written by hand into a ClusterRole with the label that the selector asks for"),
    )
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{check, found, snapshot};
    use bailiwick_model::{Delta, Object, Origin};

    #[test]
    fn stored_rules_that_the_controller_overwrites() {
        let mut snapshot = snapshot("");
        snapshot.cluster.stored = true;
        let mut view = snapshot.roles.get("", "view").unwrap().clone();
        let mut rules = view.rules.to_vec();
        rules[0].verbs = ["*".into()].into();
        view.rules = rules.into();
        snapshot.apply(Delta::Upsert(Box::new(Object::Role(view)), Origin::Live));
        let findings = found(CHECK, snapshot);
        assert_eq!(
            findings[0].message,
            "the controller would add 1 rule and take 1 away in ClusterRole `view`"
        );
    }

    #[test]
    fn as_the_controller_writes_them() {
        check(CHECK, "", &[]);
    }
}
