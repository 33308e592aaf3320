use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The kinds of Kubernetes object that Bailiwick reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
#[allow(
    missing_docs,
    reason = "each variant is the Kubernetes kind of the same name"
)]
pub enum Kind {
    Role,
    ClusterRole,
    RoleBinding,
    ClusterRoleBinding,
    Namespace,
    ServiceAccount,
    Secret,
    Node,
    Pod,
    Deployment,
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    Job,
    CronJob,
    ReplicationController,
    CustomResourceDefinition,
    PersistentVolume,
    CSIDriver,
    RuntimeClass,
    ValidatingWebhookConfiguration,
    MutatingWebhookConfiguration,
    Service,
    Ingress,
    NetworkPolicy,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
    MutatingAdmissionPolicy,
    MutatingAdmissionPolicyBinding,
    PersistentVolumeClaim,
    EndpointSlice,
    SecurityContextConstraints,
    Gateway,
    HTTPRoute,
    GRPCRoute,
    TLSRoute,
    TCPRoute,
    UDPRoute,
    ReferenceGrant,
    ConfigMap,
    ListenerSet,
    APIService,
    ClusterTrustBundle,
}

/// A kind that Bailiwick does not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("kind `{0}` is not one that Bailiwick reads")]
pub struct UnknownKind(pub String);

impl Kind {
    /// Every kind, in the order of the declaration.
    pub const ALL: [Self; 43] = [
        Self::Role,
        Self::ClusterRole,
        Self::RoleBinding,
        Self::ClusterRoleBinding,
        Self::Namespace,
        Self::ServiceAccount,
        Self::Secret,
        Self::Node,
        Self::Pod,
        Self::Deployment,
        Self::ReplicaSet,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::Job,
        Self::CronJob,
        Self::ReplicationController,
        Self::CustomResourceDefinition,
        Self::PersistentVolume,
        Self::CSIDriver,
        Self::RuntimeClass,
        Self::ValidatingWebhookConfiguration,
        Self::MutatingWebhookConfiguration,
        Self::Service,
        Self::Ingress,
        Self::NetworkPolicy,
        Self::ValidatingAdmissionPolicy,
        Self::ValidatingAdmissionPolicyBinding,
        Self::MutatingAdmissionPolicy,
        Self::MutatingAdmissionPolicyBinding,
        Self::PersistentVolumeClaim,
        Self::EndpointSlice,
        Self::SecurityContextConstraints,
        Self::Gateway,
        Self::HTTPRoute,
        Self::GRPCRoute,
        Self::TLSRoute,
        Self::TCPRoute,
        Self::UDPRoute,
        Self::ReferenceGrant,
        Self::ConfigMap,
        Self::ListenerSet,
        Self::APIService,
        Self::ClusterTrustBundle,
    ];

    /// The four kinds that RBAC is made of.
    pub const RBAC: [Self; 4] = [
        Self::Role,
        Self::ClusterRole,
        Self::RoleBinding,
        Self::ClusterRoleBinding,
    ];

