use super::embedded::RETIRED_GROUPS;
use super::{ApiResource, ApiTable};

/// Whether one (group, resource, verb) of a rule can ever match a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// The API serves it, or an authorizer or admission plugin asks for it.
    Live,
    /// Only a server with further groups, versions or features switched on serves it.
    NotByDefault,
    /// The group is not one of this API; it may come from an extension that is not there yet.
    UnknownGroup,
    /// The group does not serve the resource or subresource.
    UnknownResource,
    /// The resource does not serve the verb, and nothing else asks for it.
    UnknownVerb,
}

/// Resources and verbs that no discovery lists, because they exist only as questions to the authorizer.
struct Asked {
    group: &'static str,
    /// `resource`, `resource/subresource`, or `resource/*` for any subresource.
    resource: &'static str,
    verbs: &'static [&'static str],
    namespaced: bool,
}

const fn asked(
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
    namespaced: bool,
) -> Asked {
    Asked {
        group,
        resource,
        verbs,
        namespaced,
    }
}

const AUTHENTICATION: &str = "authentication.k8s.io";
const CERTIFICATES: &str = "certificates.k8s.io";
const RBAC: &str = bailiwick_core::names::RBAC_GROUP;
const USER_INFO: &[&str] = &["impersonate:user-info"];
/// The kubelet turns HTTP methods into these.
const KUBELET: &[&str] = &["create", "delete", "get", "patch", "update"];

const ASKED: &[Asked] = &[
    // apiserver/pkg/endpoints/filters/impersonation: what stands in the Impersonate-* headers.
    asked("", "users", &["impersonate"], false),
    asked("", "groups", &["impersonate"], false),
    asked("", "serviceaccounts", &["impersonate"], true),
    asked(
        AUTHENTICATION,
        "uids",
        &["impersonate", "impersonate:user-info"],
        false,
    ),
    asked(
        AUTHENTICATION,
        "userextras/*",
        &["impersonate", "impersonate:user-info"],
        false,
    ),
    asked(AUTHENTICATION, "users", USER_INFO, false),
    asked(AUTHENTICATION, "groups", USER_INFO, false),
    asked(
        AUTHENTICATION,
        "serviceaccounts",
        &["impersonate:serviceaccount"],
        true,
    ),
    asked(
        AUTHENTICATION,
        "nodes",
        &["impersonate:arbitrary-node", "impersonate:associated-node"],
        false,
    ),
    // kubernetes/pkg/registry/rbac: escalation checks of roles and bindings.
    asked(RBAC, "roles", &["bind", "escalate"], true),
    asked(RBAC, "clusterroles", &["bind", "escalate"], true),
    // kubernetes/plugin/pkg/admission/certificates, kubernetes/pkg/registry/certificates.
    asked(
        CERTIFICATES,
        "signers",
        &["approve", "attest", "sign"],
        false,
    ),
    // kubernetes/pkg/controller/certificates/approver: whose requests are approved without a person.
    asked(
        CERTIFICATES,
        "certificatesigningrequests/nodeclient",
        &["create"],
        false,
    ),
    asked(
        CERTIFICATES,
        "certificatesigningrequests/selfnodeclient",
        &["create"],
        false,
    ),
    // kubernetes/pkg/registry/core/serviceaccount/storage/token.go
    asked(
        AUTHENTICATION,
        "admissionReviewAPIGroups",
        &["attest"],
        false,
    ),
    // kubernetes/pkg/kubelet/server/auth.go: paths of the kubelet.
    asked("", "nodes/checkpoint", KUBELET, false),
    asked("", "nodes/configz", KUBELET, false),
    asked("", "nodes/healthz", KUBELET, false),
    asked("", "nodes/log", KUBELET, false),
    asked("", "nodes/metrics", KUBELET, false),
    asked("", "nodes/pods", KUBELET, false),
    asked("", "nodes/stats", KUBELET, false),
    asked("", "nodes/statusz", KUBELET, false),
    // kubernetes/pkg/registry/resource/utils.go: parts of a ResourceClaim's status.
    asked(
        "resource.k8s.io",
        "resourceclaims/binding",
        &["patch", "update"],
        true,
    ),
    asked(
        "resource.k8s.io",
        "resourceclaims/driver",
        &[
            "arbitrary-node:patch",
            "arbitrary-node:update",
            "associated-node:patch",
            "associated-node:update",
        ],
        true,
    ),
    // Admission in OpenShift of endpoints that point into the pod network, and of pods.
    asked("", "endpoints/restricted", &["create"], true),
    asked(
        "discovery.k8s.io",
        "endpointslices/restricted",
        &["create"],
        true,
    ),
    asked(
        "security.openshift.io",
        "securitycontextconstraints",
        &["use"],
        true,
    ),
];

/// Verbs that are asked of names that the cluster's users make up: an audience, a signer with `:` for `/`
/// (kubernetes/plugin/pkg/admission/noderestriction).
const OF_ANY_RESOURCE: [&str; 2] = [
    "request-serviceaccounts-token-audience",
    "request-serviceaccounts-podcertificate-signer",
];

/// Asked on the target of a request that is made as somebody else (constrained impersonation).
const IMPERSONATED: [&str; 4] = [
    "impersonate-on:user-info:",
    "impersonate-on:serviceaccount:",
    "impersonate-on:arbitrary-node:",
    "impersonate-on:associated-node:",
];

/// Asked where an object that cannot be read from the store any more is deleted anyway
/// (apiserver/pkg/endpoints/handlers/delete.go).
const UNSAFE_DELETE: &str = "unsafe-delete-ignore-read-errors";

