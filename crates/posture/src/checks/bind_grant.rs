use bailiwick_core::Str;
use bailiwick_diag::{Finding, Severity};
use bailiwick_model::PolicyRule;

use crate::check::check;
use crate::grants::{Cause, Live};
use crate::rights::{BIND, WRITE_BINDINGS};
use crate::scan::{Scan, is_sovereign};
use crate::words::ticked;

check! {
    /// The API server lets nobody bind a role whose rights they do not have themselves. The verb `bind` on roles or
    /// clusterroles lifts that guard. With the right to write bindings it is every right of the roles that may be
    /// bound: in the namespace of a RoleBinding, or in the whole cluster.
    ///
    /// `bind` is checked in the namespace of the binding that is written, so that `bind` on clusterroles given by a
    /// RoleBinding works there. Without a right to write bindings it has no effect; it is reported as less severe then.
    /// `bind` on named roles is reported where one of them is full control of the cluster.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// rules:
    /// - apiGroups: [rbac.authorization.k8s.io]
    ///   resources: [clusterroles]
    ///   verbs: [bind]              # any ClusterRole, cluster-admin among them
    /// - apiGroups: [rbac.authorization.k8s.io]
    ///   resources: [rolebindings]
    ///   verbs: [create]
    /// ```
    ///
    /// ## Fix
    ///
    /// - Name the roles that may be bound under `resourceNames`.
    ///
    /// See "Using RBAC Authorization", section "Restrictions on role binding creation or update", in the Kubernetes
    /// documentation.
    "bind-grant", "Binding roles whose rights the writer does not have", Critical, weighed
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let find = |rule: &PolicyRule| {
        let position = BIND.iter().find_map(|bind| bind.named_in(rule))?;
        let powerful = |name: &Str| scan.snapshot.roles.get("", name).is_some_and(is_sovereign);
        let names = &rule.resource_names;
        let reported = names.is_empty() || names.iter().any(powerful);
        reported.then(|| format!("resources/{position}"))
    };
    let causes = scan.causes(Live::Anywhere, find);
    causes.iter().map(|cause| finding(scan, cause)).collect()
}

fn finding(scan: &Scan<'_>, cause: &Cause<'_>) -> Finding {
    let [write_cluster, write_namespace] = WRITE_BINDINGS;
    let writer = cause
        .reached()
        .into_iter()
        .find(|(subject, namespace)| match *namespace {
            "" => scan.holds(subject, "", &[write_cluster, write_namespace]),
            namespace => scan.holds(subject, namespace, &[write_namespace]),
        });
    let names = &cause.rule.resource_names;
    let what = match names.is_empty() {
        true => "any role".to_owned(),
        false => ticked(&**names),
    };
    let mut severity = cause.by_reach(CHECK.severity);
    if writer.is_none() {
        severity = severity.min(Severity::Low);
    }
    let finding = cause.finding(&CHECK, severity, &format!("bind {what}"));
    match writer {
        Some((subject, _)) => finding.because(format!("{subject} can also write bindings")),
        None => {
            finding.because("nobody of them can write bindings there, so that it has no effect now")
        }
    }
    .help("name the roles that may be bound under `resourceNames`, or take `bind` away")
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{bound, bound_in, check};

    const BIND: &str =
        "{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [bind]}";
    const NAMED: &str = "{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [bind], resourceNames: [view, cluster-admin]}";
    const WRITE: &str =
        "{apiGroups: [rbac.authorization.k8s.io], resources: [rolebindings], verbs: [create]}";

    #[test]
    fn with_the_right_to_write_bindings() {
        check(
            CHECK,
            &bound(&format!("{BIND}\n{WRITE}")),
            &[
                "critical /rules/0/resources/0: ClusterRole `r` lets `group:dev` bind any role in the whole cluster",
            ],
        );
        check(
            CHECK,
            &bound_in("shop", &format!("{BIND}\n{WRITE}")),
            &[
                "high /rules/0/resources/0: ClusterRole `r` lets `group:dev` bind any role in namespace `shop`",
            ],
        );
        check(
            CHECK,
            &bound_in("shop", &format!("{NAMED}\n{WRITE}")),
            &[
                "high /rules/0/resources/0: ClusterRole `r` lets `group:dev` bind `view` and `cluster-admin` in namespace `shop`",
            ],
        );
    }

    #[test]
    fn alone_it_does_nothing() {
        check(
            CHECK,
            &bound(BIND),
            &[
                "low /rules/0/resources/0: ClusterRole `r` lets `group:dev` bind any role in the whole cluster",
            ],
        );
    }

    #[test]
    fn roles_of_no_great_power() {
        let harmless = NAMED.replace(", cluster-admin", "");
        check(
            CHECK,
            &bound_in("shop", &format!("{harmless}\n{WRITE}")),
            &[],
        );
    }

    #[test]
    fn writing_bindings_alone() {
        check(CHECK, &bound(WRITE), &[]);
    }
}
