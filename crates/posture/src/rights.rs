//! Rights that checks look for in rules.

use bailiwick_core::names::RBAC_GROUP;
use bailiwick_model::PolicyRule;
use bailiwick_rbac::Right;

/// Whether the rule allows everything: every verb on every resource of every group, whatever its name.
pub(crate) fn is_everything(rule: &PolicyRule) -> bool {
    Right::EVERYTHING.names(rule).is_some()
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

pub(crate) const READ_SECRETS: Right = Right::new("", "secrets", &["get", "list", "watch"]);
pub(crate) const CREATE_TOKENS: Right = Right::new("", "serviceaccounts/token", &["create"]);
pub(crate) const ESCALATE: [Right; 2] = [
    Right::cluster(RBAC_GROUP, "clusterroles", &["escalate"]),
    Right::new(RBAC_GROUP, "roles", &["escalate"]),
];
pub(crate) const BIND: [Right; 2] = [
    Right::cluster(RBAC_GROUP, "clusterroles", &["bind"]),
    Right::new(RBAC_GROUP, "roles", &["bind"]),
];
pub(crate) const WRITE_BINDINGS: [Right; 2] = [
    Right::cluster(
        RBAC_GROUP,
        "clusterrolebindings",
        &["create", "update", "patch"],
    ),
    Right::new(RBAC_GROUP, "rolebindings", &["create", "update", "patch"]),
];
pub(crate) const WRITE_ROLES: [Right; 2] = [
    Right::cluster(RBAC_GROUP, "clusterroles", &["create", "update", "patch"]),
    Right::new(RBAC_GROUP, "roles", &["create", "update", "patch"]),
];
pub(crate) const IMPERSONATE_SUBJECT: [Right; 2] = [
    Right::cluster("", "users", &["impersonate"]),
    Right::new("", "serviceaccounts", &["impersonate"]),
];
pub(crate) const IMPERSONATE_GROUP: Right = Right::cluster("", "groups", &["impersonate"]);
/// `create` works by POST on every version; `get` opens a WebSocket before 1.35.
pub(crate) const RUN_IN_PODS: [Right; 3] = [
    Right::new("", "pods/exec", &["create"]),
    Right::new("", "pods/attach", &["create"]),
    Right::new("", "pods/ephemeralcontainers", &["update", "patch"]),
];
pub(crate) const KUBELET: Right = Right::cluster("", "nodes/proxy", &["get", "create"]);
/// What makes pods. The template of a Job cannot be changed.
pub(crate) const MAKE_PODS: [Right; 8] = [
    Right::new("", "pods", &["create"]),
    Right::new("apps", "deployments", &["create", "update", "patch"]),
    Right::new("apps", "daemonsets", &["create", "update", "patch"]),
    Right::new("apps", "statefulsets", &["create", "update", "patch"]),
    Right::new("apps", "replicasets", &["create", "update", "patch"]),
    Right::new("batch", "cronjobs", &["create", "update", "patch"]),
    Right::new("batch", "jobs", &["create"]),
    Right::new("", "replicationcontrollers", &["create", "update", "patch"]),
];
pub(crate) const CHANGE_ADMISSION: [Right; 4] = [
    Right::cluster(
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        &["create", "update", "patch"],
    ),
    Right::cluster(
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        &["create", "update", "patch"],
    ),
    Right::cluster(
        "admissionregistration.k8s.io",
        "mutatingadmissionpolicies",
        &["create", "update", "patch"],
    ),
    Right::cluster(
        "admissionregistration.k8s.io",
        "mutatingadmissionpolicybindings",
        &["create", "update", "patch"],
    ),
];
pub(crate) const APPROVE_REQUESTS: Right = Right::cluster(
    "certificates.k8s.io",
    "certificatesigningrequests/approval",
    &["update", "patch"],
);
pub(crate) const CREATE_REQUESTS: Right = Right::cluster(
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
        .filter(|(rights, _)| rights.iter().any(|right| right.is_in(rule)))
        .map(|(_, words)| words)
        .collect()
}
