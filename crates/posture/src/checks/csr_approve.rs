use bailiwick_core::{Request, ResourceRequest, Subject, UserInfo};
use bailiwick_diag::{Finding, Severity};

use crate::check::check;
use crate::grants::{Cause, Live};
use crate::rights::{APPROVE_REQUESTS, CREATE_REQUESTS};
use crate::scan::Scan;

check! {
    /// Whoever approves a CertificateSigningRequest for the signer `kubernetes.io/kube-apiserver-client` says who its
    /// owner is: any user name and any group but `system:masters`. It takes three rights, which may come from different
    /// bindings: `create` on certificatesigningrequests, `update` or `patch` on certificatesigningrequests/approval, and
    /// `approve` on the signer. Whoever holds all three makes credentials for anybody. They cannot be revoked.
    ///
    /// Whoever may approve for this signer without creating requests is reported as less severe; whoever may approve for
    /// other signers only is not.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// rules:
    /// - apiGroups: [certificates.k8s.io]
    ///   resources: [certificatesigningrequests]
    ///   verbs: [create, get]
    /// - apiGroups: [certificates.k8s.io]
    ///   resources: [certificatesigningrequests/approval]
    ///   verbs: [update]
    /// - apiGroups: [certificates.k8s.io]
    ///   resources: [signers]
    ///   resourceNames: [kubernetes.io/kube-apiserver-client]
    ///   verbs: [approve]
    /// ```
    ///
    /// ## Fix
    ///
    /// - Limit `approve` to the signer that is needed, such as `kubernetes.io/kubelet-serving`, by `resourceNames`.
    /// - Let nobody both create and approve.
    ///
    /// See "RBAC Good Practices", section "CSRs and certificate issuing", in the Kubernetes documentation.
    "csr-approve", "Making client certificates for anybody", Critical, weighed
}

/// The signer of client certificates that the API server trusts, and the wildcard that covers it.
const SIGNERS: [&str; 2] = ["kubernetes.io/kube-apiserver-client", "kubernetes.io/*"];

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let find = |rule: &_| {
        let position = APPROVE_REQUESTS.named_in(rule)?;
        Some(format!("resources/{position}"))
    };
    let causes = scan.causes(Live::ClusterWide, find);
    causes
        .iter()
        .filter_map(|cause| finding(scan, cause))
        .collect()
}

fn finding(scan: &Scan<'_>, cause: &Cause<'_>) -> Option<Finding> {
    let approvers: Vec<Subject> = cause
        .subjects()
        .into_iter()
        .filter(|subject| approves(scan, subject))
        .collect();
    let first = approvers.first()?;
    let maker = approvers
        .iter()
        .find(|subject| scan.holds(subject, "", &[CREATE_REQUESTS]));
    let (severity, fact) = match maker {
        Some(subject) => (
            Severity::Critical,
            format!(
                "{subject} can also create requests and approve for the signer {}",
                SIGNERS[0]
            ),
        ),
        None => (
            Severity::Low,
            format!(
                "{first} can approve for the signer {}, but creates no requests",
                SIGNERS[0]
            ),
        ),
    };
    let finding = cause
        .finding(&CHECK, severity, "approve certificate requests")
        .because(fact);
    Some(finding.help(
        "limit `approve` on signers to the one that is needed, and let nobody both create and approve",
    ))
}

/// As the API server asks before it stores an approval: the signer's name, then the wildcard of its domain.
fn approves(scan: &Scan<'_>, subject: &Subject) -> bool {
    let user = UserInfo::of(subject, &[]);
    SIGNERS.iter().any(|signer| {
        let request =
            ResourceRequest::new("approve", "certificates.k8s.io", "signers").named(signer);
        scan.engine
            .decide(&user, &Request::from(request))
            .is_allowed()
    })
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{binding, bound, bound_in, check, cluster_role};

    const CREATE: &str = "{apiGroups: [certificates.k8s.io], resources: [certificatesigningrequests], verbs: [create]}";
    const APPROVAL: &str = "{apiGroups: [certificates.k8s.io], resources: [certificatesigningrequests/approval], verbs: [update]}";
    const SIGNER: &str = "{apiGroups: [certificates.k8s.io], resources: [signers], verbs: [approve], \
                          resourceNames: ['kubernetes.io/*']}";

    #[test]
    fn all_three_rights() {
        check(
            CHECK,
            &bound(&[CREATE, APPROVAL, SIGNER].join("\n")),
            &[
                "critical /rules/1/resources/0: ClusterRole `r` lets `group:dev` approve certificate requests in the \
               whole cluster",
            ],
        );
    }

    #[test]
    fn from_different_bindings() {
        let manifests = [
            bound(APPROVAL),
            cluster_role("s", &[CREATE, SIGNER].join("\n")),
            binding("", "b", "ClusterRole s", "Group dev"),
        ];
        check(
            CHECK,
            &manifests.concat(),
            &[
                "critical /rules/0/resources/0: ClusterRole `r` lets `group:dev` approve certificate requests in the \
               whole cluster",
            ],
        );
    }

    #[test]
    fn one_right_is_missing() {
        let low = "low /rules/0/resources/0: ClusterRole `r` lets `group:dev` approve certificate requests in the \
                   whole cluster";
        check(CHECK, &bound(&[APPROVAL, SIGNER].join("\n")), &[low]);
        check(CHECK, &bound(&[APPROVAL, CREATE].join("\n")), &[]);
        let star = SIGNER.replace("kubernetes.io/*", "*");
        check(CHECK, &bound(&[APPROVAL, CREATE, &star].join("\n")), &[]);
        check(CHECK, &bound(&[CREATE, SIGNER].join("\n")), &[]);
        check(
            CHECK,
            &bound_in("shop", &[CREATE, APPROVAL, SIGNER].join("\n")),
            &[],
        );
    }
}
