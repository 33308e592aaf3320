//! The snapshot as edges see it: what they read is noted.

use bailiwick_core::{Kind, Str};
use bailiwick_model::{
    AdmissionBinding, AdmissionPolicy, ApiService, Binding, ClusterInfo, CsiDriver, CustomResource,
    EndpointSlice, Gateway, IdentityMap, Ingress, ListenerSet, Namespace, NetworkPolicy, Node,
    PersistentVolume, ReferenceGrant, Role, Route, RuntimeClass, Secret,
    SecurityContextConstraints, Service, ServiceAccount, Snapshot, Store, TrustBundle,
    WebhookConfiguration, Workload,
};

use super::reads::{Key, Reads};

/// The snapshot, with the same words. A store that [`Snapshot`] gets has its line here.
pub(crate) struct View<'a> {
    whole: &'a Snapshot,
    reads: &'a Reads,
    pub(crate) roles: Watched<'a, Role>,
    pub(crate) bindings: Watched<'a, Binding>,
    pub(crate) namespaces: Watched<'a, Namespace>,
    pub(crate) service_accounts: Watched<'a, ServiceAccount>,
    pub(crate) secrets: Watched<'a, Secret>,
    pub(crate) nodes: Watched<'a, Node>,
    pub(crate) custom_resources: Watched<'a, CustomResource>,
    pub(crate) volumes: Watched<'a, PersistentVolume>,
    pub(crate) csi_drivers: Watched<'a, CsiDriver>,
    pub(crate) runtime_classes: Watched<'a, RuntimeClass>,
    pub(crate) validating_webhooks: Watched<'a, WebhookConfiguration>,
    pub(crate) mutating_webhooks: Watched<'a, WebhookConfiguration>,
    pub(crate) services: Watched<'a, Service>,
    pub(crate) ingresses: Watched<'a, Ingress>,
    pub(crate) network_policies: Watched<'a, NetworkPolicy>,
    pub(crate) validating_policies: Watched<'a, AdmissionPolicy>,
    pub(crate) validating_policy_bindings: Watched<'a, AdmissionBinding>,
    pub(crate) mutating_policies: Watched<'a, AdmissionPolicy>,
    pub(crate) mutating_policy_bindings: Watched<'a, AdmissionBinding>,
    pub(crate) endpoint_slices: Watched<'a, EndpointSlice>,
    pub(crate) constraints: Watched<'a, SecurityContextConstraints>,
    pub(crate) gateways: Watched<'a, Gateway>,
    pub(crate) http_routes: Watched<'a, Route>,
    pub(crate) grpc_routes: Watched<'a, Route>,
    pub(crate) tls_routes: Watched<'a, Route>,
    pub(crate) tcp_routes: Watched<'a, Route>,
    pub(crate) udp_routes: Watched<'a, Route>,
    pub(crate) reference_grants: Watched<'a, ReferenceGrant>,
    pub(crate) listener_sets: Watched<'a, ListenerSet>,
    pub(crate) identity_maps: Watched<'a, IdentityMap>,
    pub(crate) api_services: Watched<'a, ApiService>,
    pub(crate) trust_bundles: Watched<'a, TrustBundle>,
}

/// A store whose reads are noted.
pub(crate) struct Watched<'a, T> {
    store: &'a Store<T>,
    kind: Kind,
    reads: &'a Reads,
}

