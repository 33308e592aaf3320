use bailiwick_diag::Finding;
use bailiwick_model::PolicyRule;

use crate::check::check;
use crate::grants::{Cause, Live};
use crate::scan::Scan;
use crate::words::ticked;

check! {
    /// The API group `*` makes a rule on `pods` also one on a resource named `pods` of any other group, installed now or
    /// later. Few mean that. It also counts as `authentication.k8s.io`: with the verb `*` it reaches the rights of
    /// constrained impersonation, which rules on the core group do not.
    ///
    /// Rules that have `*` as resource too are reported as `wildcard-resources` or `full-control` instead.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// rules:
    /// - apiGroups: ["*"]
    ///   resources: [pods, deployments]
    ///   verbs: [get]
    /// ```
    ///
    /// ## Fix
    ///
    /// - Name the groups: `""` for pods, `apps` for deployments. `kubectl api-resources` lists them.
    ///
    /// See "Using RBAC Authorization", section "Referring to resources", in the Kubernetes documentation.
    "wildcard-groups", "Resources of every group", Low
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let find = |rule: &PolicyRule| {
        let position = rule.api_groups.iter().position(|group| &**group == "*")?;
        let listed = !rule.resources.is_empty() && rule.resources.iter().all(|r| &**r != "*");
        listed.then(|| format!("apiGroups/{position}"))
    };
    let finding = |cause: &Cause<'_>| {
        let does = format!("reach {} of any API group", ticked(&*cause.rule.resources));
        cause
            .finding(&CHECK, cause.by_reach(CHECK.severity), &does)
            .help("name the groups")
    };
    scan.causes(Live::Anywhere, find)
        .iter()
        .map(finding)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{bound, check};

    #[test]
    fn of_listed_resources() {
        check(
            CHECK,
            &bound("{apiGroups: ['', '*'], resources: [pods], verbs: [get]}"),
            &[
                "low /rules/0/apiGroups/1: ClusterRole `r` lets `group:dev` reach `pods` of any API group in the whole \
               cluster",
            ],
        );
    }

    #[test]
    fn named_groups_and_wild_resources() {
        check(
            CHECK,
            &bound("{apiGroups: ['', apps], resources: [pods], verbs: [get]}"),
            &[],
        );
        check(
            CHECK,
            &bound("{apiGroups: ['*'], resources: ['*'], verbs: [get]}"),
            &[],
        );
    }
}
