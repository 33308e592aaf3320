//! Rights that checks look for in rules.

use bailiwick_core::Str;
use bailiwick_core::names::RBAC_GROUP;
use bailiwick_model::PolicyRule;

/// Verbs on a resource, or `resource/subresource`, of a group. A rule gives the right if it gives any of the verbs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Right {
    pub(crate) group: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) verbs: &'static [&'static str],
}

pub(crate) const fn right(
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
) -> Right {
    Right {
        group,
        resource,
        verbs,
    }
}

impl Right {
    /// Whether a rule gives this right, whatever names it is limited to.
    pub(crate) fn of(&self, rule: &PolicyRule) -> bool {
        self.position(rule, true).is_some()
    }

    /// Position in `resources` of the name by which a rule gives this right. What it gives by the resource `*` is
    /// what `wildcard-resources` reports.
    pub(crate) fn named_in(&self, rule: &PolicyRule) -> Option<usize> {
        self.position(rule, false)
    }

    fn position(&self, rule: &PolicyRule, wild: bool) -> Option<usize> {
        let has = |words: &[Str], wanted: &[&str]| {
            words
                .iter()
                .any(|word| &**word == "*" || wanted.contains(&&**word))
        };
        if !has(&rule.api_groups, &[self.group]) || !has(&rule.verbs, self.verbs) {
            return None;
        }
        let any_subresource = self
            .resource
            .split_once('/')
            .map(|(_, subresource)| subresource);
        rule.resources.iter().position(|resource| {
            **resource == *self.resource
                || (wild && &**resource == "*")
                || any_subresource.is_some_and(|sub| resource.strip_prefix("*/") == Some(sub))
        })
    }
}

/// Whether the rule allows everything: every verb on every resource of every group, whatever its name.
pub(crate) fn is_everything(rule: &PolicyRule) -> bool {
    let star = |words: &[Str]| words.iter().any(|word| &**word == "*");
    star(&rule.verbs)
        && star(&rule.api_groups)
        && star(&rule.resources)
        && rule.resource_names.is_empty()
}

/// Combinations of group, resource and verb of a rule that are asked for one by one. No rule that people write comes
/// near it.
pub(crate) const MOST_COMBINATIONS: usize = 100_000;

/// How many combinations of group, resource and verb a rule holds.
pub(crate) fn combinations(rule: &PolicyRule) -> usize {
    let lists = [&rule.api_groups, &rule.resources, &rule.verbs];
    lists
        .iter()
        .fold(1, |product, list| product.saturating_mul(list.len()))
}