    /// The kind as Kubernetes spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Role => "Role",
            Self::ClusterRole => "ClusterRole",
            Self::RoleBinding => "RoleBinding",
            Self::ClusterRoleBinding => "ClusterRoleBinding",
            Self::Namespace => "Namespace",
            Self::ServiceAccount => "ServiceAccount",
            Self::Secret => "Secret",
            Self::Node => "Node",
            Self::Pod => "Pod",
            Self::Deployment => "Deployment",
            Self::ReplicaSet => "ReplicaSet",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
            Self::ReplicationController => "ReplicationController",
            Self::CustomResourceDefinition => "CustomResourceDefinition",
            Self::PersistentVolume => "PersistentVolume",
            Self::CSIDriver => "CSIDriver",
            Self::RuntimeClass => "RuntimeClass",
            Self::ValidatingWebhookConfiguration => "ValidatingWebhookConfiguration",
            Self::MutatingWebhookConfiguration => "MutatingWebhookConfiguration",
            Self::Service => "Service",
            Self::Ingress => "Ingress",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::ValidatingAdmissionPolicy => "ValidatingAdmissionPolicy",
            Self::ValidatingAdmissionPolicyBinding => "ValidatingAdmissionPolicyBinding",
            Self::MutatingAdmissionPolicy => "MutatingAdmissionPolicy",
            Self::MutatingAdmissionPolicyBinding => "MutatingAdmissionPolicyBinding",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::EndpointSlice => "EndpointSlice",
            Self::SecurityContextConstraints => "SecurityContextConstraints",
            Self::Gateway => "Gateway",
            Self::HTTPRoute => "HTTPRoute",
            Self::GRPCRoute => "GRPCRoute",
            Self::TLSRoute => "TLSRoute",
            Self::TCPRoute => "TCPRoute",
            Self::UDPRoute => "UDPRoute",
            Self::ReferenceGrant => "ReferenceGrant",
            Self::ConfigMap => "ConfigMap",
            Self::ListenerSet => "ListenerSet",
            Self::APIService => "APIService",
            Self::ClusterTrustBundle => "ClusterTrustBundle",
        }
    }

    /// API group; empty is the core group.
    pub fn group(self) -> &'static str {
        match self {
            Self::Role | Self::ClusterRole | Self::RoleBinding | Self::ClusterRoleBinding => {
                crate::names::RBAC_GROUP
            }
            Self::Namespace
            | Self::ServiceAccount
            | Self::Secret
            | Self::Node
            | Self::Pod
            | Self::ReplicationController
            | Self::PersistentVolume
            | Self::PersistentVolumeClaim
            | Self::Service
            | Self::ConfigMap => "",
            Self::Deployment | Self::ReplicaSet | Self::StatefulSet | Self::DaemonSet => "apps",
            Self::Job | Self::CronJob => "batch",
            Self::CustomResourceDefinition => "apiextensions.k8s.io",
            Self::Ingress | Self::NetworkPolicy => "networking.k8s.io",
            Self::EndpointSlice => "discovery.k8s.io",
            Self::SecurityContextConstraints => "security.openshift.io",
            Self::Gateway
            | Self::HTTPRoute
            | Self::GRPCRoute
            | Self::TLSRoute
            | Self::TCPRoute
            | Self::UDPRoute
            | Self::ReferenceGrant
            | Self::ListenerSet => crate::names::GATEWAY_GROUP,
            Self::CSIDriver => "storage.k8s.io",
            Self::RuntimeClass => "node.k8s.io",
            Self::APIService => "apiregistration.k8s.io",
            Self::ClusterTrustBundle => "certificates.k8s.io",
            Self::ValidatingWebhookConfiguration
            | Self::MutatingWebhookConfiguration
            | Self::ValidatingAdmissionPolicy
            | Self::ValidatingAdmissionPolicyBinding
            | Self::MutatingAdmissionPolicy
            | Self::MutatingAdmissionPolicyBinding => "admissionregistration.k8s.io",
        }
    }

    /// Plural resource name.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Role => "roles",
            Self::ClusterRole => "clusterroles",
            Self::RoleBinding => "rolebindings",
            Self::ClusterRoleBinding => "clusterrolebindings",
            Self::Namespace => "namespaces",
            Self::ServiceAccount => "serviceaccounts",
            Self::Secret => "secrets",
            Self::Node => "nodes",
            Self::Pod => "pods",
            Self::Deployment => "deployments",
            Self::ReplicaSet => "replicasets",
            Self::StatefulSet => "statefulsets",
            Self::DaemonSet => "daemonsets",
            Self::Job => "jobs",
            Self::CronJob => "cronjobs",
            Self::ReplicationController => "replicationcontrollers",
            Self::CustomResourceDefinition => "customresourcedefinitions",
            Self::PersistentVolume => "persistentvolumes",
            Self::CSIDriver => "csidrivers",
            Self::RuntimeClass => "runtimeclasses",
            Self::ValidatingWebhookConfiguration => "validatingwebhookconfigurations",
            Self::MutatingWebhookConfiguration => "mutatingwebhookconfigurations",
            Self::Service => "services",
            Self::Ingress => "ingresses",
            Self::NetworkPolicy => "networkpolicies",
            Self::ValidatingAdmissionPolicy => "validatingadmissionpolicies",
            Self::ValidatingAdmissionPolicyBinding => "validatingadmissionpolicybindings",
            Self::MutatingAdmissionPolicy => "mutatingadmissionpolicies",
            Self::MutatingAdmissionPolicyBinding => "mutatingadmissionpolicybindings",
            Self::PersistentVolumeClaim => "persistentvolumeclaims",
            Self::EndpointSlice => "endpointslices",
            Self::SecurityContextConstraints => "securitycontextconstraints",
            Self::Gateway => "gateways",
            Self::HTTPRoute => "httproutes",
            Self::GRPCRoute => "grpcroutes",
            Self::TLSRoute => "tlsroutes",
            Self::TCPRoute => "tcproutes",
            Self::UDPRoute => "udproutes",
            Self::ReferenceGrant => "referencegrants",
            Self::ConfigMap => "configmaps",
            Self::ListenerSet => "listenersets",
            Self::APIService => "apiservices",
            Self::ClusterTrustBundle => "clustertrustbundles",
        }
    }

    /// Versions beside `v1` that say the same, the latest first. Servers that do not serve `v1` yet may serve them.
    pub fn older_versions(self) -> &'static [&'static str] {
        match self {
            Self::MutatingAdmissionPolicy
            | Self::MutatingAdmissionPolicyBinding
            | Self::Gateway
            | Self::HTTPRoute
            | Self::ReferenceGrant
            | Self::ClusterTrustBundle => &["v1beta1"],
            Self::GRPCRoute | Self::TCPRoute | Self::UDPRoute => &["v1alpha2"],
            Self::TLSRoute => &["v1alpha3", "v1alpha2"],
            _ => &[],
        }
    }

    /// The one object that is read of the kind, by namespace and name, where not all are: of ConfigMaps the one that
    /// says who identities of AWS are.
    pub fn only(self) -> Option<(&'static str, &'static str)> {
        (self == Self::ConfigMap).then_some(("kube-system", "aws-auth"))
    }

    /// Whether it is a custom resource: Kubernetes does not bring it, and a cluster has it where somebody defines it.
    pub fn is_custom(self) -> bool {
        self == Self::SecurityContextConstraints || self.group() == crate::names::GATEWAY_GROUP
    }

    /// Whether objects of this kind live in a namespace.
    pub fn is_namespaced(self) -> bool {
        !matches!(
            self,
            Self::ClusterRole
                | Self::ClusterRoleBinding
                | Self::Namespace
                | Self::Node
                | Self::CustomResourceDefinition
                | Self::PersistentVolume
                | Self::CSIDriver
                | Self::RuntimeClass
                | Self::ValidatingWebhookConfiguration
                | Self::MutatingWebhookConfiguration
                | Self::ValidatingAdmissionPolicy
                | Self::ValidatingAdmissionPolicyBinding
                | Self::MutatingAdmissionPolicy
                | Self::MutatingAdmissionPolicyBinding
                | Self::SecurityContextConstraints
                | Self::APIService
                | Self::ClusterTrustBundle
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

/// One object of the cluster, by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; empty for a cluster-scoped kind.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub namespace: crate::Str,
    /// Its name.
    pub name: crate::Str,
}

impl ObjectRef {
    /// A reference to the object of this kind, namespace (empty for none) and name.
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for ObjectRef {
    /// `Kind name` or `Kind namespace/name`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.namespace {
            "" => write!(f, "{} {}", self.kind, self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind, self.name),
        }
    }
}
