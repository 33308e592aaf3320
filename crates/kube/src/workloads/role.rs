//! The rights that identities need of a cluster, and no others.

use bailiwick_identity::rules::RULE_KINDS;

/// Rules to follow pods and what they stand on, as YAML.
fn pod_reader_rules() -> &'static str {
    "# Pods and what they stand on, to prove what others say of them.\n\
     - apiGroups: [\"\"]\n  resources: [pods, serviceaccounts, nodes, namespaces]\n  verbs: [get, list, watch]\n"
}

/// Rules to follow those that say who gets which identity, and to tell what has become of them.
fn rule_reader_rules() -> String {
    let group = RULE_KINDS[0].group;
    let plurals = RULE_KINDS.map(|kind| kind.plural).join(", ");
    let statuses = RULE_KINDS.map(|kind| format!("{}/status", kind.plural));
    format!(
        "# Who gets which identity, and in their status what has become of that.\n\
         - apiGroups: [{group}]\n  resources: [{plurals}]\n  verbs: [list, watch]\n\
         - apiGroups: [{group}]\n  resources: [{}]\n  verbs: [patch]\n",
        statuses.join(", ")
    )
}

/// A manifest with everything that a signer of pod certificates may do, for the service account `NAMESPACE/NAME`.
pub fn signer_role(signer: &str, namespace: &str, name: &str) -> String {
    let bundle = super::bundle::name(signer);
    let role = format!("bailiwick-signer-{}", signer.replace('/', "-"));
    format!(
        "# What `bailiwick identity signer` for {signer} needs, and nothing else.\n\
         apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: ClusterRole\n\
         metadata:\n  name: {role}\n\
         rules:\n{pods}{rules}\
         # Requests of all signers are listed by one right; the status of those to this signer alone can be written.\n\
         - apiGroups: [certificates.k8s.io]\n  resources: [podcertificaterequests]\n  verbs: [get, list, watch]\n\
         - apiGroups: [certificates.k8s.io]\n  resources: [podcertificaterequests/status]\n  verbs: [patch]\n\
         - apiGroups: [certificates.k8s.io]\n  resources: [signers]\n  resourceNames: [{signer}]\n  verbs: [sign, attest]\n\
         - apiGroups: [certificates.k8s.io]\n  resources: [clustertrustbundles]\n  resourceNames: [\"{bundle}\"]\n  \
         verbs: [list, watch, patch, delete]\n\
         # RBAC cannot name what is not there yet; `attest` limits it to this signer.\n\
         - apiGroups: [certificates.k8s.io]\n  resources: [clustertrustbundles]\n  verbs: [create]\n{binding}",
        pods = pod_reader_rules(),
        rules = rule_reader_rules(),
        binding = binding(&role, namespace, name),
    )
}

/// A manifest with everything that an issuer for pods without agents may do, for the service account `NAMESPACE/NAME`.
pub fn issuer_role(namespace: &str, name: &str) -> String {
    let role = "bailiwick-issuer";
    format!(
        "# What `bailiwick identity server` needs, and nothing else.\n\
         apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: ClusterRole\n\
         metadata:\n  name: {role}\n\
         rules:\n{pods}{rules}\
         # Whose tokens are that pods come with.\n\
         - apiGroups: [authentication.k8s.io]\n  resources: [tokenreviews]\n  verbs: [create]\n{binding}",
        pods = pod_reader_rules(),
        rules = rule_reader_rules(),
        binding = binding(role, namespace, name),
    )
}

/// A ClusterRoleBinding of a ClusterRole to the service account `NAMESPACE/NAME`, which takes it from no other account.
pub(crate) fn binding(role: &str, namespace: &str, name: &str) -> String {
    format!(
        "---\n\
         apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: ClusterRoleBinding\n\
         metadata:\n  name: {role}-{namespace}-{name}\n\
         roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: {role}\n\
         subjects:\n- kind: ServiceAccount\n  namespace: {namespace}\n  name: {name}\n",
    )
}
