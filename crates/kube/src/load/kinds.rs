use std::borrow::Cow;

use bailiwick_core::Kind;

use crate::followed::Followed;

/// The kinds to read from a cluster. What is asked of the API server, and the role that allows it
/// ([`smallest_cluster_role`](crate::smallest_cluster_role)), both follow from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadKinds(Vec<Kind>);

impl LoadKinds {
    /// Roles and bindings: enough to decide requests.
    pub fn rbac() -> Self {
        Self(Kind::RBAC.to_vec())
    }

    /// Everything that Bailiwick reads.
    pub fn all() -> Self {
        Self(Kind::ALL.to_vec())
    }

    /// These kinds, each once.
    pub fn of(kinds: &[Kind]) -> Self {
        let mut kinds = kinds.to_vec();
        kinds.sort();
        kinds.dedup();
        Self(kinds)
    }

    /// The same without Secrets, whose `list` right shows values to whoever has it, though Bailiwick does not ask for
    /// them.
    #[must_use]
    pub fn without_secrets(mut self) -> Self {
        self.0.retain(|kind| *kind != Kind::Secret);
        self
    }

    /// The kinds.
    pub fn iter(&self) -> impl Iterator<Item = Kind> {
        self.0.iter().copied()
    }
}

/// Path of a version of a kind's group.
pub(crate) fn version_path(kind: impl Followed, version: &str) -> String {
    match kind.group() {
        "" => format!("/api/{version}"),
        group => format!("/apis/{group}/{version}"),
    }
}

/// Path of the list of a kind, in one namespace or (empty) in the whole cluster. Of a kind of which one object is read
/// it is the list of that one's namespace.
pub(crate) fn list_path(kind: impl Followed, version: &str, namespace: &str) -> String {
    let root = version_path(kind, version);
    let only = kind.known().and_then(Kind::only);
    match only.map_or(namespace, |(namespace, _)| namespace) {
        "" => format!("{root}/{}", kind.plural()),
        namespace => format!("{root}/namespaces/{namespace}/{}", kind.plural()),
    }
}

/// Whether a server that does not serve a kind has simply none of it: those came after the oldest Kubernetes that is
/// read, or no Kubernetes brings them. So do custom resources, until somebody defines them.
pub(crate) fn may_be_unserved(kind: impl Followed) -> bool {
    let Some(kind) = kind.known() else {
        return true;
    };
    let is_later = matches!(
        kind,
        // Since 1.30.
        Kind::ValidatingAdmissionPolicy
            | Kind::ValidatingAdmissionPolicyBinding
            // Since 1.36.
            | Kind::MutatingAdmissionPolicy
            | Kind::MutatingAdmissionPolicyBinding
            // Since 1.37, and behind a feature gate before.
            | Kind::ClusterTrustBundle
    );
    is_later || kind.is_custom()
}

/// What a list and a watch ask for besides: the one object that is read of a kind, where it is one. Slices that follow
/// from the selectors of Services are most of them, and say nothing more.
pub(crate) fn selection(kind: Option<Kind>) -> Cow<'static, str> {
    if let Some((_, name)) = kind.and_then(Kind::only) {
        return format!("&fieldSelector=metadata.name%3D{name}").into();
    }
    match kind {
        Some(Kind::EndpointSlice) => {
            "&labelSelector=endpointslice.kubernetes.io%2Fmanaged-by%21%3Dendpointslice-controller.k8s.io".into()
        }
        _ => "".into(),
    }
}

/// `apiVersion` of a kind's objects; lists leave it out of their items.
pub(crate) fn api_version(kind: impl Followed) -> String {
    match kind.group() {
        "" => kind.version().to_owned(),
        group => format!("{group}/{}", kind.version()),
    }
}

/// How many objects to ask for at once, so that a page stays at a few megabytes.
pub(crate) fn page_size(kind: impl Followed) -> u32 {
    let Some(kind) = kind.known() else {
        // Up to a megabyte each, a policy or a hundred tuples as a rule.
        return 100;
    };
    match kind {
        // Schemas and certificates make them hundreds of kilobytes each.
        Kind::CustomResourceDefinition | Kind::ClusterTrustBundle => 20,
        // Up to ten kilobytes each.
        Kind::Pod
        | Kind::Deployment
        | Kind::ReplicaSet
        | Kind::StatefulSet
        | Kind::DaemonSet
        | Kind::Job
        | Kind::CronJob
        | Kind::ReplicationController
        | Kind::Node => 500,
        // Below one kilobyte each.
        _ => 2_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let check =
            |kind, namespace, expected| assert_eq!(list_path(kind, "v1", namespace), expected);
        check(Kind::Pod, "", "/api/v1/pods");
        check(Kind::Pod, "shop", "/api/v1/namespaces/shop/pods");
        check(
            Kind::ClusterRole,
            "",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        );
        check(
            Kind::ConfigMap,
            "",
            "/api/v1/namespaces/kube-system/configmaps",
        );
        check(
            Kind::CronJob,
            "shop",
            "/apis/batch/v1/namespaces/shop/cronjobs",
        );
    }

    #[test]
    fn a_list_of_kinds_holds_each_once() {
        let kinds = LoadKinds::of(&[Kind::Secret, Kind::Role, Kind::Secret]);
        assert_eq!(kinds.iter().collect::<Vec<_>>(), [Kind::Role, Kind::Secret]);
        assert_eq!(
            kinds.without_secrets().iter().collect::<Vec<_>>(),
            [Kind::Role]
        );
    }
}
