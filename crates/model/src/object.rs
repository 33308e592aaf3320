use bailiwick_core::{Kind, ObjectRef, Str};
use serde::{Deserialize, Serialize};

use crate::admission::{AdmissionBinding, AdmissionPolicy, WebhookConfiguration};
use crate::constraints::SecurityContextConstraints;
use crate::gateway::{Gateway, ListenerSet, ReferenceGrant, Route};
use crate::identities::IdentityMap;
use crate::meta::ObjectMeta;
use crate::network::{EndpointSlice, Ingress, NetworkPolicy, Service};
use crate::origin::Origin;
use crate::platform::{
    ApiService, CsiDriver, PersistentVolume, RuntimeClass, TrustBundle, VolumeClaim,
};
use crate::rbac::{Binding, Role};
use crate::workload::Workload;

/// Any object that Bailiwick reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "object", rename_all = "camelCase")]
pub enum Object {
    /// A Role or ClusterRole.
    Role(Role),
    /// A RoleBinding or ClusterRoleBinding.
    Binding(Binding),
    /// A Namespace.
    Namespace(Namespace),
    /// A ServiceAccount.
    ServiceAccount(ServiceAccount),
    /// A Secret, without its contents.
    Secret(Secret),
    /// A Node.
    Node(Node),
    /// A Pod or an object with a pod template.
    Workload(Workload),
    /// A CustomResourceDefinition.
    CustomResource(CustomResource),
    /// A PersistentVolume.
    PersistentVolume(PersistentVolume),
    /// A CSIDriver.
    CsiDriver(CsiDriver),
    /// A RuntimeClass.
    RuntimeClass(RuntimeClass),
    /// A ValidatingWebhookConfiguration or MutatingWebhookConfiguration.
    Webhooks(WebhookConfiguration),
    /// A Service.
    Service(Service),
    /// An Ingress.
    Ingress(Ingress),
    /// A NetworkPolicy.
    NetworkPolicy(NetworkPolicy),
    /// A ValidatingAdmissionPolicy or MutatingAdmissionPolicy.
    AdmissionPolicy(AdmissionPolicy),
    /// A ValidatingAdmissionPolicyBinding or MutatingAdmissionPolicyBinding.
    AdmissionBinding(AdmissionBinding),
    /// A PersistentVolumeClaim.
    VolumeClaim(VolumeClaim),
    /// An EndpointSlice.
    EndpointSlice(EndpointSlice),
    /// A SecurityContextConstraints of OpenShift.
    Constraints(SecurityContextConstraints),
    /// A Gateway.
    Gateway(Gateway),
    /// An HTTPRoute, GRPCRoute, TLSRoute, TCPRoute or UDPRoute.
    Route(Route),
    /// A ListenerSet.
    ListenerSet(ListenerSet),
    /// A ReferenceGrant.
    ReferenceGrant(ReferenceGrant),
    /// The ConfigMap `kube-system/aws-auth`.
    IdentityMap(IdentityMap),
    /// An APIService.
    ApiService(ApiService),
    /// A ClusterTrustBundle.
    TrustBundle(TrustBundle),
}

/// One change of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delta {
    /// The object is there now, in place of whatever had its name.
    Upsert(Box<Object>, Origin),
    /// The object is gone.
    Remove(ObjectRef),
}

impl Delta {
    /// The object that changes.
    pub fn object_ref(&self) -> ObjectRef {
        match self {
            Self::Upsert(object, _) => object.object_ref(),
            Self::Remove(object) => object.clone(),
        }
    }
}

/// A Namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// Name and labels.
    pub metadata: ObjectMeta,
}

/// A Node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Node {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// What keeps pods off it.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub taints: Box<[Taint]>,
    /// What the cloud provider calls the machine, such as `aws:///eu-west-1a/i-1`; empty where it is in no cloud.
    #[serde(rename = "providerID", skip_serializing_if = "str::is_empty")]
    pub provider_id: Str,
    /// The kernel's version as the kubelet tells it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub kernel: Str,
    /// Name and version of the container runtime as the kubelet tells it, such as `containerd://2.1.4`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub runtime: Str,
}

/// What keeps pods off a node that do not tolerate it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Taint {
    /// The key.
    pub key: Str,
    /// The value; empty for none.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub value: Str,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: Str,
}

/// A ServiceAccount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceAccount {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// Whether pods mount its token unless they say otherwise; `None` means yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automount_service_account_token: Option<bool>,
    /// Names of the Secrets listed under `secrets`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub secrets: Box<[Str]>,
}

/// A Secret. Its contents are never read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Secret {
    /// Name, namespace, labels; the annotation that names a token's service account is kept.
    pub metadata: ObjectMeta,
    /// Its type, such as `kubernetes.io/service-account-token`; empty means `Opaque`.
    #[serde(rename = "type")]
    pub secret_type: Str,
}

/// What a CustomResourceDefinition adds to the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CustomResource {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// API group.
    pub group: Str,
    /// Plural resource name.
    pub plural: Str,
    /// Singular name; empty means the kind in lower case.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub singular: Str,
    /// Kind of the objects.
    pub kind: Str,
    /// Short names.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub short_names: Box<[Str]>,
    /// Whether the objects live in a namespace.
    pub namespaced: bool,
    /// Versions that are served.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub versions: Box<[Str]>,
    /// `status`, `scale` or both, where a served version has them.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub subresources: Box<[Str]>,
}