impl<'a> View<'a> {
    pub(super) fn new(whole: &'a Snapshot, reads: &'a Reads) -> Self {
        fn watched<'a, T>(store: &'a Store<T>, kind: Kind, reads: &'a Reads) -> Watched<'a, T> {
            Watched { store, kind, reads }
        }
        Self {
            whole,
            reads,
            roles: watched(&whole.roles, Kind::Role, reads),
            bindings: watched(&whole.bindings, Kind::RoleBinding, reads),
            namespaces: watched(&whole.namespaces, Kind::Namespace, reads),
            service_accounts: watched(&whole.service_accounts, Kind::ServiceAccount, reads),
            secrets: watched(&whole.secrets, Kind::Secret, reads),
            nodes: watched(&whole.nodes, Kind::Node, reads),
            custom_resources: watched(
                &whole.custom_resources,
                Kind::CustomResourceDefinition,
                reads,
            ),
            volumes: watched(&whole.volumes, Kind::PersistentVolume, reads),
            csi_drivers: watched(&whole.csi_drivers, Kind::CSIDriver, reads),
            runtime_classes: watched(&whole.runtime_classes, Kind::RuntimeClass, reads),
            validating_webhooks: watched(
                &whole.validating_webhooks,
                Kind::ValidatingWebhookConfiguration,
                reads,
            ),
            mutating_webhooks: watched(
                &whole.mutating_webhooks,
                Kind::MutatingWebhookConfiguration,
                reads,
            ),
            services: watched(&whole.services, Kind::Service, reads),
            ingresses: watched(&whole.ingresses, Kind::Ingress, reads),
            network_policies: watched(&whole.network_policies, Kind::NetworkPolicy, reads),
            validating_policies: watched(
                &whole.validating_policies,
                Kind::ValidatingAdmissionPolicy,
                reads,
            ),
            validating_policy_bindings: watched(
                &whole.validating_policy_bindings,
                Kind::ValidatingAdmissionPolicyBinding,
                reads,
            ),
            mutating_policies: watched(
                &whole.mutating_policies,
                Kind::MutatingAdmissionPolicy,
                reads,
            ),
            mutating_policy_bindings: watched(
                &whole.mutating_policy_bindings,
                Kind::MutatingAdmissionPolicyBinding,
                reads,
            ),
            endpoint_slices: watched(&whole.endpoint_slices, Kind::EndpointSlice, reads),
            constraints: watched(&whole.constraints, Kind::SecurityContextConstraints, reads),
            gateways: watched(&whole.gateways, Kind::Gateway, reads),
            http_routes: watched(&whole.http_routes, Kind::HTTPRoute, reads),
            grpc_routes: watched(&whole.grpc_routes, Kind::GRPCRoute, reads),
            tls_routes: watched(&whole.tls_routes, Kind::TLSRoute, reads),
            tcp_routes: watched(&whole.tcp_routes, Kind::TCPRoute, reads),
            udp_routes: watched(&whole.udp_routes, Kind::UDPRoute, reads),
            reference_grants: watched(&whole.reference_grants, Kind::ReferenceGrant, reads),
            listener_sets: watched(&whole.listener_sets, Kind::ListenerSet, reads),
            identity_maps: watched(&whole.identity_maps, Kind::ConfigMap, reads),
            api_services: watched(&whole.api_services, Kind::APIService, reads),
            trust_bundles: watched(&whole.trust_bundles, Kind::ClusterTrustBundle, reads),
        }
    }

    /// What is known of the cluster itself; it does not change.
    pub(crate) fn cluster(&self) -> &'a ClusterInfo {
        &self.whole.cluster
    }

    /// The routes of Gateways of this kind; `None` where it is no such kind.
    pub(crate) fn routes(&self, kind: Kind) -> Option<&Watched<'a, Route>> {
        match kind {
            Kind::HTTPRoute => Some(&self.http_routes),
            Kind::GRPCRoute => Some(&self.grpc_routes),
            Kind::TLSRoute => Some(&self.tls_routes),
            Kind::TCPRoute => Some(&self.tcp_routes),
            Kind::UDPRoute => Some(&self.udp_routes),
            _ => None,
        }
    }

    /// A workload.
    pub(crate) fn workload(&self, kind: Kind, namespace: &str, name: &str) -> Option<&'a Workload> {
        self.reads.note(Key::Object(kind, namespace, name));
        self.whole.workloads.get(&kind)?.get(namespace, name)
    }

    /// The workloads of a kind in a namespace.
    pub(crate) fn workloads_in(
        &self,
        kind: Kind,
        namespace: &str,
    ) -> impl Iterator<Item = &'a Workload> + use<'a> {
        self.reads.note(Key::InNamespace(kind, namespace));
        let store = self.whole.workloads.get(&kind);
        store
            .map(|store| store.in_namespace(namespace))
            .into_iter()
            .flatten()
    }

    /// Whether objects of this kind may be there that could not be read. What cannot be read does not change.
    pub(crate) fn is_hidden(&self, kind: Kind, namespace: &str) -> bool {
        let kinds = [kind];
        let mut gaps = self.whole.gaps_touching(&kinds, namespace);
        gaps.next().is_some()
    }
}

impl<'a, T> Watched<'a, T> {
    /// The object of this namespace (empty for a cluster-scoped one) and name.
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<&'a T> {
        self.reads.note(Key::Object(self.kind, namespace, name));
        self.store.get(namespace, name)
    }

    /// All objects.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a T> + use<'a, T> {
        self.reads.note(Key::All(self.kind));
        self.store.iter()
    }

    /// The objects of one namespace, or the cluster-scoped ones where it is empty.
    pub(crate) fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = &'a T> + use<'a, T> {
        self.reads.note(Key::InNamespace(self.kind, namespace));
        self.store.in_namespace(namespace)
    }

    /// The namespaces that hold objects, sorted; the empty one first where there are cluster-scoped objects.
    pub(crate) fn namespaces(&self) -> impl Iterator<Item = &'a Str> + use<'a, T> {
        self.reads.note(Key::All(self.kind));
        self.store.namespaces()
    }
}
