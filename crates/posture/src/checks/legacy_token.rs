use bailiwick_core::{Kind, ObjectRef, Subject};
use bailiwick_diag::{Finding, Place, Severity, kubectl};
use bailiwick_model::Secret;

use crate::check::check;
use crate::scan::Scan;
use crate::words::{bounded, quoted};

check! {
    /// A Secret of type `kubernetes.io/service-account-token` holds a token that never expires and works from anywhere
    /// until the Secret or the service account is deleted. Since Kubernetes 1.24 none is made by itself: pods get tokens
    /// that expire with them.
    ///
    /// The severity follows the rights of the service account: low without any, high with full control of the cluster.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// kind: Secret
    /// apiVersion: v1
    /// metadata:
    ///   name: deployer-token
    ///   namespace: ci
    ///   annotations: {kubernetes.io/service-account.name: deployer}
    /// type: kubernetes.io/service-account-token
    /// ```
    ///
    /// ## Fix
    ///
    /// - Let the client get a token that expires: `kubectl create token`, the TokenRequest API, or, outside the cluster,
    ///   an identity of its own by OIDC. Then delete the Secret.
    /// - The label `kubernetes.io/legacy-token-last-used` on the Secret says when the token was used last.
    ///
    /// See "Managing Service Accounts", section "Manual Secret management for ServiceAccounts", in the Kubernetes
    /// documentation.
    "legacy-token", "A service account token that never expires", High, weighed
}

const TOKEN: &str = "kubernetes.io/service-account-token";
const ACCOUNT: &str = "kubernetes.io/service-account.name";
const LAST_USED: &str = "kubernetes.io/legacy-token-last-used";

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let secrets = scan.snapshot.secrets.iter();
    let tokens = secrets.filter(|secret| &*secret.secret_type == TOKEN);
    tokens.map(|secret| finding(scan, secret)).collect()
}

fn finding(scan: &Scan<'_>, secret: &Secret) -> Finding {
    let metadata = &secret.metadata;
    let object = ObjectRef::new(Kind::Secret, &metadata.namespace, &metadata.name);
    let account = metadata.annotation(ACCOUNT).unwrap_or_default();
    let subject = Subject::ServiceAccount {
        namespace: metadata.namespace.to_string(),
        name: account.to_owned(),
    };
    let bindings = scan.bindings_naming(&subject);
    let severity = match (bindings.is_empty(), scan.is_sovereign(&subject)) {
        (_, true) => Severity::High,
        (false, false) => Severity::Medium,
        (true, false) => Severity::Low,
    };
    let message = format!(
        "{} holds a token of `{subject}` that never expires",
        quoted(&object)
    );
    let mut finding = Finding::new(CHECK.id, severity, message)
        .at(Place::field(object.clone(), "/type"))
        .help("let the client get tokens that expire, then delete the Secret");
    finding.evidence = bounded(bindings.iter().map(|binding| {
        let role = binding
            .role()
            .map(|role| role.to_string())
            .unwrap_or_default();
        format!("{subject} has {role} through {}", binding.object_ref())
    }));
    if let Some(day) = metadata.label(LAST_USED) {
        finding = finding.because(format!("it was used last on {day}"));
    }
    finding.fix(
        "delete the token, once nothing uses it",
        kubectl::delete(&object),
    )
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{binding, check};

    fn secret(kind: &str) -> String {
        format!(
            "---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: t\n  namespace: ci\n  annotations: \
             {{kubernetes.io/service-account.name: deployer}}\ntype: {kind}\n"
        )
    }

    #[test]
    fn by_the_rights_of_its_account() {
        let token = secret("kubernetes.io/service-account-token");
        let message = "/type: Secret `ci/t` holds a token of `sa:ci/deployer` that never expires";
        check(CHECK, &token, &[&format!("low {message}")]);
        let view = binding("ci", "a", "ClusterRole view", "ServiceAccount ci/deployer");
        check(
            CHECK,
            &(token.clone() + &view),
            &[&format!("medium {message}")],
        );
        let admin = binding(
            "",
            "a",
            "ClusterRole cluster-admin",
            "ServiceAccount ci/deployer",
        );
        check(CHECK, &(token + &admin), &[&format!("high {message}")]);
    }

    #[test]
    fn other_secrets() {
        check(CHECK, &secret("Opaque"), &[]);
    }
}
