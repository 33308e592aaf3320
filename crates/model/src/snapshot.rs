use std::collections::BTreeMap;

use bailiwick_core::{Kind, ObjectRef, Str};
use serde::{Deserialize, Serialize};

use crate::admission::{AdmissionBinding, AdmissionPolicy, WebhookConfiguration};
use crate::constraints::SecurityContextConstraints;
use crate::gateway::{Gateway, ListenerSet, ReferenceGrant, Route};
use crate::identities::IdentityMap;
use crate::meta::ObjectMeta;
use crate::network::{EndpointSlice, Ingress, NetworkPolicy, Service};
use crate::object::{CustomResource, Delta, Namespace, Node, Object, Secret, ServiceAccount};
use crate::origin::{Gap, Origin, SourceFile};
use crate::platform::{
    ApiService, CsiDriver, PersistentVolume, RuntimeClass, TrustBundle, VolumeClaim,
};
use crate::rbac::{Binding, Role};
use crate::store::Store;
use crate::workload::Workload;

/// The cluster at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// What is known of the cluster itself.
    pub cluster: ClusterInfo,
    /// The files that objects came from.
    pub files: Vec<SourceFile>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// Roles (with a namespace) and ClusterRoles (without).
    pub roles: Store<Role>,
    /// RoleBindings (with a namespace) and ClusterRoleBindings (without).
    pub bindings: Store<Binding>,
    /// Namespaces.
    pub namespaces: Store<Namespace>,
    /// Service accounts.
    pub service_accounts: Store<ServiceAccount>,
    /// Secrets, without their contents.
    pub secrets: Store<Secret>,
    /// Nodes.
    pub nodes: Store<Node>,
    /// Pods and objects with a pod template, a store a kind.
    pub workloads: BTreeMap<Kind, Store<Workload>>,
    /// CustomResourceDefinitions.
    pub custom_resources: Store<CustomResource>,
    /// PersistentVolumes.
    pub volumes: Store<PersistentVolume>,
    /// CSIDrivers.
    pub csi_drivers: Store<CsiDriver>,
    /// RuntimeClasses.
    pub runtime_classes: Store<RuntimeClass>,
    /// ValidatingWebhookConfigurations.
    pub validating_webhooks: Store<WebhookConfiguration>,
    /// MutatingWebhookConfigurations.
    pub mutating_webhooks: Store<WebhookConfiguration>,
    /// Services.
    pub services: Store<Service>,
    /// Ingresses.
    pub ingresses: Store<Ingress>,
    /// NetworkPolicies.
    pub network_policies: Store<NetworkPolicy>,
    /// ValidatingAdmissionPolicies.
    pub validating_policies: Store<AdmissionPolicy>,
    /// Their bindings.
    pub validating_policy_bindings: Store<AdmissionBinding>,
    /// MutatingAdmissionPolicies.
    pub mutating_policies: Store<AdmissionPolicy>,
    /// Their bindings.
    pub mutating_policy_bindings: Store<AdmissionBinding>,
    /// PersistentVolumeClaims.
    pub volume_claims: Store<VolumeClaim>,
    /// EndpointSlices.
    pub endpoint_slices: Store<EndpointSlice>,
    /// SecurityContextConstraints of OpenShift.
    pub constraints: Store<SecurityContextConstraints>,
    /// Gateways.
    pub gateways: Store<Gateway>,
    /// HTTPRoutes.
    pub http_routes: Store<Route>,
    /// GRPCRoutes.
    pub grpc_routes: Store<Route>,
    /// TLSRoutes.
    pub tls_routes: Store<Route>,
    /// TCPRoutes.
    pub tcp_routes: Store<Route>,
    /// UDPRoutes.
    pub udp_routes: Store<Route>,
    /// ReferenceGrants.
    pub reference_grants: Store<ReferenceGrant>,
    /// The ConfigMap `kube-system/aws-auth`.
    pub identity_maps: Store<IdentityMap>,
    /// ListenerSets.
    pub listener_sets: Store<ListenerSet>,
    /// APIServices.
    pub api_services: Store<ApiService>,
    /// ClusterTrustBundles.
    pub trust_bundles: Store<TrustBundle>,
}

/// What is known of the cluster itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterInfo {
    /// A name for people: the context or the server of a live cluster; empty for manifests.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The minor version of Kubernetes (37 for 1.37), where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minor: Option<u16>,
    /// Whether the objects are as an API server stores them, so that aggregated roles hold their rules already.
    pub stored: bool,
}