/// Asked by the admission plugin OwnerReferencesPermissionEnforcement of whoever makes somebody's owner block its
/// deletion (kubernetes/plugin/pkg/admission/gc).
const FINALIZERS: &str = "finalizers";

/// Methods that a proxied path may have, seen as verbs.
const EVERY: &str = "*";

impl Asked {
    fn has_resource(&self, group: &str, resource: &str) -> bool {
        if group != EVERY && group != self.group {
            return false;
        }
        let same = match (self.resource.strip_suffix("/*"), resource.split_once('/')) {
            (Some(own), Some((name, _))) => own == name,
            (None, _) => resource == EVERY || resource == self.resource,
            (Some(_), None) => resource == EVERY,
        };
        let suffix = resource.strip_prefix("*/").is_some_and(|sub| {
            let own = self.resource.split_once('/').map(|(_, sub)| sub);
            own == Some(sub) || own == Some(EVERY)
        });
        same || suffix
    }

    fn has(&self, group: &str, resource: &str, verb: &str) -> bool {
        self.has_resource(group, resource) && (verb == EVERY || self.verbs.contains(&verb))
    }
}

/// What of a resource a rule's `resources` entry names, with whether it is there by default.
fn served<'a>(resource: &'a ApiResource, named: &str) -> Vec<(bool, &'a [bailiwick_core::Str])> {
    let own = (resource.default, resource.verbs.as_slice());
    let sub = |sub: &'a super::Subresource| (resource.default && sub.default, sub.verbs.as_slice());
    match named.split_once('/') {
        _ if named == EVERY => std::iter::once(own)
            .chain(resource.subresources.iter().map(sub))
            .collect(),
        None if *resource.resource == *named => vec![own],
        Some((name, wanted)) if name == EVERY || *resource.resource == *name => {
            resource.subresource(wanted).map(sub).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

impl ApiTable {
    /// Whether a rule's (group, `resource` or `resource/subresource`, verb) can ever match a request to this API.
    /// Takes `*` and `*/subresource` as rules do; `resource/*` is a literal that matches nothing.
    pub fn liveness(&self, group: &str, resource: &str, verb: &str) -> Liveness {
        if self.is_asked(group, resource, verb) {
            return Liveness::Live;
        }
        let of_group = |r: &&ApiResource| group == EVERY || *r.group == *group;
        if !self.resources.iter().any(|r| of_group(&r)) {
            let named = ASKED.iter().any(|asked| asked.group == group);
            return match RETIRED_GROUPS.contains(&group) || named {
                true => Liveness::UnknownResource,
                false => Liveness::UnknownGroup,
            };
        }
        let found: Vec<_> = self
            .resources
            .iter()
            .filter(of_group)
            .flat_map(|r| served(r, resource))
            .collect();
        let is_asked = |asked: &Asked| asked.has_resource(group, resource);
        if found.is_empty() && !ASKED.iter().any(is_asked) {
            return Liveness::UnknownResource;
        }
        let mut with_verb = found
            .iter()
            .filter(|(_, verbs)| verb == EVERY || verbs.iter().any(|v| **v == *verb))
            .peekable();
        if with_verb.peek().is_none() {
            return Liveness::UnknownVerb;
        }
        match with_verb.any(|(default, _)| *default) {
            true => Liveness::Live,
            false => Liveness::NotByDefault,
        }
    }

    fn is_asked(&self, group: &str, resource: &str, verb: &str) -> bool {
        if ASKED.iter().any(|asked| asked.has(group, resource, verb))
            || OF_ANY_RESOURCE.contains(&verb)
        {
            return true;
        }
        let (name, sub) = resource.split_once('/').unwrap_or((resource, ""));
        let finalizers = sub == FINALIZERS && (verb == EVERY || verb == "update");
        let of_any = finalizers
            || verb == UNSAFE_DELETE
            || IMPERSONATED.iter().any(|on| verb.starts_with(on));
        let is_it =
            |r: &ApiResource| (group == EVERY || *r.group == *group) && *r.resource == *name;
        of_any && (name == EVERY || self.resources.iter().any(is_it))
    }

    /// Whether only a ClusterRoleBinding makes this part of a rule effective, because requests of this kind name no
    /// namespace. `None` where the resource is unknown.
    ///
    /// A Namespace itself is special: the API server takes requests on one Namespace for requests in it, so that a
    /// RoleBinding there governs them, while creating and listing Namespaces happens outside.
    pub fn needs_cluster_binding(&self, group: &str, resource: &str, verb: &str) -> Option<bool> {
        if group == EVERY || resource.starts_with(EVERY) {
            return Some(false);
        }
        let name = resource.split_once('/').map_or(resource, |(name, _)| name);
        if let Some(asked) = ASKED.iter().find(|asked| asked.has(group, resource, verb)) {
            return Some(!asked.namespaced);
        }
        let own = self.resource(group, name)?;
        if group.is_empty() && name == "namespaces" {
            return Some(matches!(verb, "create" | "list" | "deletecollection"));
        }
        Some(!own.namespaced)
    }

    /// The embedded minors of Kubernetes 1, oldest first, that serve a resource, or a `resource/subresource`.
    pub fn minors_serving(group: &str, resource: &str) -> Vec<u16> {
        let serves = |minor: &u16| {
            Self::embedded(*minor).is_some_and(|table| {
                let mut of_group = table.resources.iter().filter(|r| *r.group == *group);
                of_group.any(|r| !served(r, resource).is_empty())
            })
        };
        Self::MINORS.iter().copied().filter(serves).collect()
    }
}
