use bailiwick_diag::Finding;

use crate::check::check;
use crate::grants::{Grant, Live};
use crate::rights::CREATE_TOKENS;
use crate::scan::Scan;

check! {
    /// `create` on `serviceaccounts/token` without names issues a token of any service account there, for any audience,
    /// and so everything that these service accounts can do. A dry run returns a token that works, too. Given in the
    /// whole cluster that includes the service accounts of the controllers in `kube-system`, and with them full control.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// rules:
    /// - apiGroups: [""]
    ///   resources: [serviceaccounts/token]
    ///   verbs: [create]
    /// ```
    ///
    /// ## Fix
    ///
    /// - Name the service accounts under `resourceNames`; on this subresource names work for `create`.
    ///
    /// See "RBAC Good Practices", section "Token request", in the Kubernetes documentation.
    "token-create", "Issuing tokens of every service account", Critical, weighed
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    scan.report(&Grant {
        check: &CHECK,
        rights: &[CREATE_TOKENS],
        live: Live::Anywhere,
        does: "issue a token of every service account",
        help: "name the service accounts under `resourceNames`, or take the right away",
    })
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{bound, bound_in, check};

    #[test]
    fn without_names() {
        let rule = "{apiGroups: [''], resources: [serviceaccounts, serviceaccounts/token], verbs: [create]}";
        check(
            CHECK,
            &bound(rule),
            &[
                "critical /rules/0/resources/1: ClusterRole `r` lets `group:dev` issue a token of every service account \
               in the whole cluster",
            ],
        );
        check(
            CHECK,
            &bound_in("shop", rule),
            &[
                "high /rules/0/resources/1: ClusterRole `r` lets `group:dev` issue a token of every service account in \
               namespace `shop`",
            ],
        );
    }

    #[test]
    fn named_or_another_right() {
        check(
            CHECK,
            &bound(
                "{apiGroups: [''], resources: [serviceaccounts/token], verbs: [create], resourceNames: [web]}",
            ),
            &[],
        );
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: [serviceaccounts], verbs: [create]}"),
            &[],
        );
    }
}
