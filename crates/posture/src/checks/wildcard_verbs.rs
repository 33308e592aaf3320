use bailiwick_core::Str;
use bailiwick_diag::Finding;
use bailiwick_model::PolicyRule;

use crate::check::check;
use crate::grants::Live;
use crate::scan::Scan;
use crate::words::ticked;

check! {
    /// The verb `*` on a resource is every verb: also `deletecollection`, also verbs that later versions add, and also
    /// verbs that are no operation but a right of their own, such as `escalate` and `bind` on roles, `impersonate` on
    /// users, `approve` on signers.
    ///
    /// Rules that have `*` as resource too are reported as `wildcard-resources` or `full-control` instead.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// rules:
    /// - apiGroups: [apps]
    ///   resources: [deployments]
    ///   verbs: ["*"]
    /// ```
    ///
    /// ## Fix
    ///
    /// - List the verbs. All that most resources serve are `get`, `list`, `watch`, `create`, `update`, `patch`,
    ///   `delete` and `deletecollection`.
    ///
    /// See "RBAC Good Practices", section "Least privilege", in the Kubernetes documentation.
    "wildcard-verbs", "Every verb at once", Medium
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let find = |rule: &PolicyRule| {
        let position = rule.verbs.iter().position(|verb| &**verb == "*")?;
        let named = |resource: &Str| !resource.contains('*') || resource.starts_with("*/");
        let listed = rule.resources.iter().all(|r| &**r != "*") && rule.resources.iter().any(named);
        (listed && rule.resource_names.is_empty()).then(|| format!("verbs/{position}"))
    };
    let finding = |cause: &crate::grants::Cause<'_>| {
        let does = format!("use every verb on {}", ticked(&*cause.rule.resources));
        cause
            .finding(&CHECK, cause.by_reach(CHECK.severity), &does)
            .help("list the verbs that are used")
    };
    scan.causes(Live::Anywhere, find)
        .iter()
        .map(finding)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{bound, bound_in, check};

    #[test]
    fn on_listed_resources() {
        let rule = "{apiGroups: [apps], resources: [deployments, replicasets], verbs: [get, '*']}";
        check(
            CHECK,
            &bound(rule),
            &[
                "medium /rules/0/verbs/1: ClusterRole `r` lets `group:dev` use every verb on `deployments` and \
               `replicasets` in the whole cluster",
            ],
        );
        check(
            CHECK,
            &bound_in("shop", rule),
            &[
                "low /rules/0/verbs/1: ClusterRole `r` lets `group:dev` use every verb on `deployments` and \
               `replicasets` in namespace `shop`",
            ],
        );
    }

    #[test]
    fn listed_verbs_wild_resources_and_paths() {
        check(
            CHECK,
            &bound("{apiGroups: [apps], resources: [deployments], verbs: [get]}"),
            &[],
        );
        check(
            CHECK,
            &bound("{apiGroups: [apps], resources: ['*'], verbs: ['*']}"),
            &[],
        );
        check(
            CHECK,
            &bound("{nonResourceURLs: [/metrics], verbs: ['*']}"),
            &[],
        );
    }
}