impl Object {
    /// The metadata.
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::Role(object) => &object.metadata,
            Self::Binding(object) => &object.metadata,
            Self::Namespace(object) => &object.metadata,
            Self::ServiceAccount(object) => &object.metadata,
            Self::Secret(object) => &object.metadata,
            Self::Node(object) => &object.metadata,
            Self::Workload(object) => &object.metadata,
            Self::CustomResource(object) => &object.metadata,
            Self::PersistentVolume(object) => &object.metadata,
            Self::CsiDriver(object) => &object.metadata,
            Self::RuntimeClass(object) => &object.metadata,
            Self::Webhooks(object) => &object.metadata,
            Self::Service(object) => &object.metadata,
            Self::Ingress(object) => &object.metadata,
            Self::NetworkPolicy(object) => &object.metadata,
            Self::AdmissionPolicy(object) => &object.metadata,
            Self::AdmissionBinding(object) => &object.metadata,
            Self::VolumeClaim(object) => &object.metadata,
            Self::EndpointSlice(object) => &object.metadata,
            Self::Constraints(object) => &object.metadata,
            Self::Gateway(object) => &object.metadata,
            Self::Route(object) => &object.metadata,
            Self::ListenerSet(object) => &object.metadata,
            Self::ReferenceGrant(object) => &object.metadata,
            Self::IdentityMap(object) => &object.metadata,
            Self::ApiService(object) => &object.metadata,
            Self::TrustBundle(object) => &object.metadata,
        }
    }

    pub(crate) fn metadata_mut(&mut self) -> &mut ObjectMeta {
        match self {
            Self::Role(object) => &mut object.metadata,
            Self::Binding(object) => &mut object.metadata,
            Self::Namespace(object) => &mut object.metadata,
            Self::ServiceAccount(object) => &mut object.metadata,
            Self::Secret(object) => &mut object.metadata,
            Self::Node(object) => &mut object.metadata,
            Self::Workload(object) => &mut object.metadata,
            Self::CustomResource(object) => &mut object.metadata,
            Self::PersistentVolume(object) => &mut object.metadata,
            Self::CsiDriver(object) => &mut object.metadata,
            Self::RuntimeClass(object) => &mut object.metadata,
            Self::Webhooks(object) => &mut object.metadata,
            Self::Service(object) => &mut object.metadata,
            Self::Ingress(object) => &mut object.metadata,
            Self::NetworkPolicy(object) => &mut object.metadata,
            Self::AdmissionPolicy(object) => &mut object.metadata,
            Self::AdmissionBinding(object) => &mut object.metadata,
            Self::VolumeClaim(object) => &mut object.metadata,
            Self::EndpointSlice(object) => &mut object.metadata,
            Self::Constraints(object) => &mut object.metadata,
            Self::Gateway(object) => &mut object.metadata,
            Self::Route(object) => &mut object.metadata,
            Self::ListenerSet(object) => &mut object.metadata,
            Self::ReferenceGrant(object) => &mut object.metadata,
            Self::IdentityMap(object) => &mut object.metadata,
            Self::ApiService(object) => &mut object.metadata,
            Self::TrustBundle(object) => &mut object.metadata,
        }
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Role(role) => role.kind(),
            Self::Binding(binding) => binding.kind(),
            Self::Namespace(_) => Kind::Namespace,
            Self::ServiceAccount(_) => Kind::ServiceAccount,
            Self::Secret(_) => Kind::Secret,
            Self::Node(_) => Kind::Node,
            Self::Workload(workload) => workload.kind,
            Self::CustomResource(_) => Kind::CustomResourceDefinition,
            Self::PersistentVolume(_) => Kind::PersistentVolume,
            Self::CsiDriver(_) => Kind::CSIDriver,
            Self::RuntimeClass(_) => Kind::RuntimeClass,
            Self::Webhooks(object) => object.kind(),
            Self::Service(_) => Kind::Service,
            Self::Ingress(_) => Kind::Ingress,
            Self::NetworkPolicy(_) => Kind::NetworkPolicy,
            Self::AdmissionPolicy(object) => object.kind(),
            Self::AdmissionBinding(object) => object.kind(),
            Self::VolumeClaim(_) => Kind::PersistentVolumeClaim,
            Self::EndpointSlice(_) => Kind::EndpointSlice,
            Self::Constraints(_) => Kind::SecurityContextConstraints,
            Self::Gateway(_) => Kind::Gateway,
            Self::Route(object) => object.kind,
            Self::ListenerSet(_) => Kind::ListenerSet,
            Self::ReferenceGrant(_) => Kind::ReferenceGrant,
            Self::IdentityMap(_) => Kind::ConfigMap,
            Self::ApiService(_) => Kind::APIService,
            Self::TrustBundle(_) => Kind::ClusterTrustBundle,
        }
    }

    /// The reference to this object.
    pub fn object_ref(&self) -> ObjectRef {
        let metadata = self.metadata();
        ObjectRef {
            kind: self.kind(),
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone(),
        }
    }
}
