use std::collections::BTreeMap;

use bailiwick_core::{Kind, ObjectRef, Subject, UserInfo};
use bailiwick_diag::{Finding, Place};
use bailiwick_model::Workload;

use crate::check::check;
use crate::scan::Scan;
use crate::words::{bounded, count};

check! {
    /// A pod gets a token of its service account mounted unless it, or the service account, says
    /// `automountServiceAccountToken: false`. Where no binding names the service account, the token gives nothing but
    /// what everybody has, and still proves to others who the pod is. It is there for whoever breaks in.
    ///
    /// Tokens that a volume of the pod asks for itself, with an audience of its own, are not meant.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// kind: Deployment
    /// spec:
    ///   template:
    ///     spec:
    ///       containers: [{name: web, image: web}]   # serviceAccountName: default, token mounted
    /// ```
    ///
    /// ## Fix
    ///
    /// - Set `automountServiceAccountToken: false` on the service account, and `true` on pods that need the token.
    ///
    /// See "Configure Service Accounts for Pods", section "Opt out of API credential automounting", in the Kubernetes
    /// documentation and the CIS Kubernetes Benchmark, 5.1.6.
    "unused-token", "Tokens mounted for nothing", Info
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let mut mounted: BTreeMap<(&str, &str), Vec<&Workload>> = BTreeMap::new();
    for workload in scan.snapshot.all_workloads() {
        let own = (
            &*workload.metadata.namespace,
            workload.pod.service_account(),
        );
        if workload.metadata.controller.is_none() && mounts(scan, workload) {
            mounted.entry(own).or_default().push(workload);
        }
    }
    mounted.retain(|(namespace, name), _| {
        scan.is_complete(&Kind::RBAC, namespace) && !has_rights(scan, namespace, name)
    });
    let finding = |((namespace, name), workloads): ((&str, &str), Vec<&Workload>)| {
        let message = format!(
            "service account `{namespace}/{name}` has no rights, but its token is mounted by {}",
            count(workloads.len(), "workload")
        );
        let account = scan.snapshot.service_accounts.get(namespace, name);
        let place = match (account, workloads.first()) {
            (None, Some(workload)) => Place::object(workload.object_ref()),
            _ => Place::object(ObjectRef::new(Kind::ServiceAccount, namespace, name)),
        };
        let mut finding = Finding::new(CHECK.id, CHECK.severity, message)
            .at(place)
            .help("set `automountServiceAccountToken: false` on the service account");
        finding.evidence = bounded(
            workloads
                .iter()
                .map(|workload| workload.object_ref().to_string()),
        );
        finding
    };
    mounted.into_iter().map(finding).collect()
}

/// The pod decides, then the service account; without either the token is mounted.
fn mounts(scan: &Scan<'_>, workload: &Workload) -> bool {
    let account = || {
        let namespace = &workload.metadata.namespace;
        let accounts = &scan.snapshot.service_accounts;
        accounts
            .get(namespace, workload.pod.service_account())?
            .automount_service_account_token
    };
    workload
        .pod
        .automount_service_account_token
        .or_else(account)
        .unwrap_or(true)
}

/// Whether a binding beyond the default ones names the service account or one of its groups.
fn has_rights(scan: &Scan<'_>, namespace: &str, name: &str) -> bool {
    let account = Subject::ServiceAccount {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    let user = UserInfo::of(&account, &[]);
    let groups = user.groups.into_iter().map(|name| Subject::Group { name });
    std::iter::once(account).chain(groups).any(|subject| {
        scan.bindings_naming(&subject)
            .iter()
            .any(|binding| !is_default(scan, binding))
    })
}

fn is_default(scan: &Scan<'_>, binding: &bailiwick_model::Binding) -> bool {
    let given = binding
        .subjects
        .iter()
        .all(|subject| scan.is_default_subject(binding, subject));
    // A default binding of a controller gives rights; one of a group gives what everybody has.
    given
        && binding
            .subjects
            .iter()
            .all(|subject| &*subject.kind == "Group")
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{binding, check, deployment, service_account};

    #[test]
    fn mounted_without_rights() {
        let manifests = [
            deployment("shop", "a", "{containers: [{name: web}]}"),
            deployment("shop", "b", "{containers: [{name: web}]}"),
            service_account("shop", "web"),
            deployment(
                "shop",
                "c",
                "{serviceAccountName: web, containers: [{name: web}]}",
            ),
        ];
        check(
            CHECK,
            &manifests.concat(),
            &[
                "info : service account `shop/web` has no rights, but its token is mounted by 1 workload",
                "info : service account `shop/default` has no rights, but its token is mounted by 2 workloads",
            ],
        );
    }

    #[test]
    fn with_rights_or_not_mounted() {
        let web = deployment(
            "shop",
            "a",
            "{serviceAccountName: web, containers: [{name: web}]}",
        );
        let own = binding("shop", "a", "ClusterRole view", "ServiceAccount shop/web");
        check(CHECK, &(web.clone() + &own), &[]);
        let group = binding(
            "shop",
            "a",
            "ClusterRole view",
            "Group system:serviceaccounts:shop",
        );
        check(CHECK, &(web.clone() + &group), &[]);
        let off = "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {namespace: shop, name: web}\n\
                   automountServiceAccountToken: false\n";
        check(CHECK, &(web + off), &[]);
        let pod_off = "{automountServiceAccountToken: false, containers: [{name: web}]}";
        check(CHECK, &deployment("shop", "a", pod_off), &[]);
    }
}