pub(crate) const READ_SECRETS: Right = right("", "secrets", &["get", "list", "watch"]);
pub(crate) const CREATE_TOKENS: Right = right("", "serviceaccounts/token", &["create"]);
pub(crate) const ESCALATE: [Right; 2] = [
    right(RBAC_GROUP, "clusterroles", &["escalate"]),
    right(RBAC_GROUP, "roles", &["escalate"]),
];
pub(crate) const BIND: [Right; 2] = [
    right(RBAC_GROUP, "clusterroles", &["bind"]),
    right(RBAC_GROUP, "roles", &["bind"]),
];
pub(crate) const WRITE_BINDINGS: [Right; 2] = [
    right(
        RBAC_GROUP,
        "clusterrolebindings",
        &["create", "update", "patch"],
    ),
    right(RBAC_GROUP, "rolebindings", &["create", "update", "patch"]),
];
pub(crate) const WRITE_ROLES: [Right; 2] = [
    right(RBAC_GROUP, "clusterroles", &["create", "update", "patch"]),
    right(RBAC_GROUP, "roles", &["create", "update", "patch"]),
];
pub(crate) const IMPERSONATE_SUBJECT: [Right; 2] = [
    right("", "users", &["impersonate"]),
    right("", "serviceaccounts", &["impersonate"]),
];
pub(crate) const IMPERSONATE_GROUP: Right = right("", "groups", &["impersonate"]);
/// `create` works by POST on every version; `get` opens a WebSocket before 1.35.
pub(crate) const RUN_IN_PODS: [Right; 3] = [
    right("", "pods/exec", &["create"]),
    right("", "pods/attach", &["create"]),
    right("", "pods/ephemeralcontainers", &["update", "patch"]),
];
pub(crate) const KUBELET: Right = right("", "nodes/proxy", &["get", "create"]);
/// What makes pods. The template of a Job cannot be changed.
pub(crate) const MAKE_PODS: [Right; 8] = [
    right("", "pods", &["create"]),
    right("apps", "deployments", &["create", "update", "patch"]),
    right("apps", "daemonsets", &["create", "update", "patch"]),
    right("apps", "statefulsets", &["create", "update", "patch"]),
    right("apps", "replicasets", &["create", "update", "patch"]),
    right("batch", "cronjobs", &["create", "update", "patch"]),
    right("batch", "jobs", &["create"]),
    right("", "replicationcontrollers", &["create", "update", "patch"]),
];
pub(crate) const CHANGE_ADMISSION: [Right; 4] = [
    right(
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        &["create", "update", "patch"],
    ),
    right(
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        &["create", "update", "patch"],
    ),
    right(
        "admissionregistration.k8s.io",
        "mutatingadmissionpolicies",
        &["create", "update", "patch"],
    ),
    right(
        "admissionregistration.k8s.io",
        "mutatingadmissionpolicybindings",
        &["create", "update", "patch"],
    ),
];
pub(crate) const APPROVE_REQUESTS: Right = right(
    "certificates.k8s.io",
    "certificatesigningrequests/approval",
    &["update", "patch"],
);
pub(crate) const CREATE_REQUESTS: Right = right(
    "certificates.k8s.io",
    "certificatesigningrequests",
    &["create"],
);

/// What a rule can lead to, each with the words for it.
pub(crate) fn dangers(rule: &PolicyRule) -> Vec<&'static str> {
    let groups: [(&[Right], &'static str); 9] = [
        (&[READ_SECRETS], "read Secrets"),
        (&MAKE_PODS, "run pods as any service account"),
        (&RUN_IN_PODS, "run commands in pods"),
        (&[CREATE_TOKENS], "create tokens of service accounts"),
        (&ESCALATE, "give roles rights that the writer does not have"),
        (&BIND, "bind roles whose rights the writer does not have"),
        (
            &IMPERSONATE_SUBJECT,
            "act as other users or service accounts",
        ),
        (&[KUBELET], "reach the kubelet of nodes"),
        (&CHANGE_ADMISSION, "change what is admitted"),
    ];
    groups
        .into_iter()
        .filter(|(rights, _)| rights.iter().any(|right| right.of(rule)))
        .map(|(_, words)| words)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(right: Right, verbs: &str, groups: &str, resources: &str, wild: bool, named: bool) {
        let words = |text: &str| text.split(',').map(Into::into).collect();
        let rule = PolicyRule {
            verbs: words(verbs),
            api_groups: words(groups),
            resources: words(resources),
            ..PolicyRule::default()
        };
        assert_eq!(right.of(&rule), wild, "{rule:?}");
        assert_eq!(right.named_in(&rule).is_some(), named, "{rule:?}");
    }

    #[test]
    fn as_the_authorizer_matches() {
        check(READ_SECRETS, "get", "", "secrets", true, true);
        check(READ_SECRETS, "*", "*", "secrets", true, true);
        check(READ_SECRETS, "get", "", "*", true, false);
        check(READ_SECRETS, "create", "", "secrets", false, false);
        check(READ_SECRETS, "get", "core", "secrets", false, false);
        check(READ_SECRETS, "Get", "", "secrets", false, false);
        check(READ_SECRETS, "get", "", "secrets/*", false, false);
        let exec = RUN_IN_PODS[0];
        check(exec, "create", "", "pods/exec", true, true);
        check(exec, "create", "", "*/exec", true, true);
        check(exec, "create", "", "pods/*", false, false);
        check(exec, "create", "", "pods", false, false);
        check(exec, "create", "", "*", true, false);
    }
}