/// The kinds, one for each store.
const STORES: [Kind; 41] = [
    Kind::Role,
    Kind::RoleBinding,
    Kind::Namespace,
    Kind::ServiceAccount,
    Kind::Secret,
    Kind::Node,
    Kind::Pod,
    Kind::Deployment,
    Kind::ReplicaSet,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::Job,
    Kind::CronJob,
    Kind::ReplicationController,
    Kind::CustomResourceDefinition,
    Kind::PersistentVolume,
    Kind::CSIDriver,
    Kind::RuntimeClass,
    Kind::ValidatingWebhookConfiguration,
    Kind::MutatingWebhookConfiguration,
    Kind::Service,
    Kind::Ingress,
    Kind::NetworkPolicy,
    Kind::ValidatingAdmissionPolicy,
    Kind::ValidatingAdmissionPolicyBinding,
    Kind::MutatingAdmissionPolicy,
    Kind::MutatingAdmissionPolicyBinding,
    Kind::PersistentVolumeClaim,
    Kind::EndpointSlice,
    Kind::SecurityContextConstraints,
    Kind::Gateway,
    Kind::HTTPRoute,
    Kind::GRPCRoute,
    Kind::TLSRoute,
    Kind::TCPRoute,
    Kind::UDPRoute,
    Kind::ReferenceGrant,
    Kind::ConfigMap,
    Kind::ListenerSet,
    Kind::APIService,
    Kind::ClusterTrustBundle,
];

/// Works with the store of a kind (borrowed as `(&)` or `(&mut)`) and what makes an [`Object`] of what is in it. Gives
/// `None` where there is no such store: those of workloads come and go.
macro_rules! in_store {
    (@ $store:ident $wrap:ident $work:expr, $place:expr, $variant:ident) => {{
        let ($store, $wrap) = ($place, Object::$variant);
        Some($work)
    }};
    (($($by:tt)+) $snapshot:expr, $workloads:expr, $kind:expr, |$store:ident, $wrap:ident| $work:expr) => {{
        match $kind {
            Kind::Role | Kind::ClusterRole => in_store!(@ $store $wrap $work, $($by)+ $snapshot.roles, Role),
            Kind::RoleBinding | Kind::ClusterRoleBinding => in_store!(@ $store $wrap $work, $($by)+ $snapshot.bindings, Binding),
            Kind::Namespace => in_store!(@ $store $wrap $work, $($by)+ $snapshot.namespaces, Namespace),
            Kind::ServiceAccount => in_store!(@ $store $wrap $work, $($by)+ $snapshot.service_accounts, ServiceAccount),
            Kind::Secret => in_store!(@ $store $wrap $work, $($by)+ $snapshot.secrets, Secret),
            Kind::Node => in_store!(@ $store $wrap $work, $($by)+ $snapshot.nodes, Node),
            Kind::CustomResourceDefinition => in_store!(@ $store $wrap $work, $($by)+ $snapshot.custom_resources, CustomResource),
            Kind::PersistentVolume => in_store!(@ $store $wrap $work, $($by)+ $snapshot.volumes, PersistentVolume),
            Kind::CSIDriver => in_store!(@ $store $wrap $work, $($by)+ $snapshot.csi_drivers, CsiDriver),
            Kind::RuntimeClass => in_store!(@ $store $wrap $work, $($by)+ $snapshot.runtime_classes, RuntimeClass),
            Kind::ValidatingWebhookConfiguration => in_store!(@ $store $wrap $work, $($by)+ $snapshot.validating_webhooks, Webhooks),
            Kind::MutatingWebhookConfiguration => in_store!(@ $store $wrap $work, $($by)+ $snapshot.mutating_webhooks, Webhooks),
            Kind::Service => in_store!(@ $store $wrap $work, $($by)+ $snapshot.services, Service),
            Kind::Ingress => in_store!(@ $store $wrap $work, $($by)+ $snapshot.ingresses, Ingress),
            Kind::NetworkPolicy => in_store!(@ $store $wrap $work, $($by)+ $snapshot.network_policies, NetworkPolicy),
            Kind::ValidatingAdmissionPolicy => in_store!(@ $store $wrap $work, $($by)+ $snapshot.validating_policies, AdmissionPolicy),
            Kind::ValidatingAdmissionPolicyBinding => in_store!(@ $store $wrap $work, $($by)+ $snapshot.validating_policy_bindings, AdmissionBinding),
            Kind::MutatingAdmissionPolicy => in_store!(@ $store $wrap $work, $($by)+ $snapshot.mutating_policies, AdmissionPolicy),
            Kind::MutatingAdmissionPolicyBinding => in_store!(@ $store $wrap $work, $($by)+ $snapshot.mutating_policy_bindings, AdmissionBinding),
            Kind::PersistentVolumeClaim => in_store!(@ $store $wrap $work, $($by)+ $snapshot.volume_claims, VolumeClaim),
            Kind::EndpointSlice => in_store!(@ $store $wrap $work, $($by)+ $snapshot.endpoint_slices, EndpointSlice),
            Kind::SecurityContextConstraints => in_store!(@ $store $wrap $work, $($by)+ $snapshot.constraints, Constraints),
            Kind::Gateway => in_store!(@ $store $wrap $work, $($by)+ $snapshot.gateways, Gateway),
            Kind::HTTPRoute => in_store!(@ $store $wrap $work, $($by)+ $snapshot.http_routes, Route),
            Kind::GRPCRoute => in_store!(@ $store $wrap $work, $($by)+ $snapshot.grpc_routes, Route),
            Kind::TLSRoute => in_store!(@ $store $wrap $work, $($by)+ $snapshot.tls_routes, Route),
            Kind::TCPRoute => in_store!(@ $store $wrap $work, $($by)+ $snapshot.tcp_routes, Route),
            Kind::UDPRoute => in_store!(@ $store $wrap $work, $($by)+ $snapshot.udp_routes, Route),
            Kind::ReferenceGrant => in_store!(@ $store $wrap $work, $($by)+ $snapshot.reference_grants, ReferenceGrant),
            Kind::ConfigMap => in_store!(@ $store $wrap $work, $($by)+ $snapshot.identity_maps, IdentityMap),
            Kind::ListenerSet => in_store!(@ $store $wrap $work, $($by)+ $snapshot.listener_sets, ListenerSet),
            Kind::APIService => in_store!(@ $store $wrap $work, $($by)+ $snapshot.api_services, ApiService),
            Kind::ClusterTrustBundle => in_store!(@ $store $wrap $work, $($by)+ $snapshot.trust_bundles, TrustBundle),
            _ => match $workloads {
                Some(store) => in_store!(@ $store $wrap $work, store, Workload),
                None => None,
            },
        }
    }};
}

