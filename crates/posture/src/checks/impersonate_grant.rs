use bailiwick_core::names;
use bailiwick_diag::Finding;
use bailiwick_model::PolicyRule;

use crate::check::check;
use crate::grants::{Cause, Live};
use crate::rights::{IMPERSONATE_GROUP, IMPERSONATE_SUBJECT};
use crate::scan::Scan;
use crate::words::{few, ticked};

check! {
    /// `impersonate` lets its holder send requests as somebody else. On `users` that is a user with no group but
    /// `system:authenticated`; on `serviceaccounts` it is that service account with its groups; on `groups` it adds
    /// groups, `system:masters` among them.
    ///
    /// Groups can be added only together with a user or service account: `impersonate` on groups alone has no effect and
    /// is not reported. Users and groups have no namespace: a RoleBinding does not give them.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// rules:
    /// - apiGroups: [""]
    ///   resources: [users, groups]
    ///   verbs: [impersonate]
    /// ```
    ///
    /// ## Fix
    ///
    /// - Name who may be impersonated under `resourceNames`, and keep `system:masters` out.
    /// - From Kubernetes 1.36 on, constrained impersonation limits what may be done as somebody else.
    ///
    /// See "User Impersonation" in the Kubernetes documentation.
    "impersonate-grant", "Acting as others", Critical, weighed
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let [users, accounts] = IMPERSONATE_SUBJECT;
    let at = |position: usize| format!("resources/{position}");
    let cluster = |rule: &PolicyRule| {
        let user = users.named_in(rule);
        user.or_else(|| IMPERSONATE_GROUP.named_in(rule)).map(at)
    };
    // What the first search finds already is not to be found again.
    let account = |rule: &PolicyRule| match cluster(rule) {
        Some(_) => None,
        None => accounts.named_in(rule).map(at),
    };
    let causes = scan.causes(Live::ClusterWide, cluster).into_iter();
    causes
        .chain(scan.causes(Live::Anywhere, account))
        .filter_map(|cause| finding(scan, &cause))
        .collect()
}

fn finding(scan: &Scan<'_>, cause: &Cause<'_>) -> Option<Finding> {
    let rule = cause.rule;
    let kinds: Vec<&str> = rule
        .resources
        .iter()
        .map(|resource| &**resource)
        .filter(|resource| matches!(*resource, "users" | "groups" | "serviceaccounts"))
        .collect();
    let only_groups = kinds.iter().all(|kind| *kind == "groups");
    let somebody = |subject| scan.holds_anywhere(&subject, &IMPERSONATE_SUBJECT);
    if only_groups && !cause.subjects().into_iter().any(somebody) {
        return None;
    }
    let names = &rule.resource_names;
    let who = match names.is_empty() {
        true => format!("any of {}", few(&kinds)),
        false => {
            format!("{} (of {})", ticked(&**names), few(&kinds))
        }
    };
    let mut severity = cause.by_reach(CHECK.severity);
    let masters = names.iter().any(|name| &**name == names::MASTERS) && kinds.contains(&"groups");
    if !names.is_empty() && !masters {
        severity = severity.lower().lower();
    }
    Some(
        cause
            .finding(&CHECK, severity, &format!("act as {who}"))
            .help("name who may be impersonated under `resourceNames`, or take it away"),
    )
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{binding, bound, bound_in, check};

    #[test]
    fn users_and_groups() {
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: [users, groups], verbs: [impersonate]}"),
            &[
                "critical /rules/0/resources/0: ClusterRole `r` lets `group:dev` act as any of users and groups in the \
               whole cluster",
            ],
        );
        check(
            CHECK,
            &bound(
                "{apiGroups: [''], resources: [users], verbs: [impersonate], resourceNames: [bob]}",
            ),
            &[
                "medium /rules/0/resources/0: ClusterRole `r` lets `group:dev` act as `bob` (of users) in the whole \
               cluster",
            ],
        );
    }

    #[test]
    fn service_accounts_of_a_namespace() {
        check(
            CHECK,
            &bound_in(
                "shop",
                "{apiGroups: [''], resources: [serviceaccounts], verbs: [get, impersonate]}",
            ),
            &[
                "high /rules/0/resources/0: ClusterRole `r` lets `group:dev` act as any of serviceaccounts in namespace \
               `shop`",
            ],
        );
    }

    #[test]
    fn groups_alone_do_nothing() {
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: [groups], verbs: [impersonate]}"),
            &[],
        );
        check(
            CHECK,
            &bound(
                "{apiGroups: [''], resources: [groups], verbs: [impersonate], resourceNames: ['system:masters']}
                {apiGroups: [''], resources: [users], verbs: [impersonate], resourceNames: [bob]}",
            ),
            &[
                "critical /rules/0/resources/0: ClusterRole `r` lets `group:dev` act as `system:masters` (of groups) \
                 in the whole cluster",
                "critical /rules/1/resources/0: ClusterRole `r` lets `group:dev` act as `bob` (of users) in the whole \
                 cluster",
            ],
        );
    }

    #[test]
    fn users_by_a_role_binding_and_default_roles() {
        check(
            CHECK,
            &bound_in(
                "shop",
                "{apiGroups: [''], resources: [users, groups], verbs: [impersonate]}",
            ),
            &[],
        );
        check(
            CHECK,
            &binding("shop", "a", "ClusterRole edit", "Group dev"),
            &[],
        );
    }
}
