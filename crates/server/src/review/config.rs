use std::fmt::Write as _;

use super::Mode;

/// Requests that never wait for us, each with why, as CEL over a SubjectAccessReview of v1. Without them a webhook that
/// is away could keep away what would bring it back.
const NOT_OURS: &[(&str, &str)] = &[
    (
        "kubelets, which the Node authorizer answers for",
        "!('system:nodes' in request.groups)",
    ),
    (
        "the control plane itself",
        "!(request.user in ['system:apiserver', 'system:kube-controller-manager', 'system:kube-scheduler'])",
    ),
    (
        "service accounts of kube-system",
        "!('system:serviceaccounts:kube-system' in request.groups)",
    ),
    (
        "leases, by which components elect their leader",
        "!(has(request.resourceAttributes) && request.resourceAttributes.group == 'coordination.k8s.io' && \
         request.resourceAttributes.resource == 'leases')",
    ),
    (
        "health and version, which load balancers ask for",
        "!(has(request.nonResourceAttributes) && request.nonResourceAttributes.path in \
         ['/healthz', '/livez', '/readyz', '/version'])",
    ),
];

/// The AuthorizationConfiguration (`apiserver.config.k8s.io/v1`) that has an API server ask us, to paste.
///
/// `kubeconfig` is the absolute path, on the API server's machine, of the file that says where we are and with which
/// certificate to come; `user` is the name under which we ourselves read the cluster, if we do.
pub fn authorization_configuration(mode: Mode, kubeconfig: &str, user: Option<&str>) -> String {
    let webhook = webhook(mode, kubeconfig, user);
    let rest = "- type: Node\n  name: node\n- type: RBAC\n  name: rbac\n";
    let head =
        "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\nauthorizers:\n";
    match mode {
        // Asked last: whatever reaches it was going to be refused.
        Mode::Explain => format!("{head}{rest}{webhook}"),
        _ => format!("{head}{webhook}{rest}"),
    }
}

fn webhook(mode: Mode, kubeconfig: &str, user: Option<&str>) -> String {
    let policy = if mode.decides() { "Deny" } else { "NoOpinion" };
    let path = quoted(kubeconfig);
    let mut out = format!(
        "- type: Webhook
  name: bailiwick
  webhook:
    # No answer within this time counts as failurePolicy says.
    timeout: 500ms
    subjectAccessReviewVersion: v1
    matchConditionSubjectAccessReviewVersion: v1
    failurePolicy: {policy}
    # A cached answer outlives a revocation. The API server has no way to take one back.
    cacheAuthorizedRequests: false
    cacheUnauthorizedRequests: false
    authorizedTTL: 1s
    unauthorizedTTL: 1s
    connectionInfo:
      type: KubeConfigFile
      kubeConfigFile: {path}
    matchConditions:
"
    );
    for (why, condition) in NOT_OURS {
        // Writing to memory does not fail.
        let _ = writeln!(out, "    # {why}\n    - expression: {}", quoted(condition));
    }
    if let Some(user) = user {
        let condition = format!("request.user != '{}'", user.replace(['\'', '\\'], "?"));
        let _ = writeln!(
            out,
            "    # ourselves\n    - expression: {}",
            quoted(&condition)
        );
    }
    out
}

/// A text in double quotes, as YAML reads it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