impl Snapshot {
    /// Makes one change. Gives the origin of the object that was replaced or removed, where there was one.
    pub fn apply(&mut self, delta: Delta) -> Option<Origin> {
        match delta {
            Delta::Upsert(object, origin) => self.upsert(*object, origin),
            Delta::Remove(object) => self.remove(&object),
        }
    }

    fn upsert(&mut self, object: Object, origin: Origin) -> Option<Origin> {
        let ObjectRef {
            kind,
            namespace,
            name,
        } = object.object_ref();
        macro_rules! put {
            ($store:expr, $object:expr) => {
                $store
                    .put(&namespace, &name, $object, origin)
                    .map(|old| old.origin)
            };
        }
        match object {
            Object::Role(object) => put!(self.roles, object),
            Object::Binding(object) => put!(self.bindings, object),
            Object::Namespace(object) => put!(self.namespaces, object),
            Object::ServiceAccount(object) => put!(self.service_accounts, object),
            Object::Secret(object) => put!(self.secrets, object),
            Object::Node(object) => put!(self.nodes, object),
            Object::Workload(object) => put!(self.workloads.entry(kind).or_default(), object),
            Object::CustomResource(object) => put!(self.custom_resources, object),
            Object::PersistentVolume(object) => put!(self.volumes, object),
            Object::CsiDriver(object) => put!(self.csi_drivers, object),
            Object::RuntimeClass(object) => put!(self.runtime_classes, object),
            Object::Webhooks(object) if object.mutating => put!(self.mutating_webhooks, object),
            Object::Webhooks(object) => put!(self.validating_webhooks, object),
            Object::Service(object) => put!(self.services, object),
            Object::Ingress(object) => put!(self.ingresses, object),
            Object::NetworkPolicy(object) => put!(self.network_policies, object),
            Object::AdmissionPolicy(object) if object.mutating => {
                put!(self.mutating_policies, object)
            }
            Object::AdmissionPolicy(object) => put!(self.validating_policies, object),
            Object::AdmissionBinding(object) if object.mutating => {
                put!(self.mutating_policy_bindings, object)
            }
            Object::AdmissionBinding(object) => put!(self.validating_policy_bindings, object),
            Object::VolumeClaim(object) => put!(self.volume_claims, object),
            Object::EndpointSlice(object) => put!(self.endpoint_slices, object),
            Object::Constraints(object) => put!(self.constraints, object),
            Object::Gateway(object) => put!(self.gateways, object),
            Object::Route(object) => match kind {
                Kind::GRPCRoute => put!(self.grpc_routes, object),
                Kind::TLSRoute => put!(self.tls_routes, object),
                Kind::TCPRoute => put!(self.tcp_routes, object),
                Kind::UDPRoute => put!(self.udp_routes, object),
                _ => put!(self.http_routes, object),
            },
            Object::ReferenceGrant(object) => put!(self.reference_grants, object),
            Object::IdentityMap(object) => put!(self.identity_maps, object),
            Object::ListenerSet(object) => put!(self.listener_sets, object),
            Object::ApiService(object) => put!(self.api_services, object),
            Object::TrustBundle(object) => put!(self.trust_bundles, object),
        }
    }

