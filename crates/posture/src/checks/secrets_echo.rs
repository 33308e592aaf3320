use std::collections::BTreeSet;

use bailiwick_diag::Finding;
use bailiwick_rbac::Right;

use crate::check::check;
use crate::grants::Live;
use crate::rights::READ_SECRETS;
use crate::scan::Scan;

check! {
    /// The API server answers some writes with the object. `patch` on a Secret with an empty patch returns its contents,
    /// also as a dry run; so does `delete` with `propagationPolicy: Foreground`; `deletecollection` returns the contents
    /// of all that it deletes. Whoever may do that reads the Secrets, though no rule says `get`.
    ///
    /// Subjects that may read these Secrets anyway are not counted.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// rules:
    /// - apiGroups: [""]
    ///   resources: [secrets]
    ///   verbs: [create, patch]     # meant: writes, but does not read
    /// ```
    ///
    /// ## Fix
    ///
    /// - `create` and `update` do not return what was there before: they are safe where writing alone is meant.
    /// - Name the Secrets under `resourceNames`.
    ///
    /// The behaviour is that of kube-apiserver 1.37; no page of the Kubernetes documentation mentions it.
    "secrets-echo", "Reading Secrets by writing them", Medium, weighed
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let echo = Right::new("", "secrets", &["patch", "delete", "deletecollection"]);
    let find = |rule: &bailiwick_model::PolicyRule| {
        let position = echo.named_in(rule)?;
        let reported = rule.resource_names.is_empty() && !READ_SECRETS.is_in(rule);
        reported.then(|| format!("resources/{position}"))
    };
    let mut findings = Vec::new();
    for mut cause in scan.causes(Live::Anywhere, find) {
        let readers: BTreeSet<_> = cause
            .reached()
            .into_iter()
            .filter(|(subject, namespace)| scan.holds(subject, namespace, &[READ_SECRETS]))
            .collect();
        cause.holders.retain(|holder| {
            let namespace = &*holder.binding.metadata.namespace;
            let reads = |subject| readers.contains(&(subject, namespace));
            !holder.subject().is_some_and(reads)
        });
        if !cause.holders.is_empty() {
            findings.push(
                cause
                    .finding(&CHECK, cause.by_reach(CHECK.severity), "read Secrets by patching or deleting them")
                    .help("take `patch`, `delete` and `deletecollection` away, or name the Secrets under `resourceNames`"),
            );
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{bound, bound_in, check};

    #[test]
    fn writing_returns_what_was_there() {
        // With `create` it is the token of any service account, those of the control plane's controllers included.
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: [secrets], verbs: [create, patch]}"),
            &[
                "high /rules/0/resources/0: ClusterRole `r` lets `group:dev` read Secrets by patching or deleting them \
               in the whole cluster",
            ],
        );
        check(
            CHECK,
            &bound_in(
                "shop",
                "{apiGroups: [''], resources: [secrets], verbs: [deletecollection]}",
            ),
            &[
                "low /rules/0/resources/0: ClusterRole `r` lets `group:dev` read Secrets by patching or deleting them in \
               namespace `shop`",
            ],
        );
    }

    #[test]
    fn who_reads_anyway_and_safe_writes() {
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: [secrets], verbs: [create, update]}"),
            &[],
        );
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: [secrets], verbs: [get, patch]}"),
            &[],
        );
        let apart = "{apiGroups: [''], resources: [secrets], verbs: [list]}
            {apiGroups: [''], resources: [secrets], verbs: [patch]}";
        check(CHECK, &bound(apart), &[]);
    }
}