    fn remove(&mut self, object: &ObjectRef) -> Option<Origin> {
        let origin = self.origin(object);
        let (namespace, name) = (&object.namespace, &object.name);
        let emptied = in_store!((&mut) self, self.workloads.get_mut(&object.kind), object.kind, |store, _wrap| {
            store.take(namespace, name) && store.is_empty()
        });
        if emptied == Some(true) {
            self.workloads.remove(&object.kind);
        }
        origin
    }

    /// Gives back the room that was kept for more objects: of a snapshot that was read and changes little, a third.
    pub fn pack(&mut self) {
        for kind in STORES {
            in_store!((&mut) self, self.workloads.get_mut(&kind), kind, |store, _wrap| store.pack());
        }
    }

    /// Where an object came from; `None` where it is not there.
    pub fn origin(&self, object: &ObjectRef) -> Option<Origin> {
        let (namespace, name) = (&*object.namespace, &*object.name);
        in_store!((&) self, self.workloads.get(&object.kind), object.kind, |store, _wrap| {
            store.entry(namespace, name)?.origin
        })
    }

    /// An object, by name.
    pub fn object(&self, object: &ObjectRef) -> Option<Object> {
        let (namespace, name) = (&*object.namespace, &*object.name);
        in_store!((&) self, self.workloads.get(&object.kind), object.kind, |store, wrap| {
            wrap(store.get(namespace, name)?.clone())
        })
    }

    /// The metadata of the object, where it is there.
    pub fn metadata(&self, object: &ObjectRef) -> Option<&ObjectMeta> {
        let (namespace, name) = (&*object.namespace, &*object.name);
        in_store!((&) self, self.workloads.get(&object.kind), object.kind, |store, _wrap| {
            &store.get(namespace, name)?.metadata
        })
    }

    /// The kept annotations of all objects, each with its object, key and value.
    pub fn annotations(&self) -> impl Iterator<Item = (ObjectRef, &Str, &Str)> {
        self.named().flat_map(|(kind, metadata)| {
            let object = move || ObjectRef {
                kind,
                namespace: metadata.namespace.clone(),
                name: metadata.name.clone(),
            };
            let pairs = metadata.annotations.iter();
            pairs.map(move |(key, value)| (object(), key, value))
        })
    }

    /// Kind and metadata of every object, each kind in order of namespace and name.
    fn named(&self) -> impl Iterator<Item = (Kind, &ObjectMeta)> {
        STORES.into_iter().flat_map(|kind| {
            let all: Option<Box<dyn Iterator<Item = (Kind, &ObjectMeta)>>> =
                in_store!((&) self, self.workloads.get(&kind), kind, |store, _wrap| {
                    Box::new(store.iter().map(move |object| {
                        (kind_in(kind, &object.metadata), &object.metadata)
                    }))
                });
            all.into_iter().flatten()
        })
    }

    /// The object in which the settings of a pod are kept: the outermost of those that control it, or itself.
    pub fn keeper<'a>(&'a self, workload: &'a Workload) -> &'a Workload {
        workload.keeper(|kind, namespace, name| self.workloads.get(&kind)?.get(namespace, name))
    }

    /// The routes of Gateways, of every kind.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        let kinds = [
            &self.http_routes,
            &self.grpc_routes,
            &self.tls_routes,
            &self.tcp_routes,
            &self.udp_routes,
        ];
        kinds.into_iter().flat_map(Store::iter)
    }

    /// All workloads of every kind.
    pub fn all_workloads(&self) -> impl Iterator<Item = &Workload> {
        self.workloads.values().flat_map(Store::iter)
    }

    /// Every object, each kind in order of namespace and name.
    pub fn objects(&self) -> impl Iterator<Item = (Object, Origin)> {
        STORES.into_iter().flat_map(|kind| {
            let all: Option<Box<dyn Iterator<Item = (Object, Origin)>>> =
                in_store!((&) self, self.workloads.get(&kind), kind, |store, wrap| {
                    let entries = store.entries();
                    Box::new(entries.map(move |entry| (wrap(entry.object.clone()), entry.origin)))
                });
            all.into_iter().flatten()
        })
    }

    /// The gaps that an answer about `kinds` in `namespace` (empty for the whole cluster) has to mention.
    pub fn gaps_touching(&self, kinds: &[Kind], namespace: &str) -> impl Iterator<Item = &Gap> {
        self.gaps
            .iter()
            .filter(move |gap| gap.touches(kinds, namespace))
    }
}

/// The kind of an object in the store of a kind.
fn kind_in(store: Kind, metadata: &ObjectMeta) -> Kind {
    match (store, &*metadata.namespace) {
        (Kind::Role, "") => Kind::ClusterRole,
        (Kind::RoleBinding, "") => Kind::ClusterRoleBinding,
        (kind, _) => kind,
    }
}
