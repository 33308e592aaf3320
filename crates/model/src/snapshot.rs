use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use bailiwick_core::{Kind, ObjectRef, Str};
use serde::{Deserialize, Serialize};

use crate::meta::ObjectMeta;
use crate::network::{Ingress, NetworkPolicy, Service};
use crate::object::{CustomResource, Delta, Namespace, Node, Object, Secret, ServiceAccount};
use crate::origin::{Gap, Origin, SourceFile};
use crate::platform::{CsiDriver, PersistentVolume, RuntimeClass, WebhookConfiguration};
use crate::rbac::{Binding, Role};
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

/// Objects of one kind with where they came from, sorted by namespace and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store<T>(BTreeMap<Key, Entry<T>>);

/// Namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key(Str, Str);

/// Namespace and name, owned or not, so that looking something up allocates nothing.
trait AsKey {
    fn parts(&self) -> (&str, &str);
}

impl AsKey for Key {
    fn parts(&self) -> (&str, &str) {
        (&self.0, &self.1)
    }
}

impl AsKey for (&str, &str) {
    fn parts(&self) -> (&str, &str) {
        *self
    }
}

impl<'k> Borrow<dyn AsKey + 'k> for Key {
    fn borrow(&self) -> &(dyn AsKey + 'k) {
        self
    }
}

impl PartialEq for dyn AsKey + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn AsKey + '_ {}

impl PartialOrd for dyn AsKey + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn AsKey + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

/// An object and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<T> {
    /// The object.
    pub object: T,
    /// Where it came from.
    pub origin: Origin,
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Store<T> {
    /// The object of this namespace (empty for a cluster-scoped one) and name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&T> {
        self.entry(namespace, name).map(|entry| &entry.object)
    }

    /// The object of this namespace and name with its origin.
    pub fn entry(&self, namespace: &str, name: &str) -> Option<&Entry<T>> {
        self.0.get(&(namespace, name) as &dyn AsKey)
    }

    /// All objects with their origins.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry<T>> {
        self.0.values()
    }

    /// All objects.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &T> {
        self.0.values().map(|entry| &entry.object)
    }

    /// The objects of one namespace, or the cluster-scoped ones where it is empty.
    pub fn in_namespace<'s>(&'s self, namespace: &str) -> impl Iterator<Item = &'s T> + use<'s, T> {
        let namespace: Str = namespace.into();
        self.0
            .range(Key(namespace.clone(), Str::default())..)
            .take_while(move |(key, _)| key.0 == namespace)
            .map(|(_, entry)| &entry.object)
    }

    /// The namespaces that hold objects, sorted; the empty one first where there are cluster-scoped objects.
    pub fn namespaces(&self) -> impl Iterator<Item = &Str> {
        let mut last: Option<&Str> = None;
        std::iter::from_fn(move || {
            let from: Str = match last {
                None => Str::default(),
                // No string lies between a namespace and itself with a NUL.
                Some(namespace) => format!("{namespace}\0").into(),
            };
            let next = self.0.range(Key(from, Str::default())..).next();
            last = next.map(|(key, _)| &key.0);
            last
        })
        .fuse()
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn put(&mut self, namespace: &Str, name: &Str, object: T, origin: Origin) -> Option<Entry<T>> {
        self.0.insert(
            Key(namespace.clone(), name.clone()),
            Entry { object, origin },
        )
    }

    fn take(&mut self, namespace: &Str, name: &Str) -> bool {
        let key: (&str, &str) = (namespace, name);
        self.0.remove(&key as &dyn AsKey).is_some()
    }
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
        }
    }

    fn remove(&mut self, object: &ObjectRef) -> Option<Origin> {
        let origin = self.origin(object);
        let (namespace, name) = (&object.namespace, &object.name);
        match object.kind {
            Kind::Role | Kind::ClusterRole => self.roles.take(namespace, name),
            Kind::RoleBinding | Kind::ClusterRoleBinding => self.bindings.take(namespace, name),
            Kind::Namespace => self.namespaces.take(namespace, name),
            Kind::ServiceAccount => self.service_accounts.take(namespace, name),
            Kind::Secret => self.secrets.take(namespace, name),
            Kind::Node => self.nodes.take(namespace, name),
            Kind::CustomResourceDefinition => self.custom_resources.take(namespace, name),
            Kind::PersistentVolume => self.volumes.take(namespace, name),
            Kind::CSIDriver => self.csi_drivers.take(namespace, name),
            Kind::RuntimeClass => self.runtime_classes.take(namespace, name),
            Kind::ValidatingWebhookConfiguration => self.validating_webhooks.take(namespace, name),
            Kind::MutatingWebhookConfiguration => self.mutating_webhooks.take(namespace, name),
            Kind::Service => self.services.take(namespace, name),
            Kind::Ingress => self.ingresses.take(namespace, name),
            Kind::NetworkPolicy => self.network_policies.take(namespace, name),
            kind => match self.workloads.get_mut(&kind) {
                Some(store) => {
                    let removed = store.take(namespace, name);
                    if store.is_empty() {
                        self.workloads.remove(&kind);
                    }
                    removed
                }
                None => false,
            },
        };
        origin
    }

    /// Where an object came from; `None` where it is not there.
    pub fn origin(&self, object: &ObjectRef) -> Option<Origin> {
        let (namespace, name) = (&*object.namespace, &*object.name);
        macro_rules! origin {
            ($store:expr) => {
                $store.entry(namespace, name).map(|entry| entry.origin)
            };
        }
        match object.kind {
            Kind::Role | Kind::ClusterRole => origin!(self.roles),
            Kind::RoleBinding | Kind::ClusterRoleBinding => origin!(self.bindings),
            Kind::Namespace => origin!(self.namespaces),
            Kind::ServiceAccount => origin!(self.service_accounts),
            Kind::Secret => origin!(self.secrets),
            Kind::Node => origin!(self.nodes),
            Kind::CustomResourceDefinition => origin!(self.custom_resources),
            Kind::PersistentVolume => origin!(self.volumes),
            Kind::CSIDriver => origin!(self.csi_drivers),
            Kind::RuntimeClass => origin!(self.runtime_classes),
            Kind::ValidatingWebhookConfiguration => origin!(self.validating_webhooks),
            Kind::MutatingWebhookConfiguration => origin!(self.mutating_webhooks),
            Kind::Service => origin!(self.services),
            Kind::Ingress => origin!(self.ingresses),
            Kind::NetworkPolicy => origin!(self.network_policies),
            kind => origin!(self.workloads.get(&kind)?),
        }
    }

    /// An object, by name.
    pub fn object(&self, object: &ObjectRef) -> Option<Object> {
        fn of<T: Clone>(
            store: Option<&Store<T>>,
            object: &ObjectRef,
            wrap: fn(T) -> Object,
        ) -> Option<Object> {
            let found = store?.get(&object.namespace, &object.name)?;
            Some(wrap(found.clone()))
        }
        match object.kind {
            Kind::Role | Kind::ClusterRole => of(Some(&self.roles), object, Object::Role),
            Kind::RoleBinding | Kind::ClusterRoleBinding => {
                of(Some(&self.bindings), object, Object::Binding)
            }
            Kind::Namespace => of(Some(&self.namespaces), object, Object::Namespace),
            Kind::ServiceAccount => {
                of(Some(&self.service_accounts), object, Object::ServiceAccount)
            }
            Kind::Secret => of(Some(&self.secrets), object, Object::Secret),
            Kind::Node => of(Some(&self.nodes), object, Object::Node),
            Kind::CustomResourceDefinition => {
                of(Some(&self.custom_resources), object, Object::CustomResource)
            }
            Kind::PersistentVolume => of(Some(&self.volumes), object, Object::PersistentVolume),
            Kind::CSIDriver => of(Some(&self.csi_drivers), object, Object::CsiDriver),
            Kind::RuntimeClass => of(Some(&self.runtime_classes), object, Object::RuntimeClass),
            Kind::ValidatingWebhookConfiguration => {
                of(Some(&self.validating_webhooks), object, Object::Webhooks)
            }
            Kind::MutatingWebhookConfiguration => {
                of(Some(&self.mutating_webhooks), object, Object::Webhooks)
            }
            Kind::Service => of(Some(&self.services), object, Object::Service),
            Kind::Ingress => of(Some(&self.ingresses), object, Object::Ingress),
            Kind::NetworkPolicy => of(Some(&self.network_policies), object, Object::NetworkPolicy),
            kind => of(self.workloads.get(&kind), object, Object::Workload),
        }
    }

    /// The kept annotations of all objects, each with its object, key and value.
    pub fn annotations(&self) -> impl Iterator<Item = (ObjectRef, Str, Str)> {
        self.objects().flat_map(|(object, _)| {
            let (named, metadata) = (object.object_ref(), object.metadata());
            let pairs = metadata.annotations.iter();
            pairs
                .map(|(key, value)| (named.clone(), key.clone(), value.clone()))
                .collect::<Vec<_>>()
        })
    }

    /// The metadata of the object, where it is there.
    pub fn metadata(&self, object: &ObjectRef) -> Option<&ObjectMeta> {
        let (namespace, name) = (&*object.namespace, &*object.name);
        macro_rules! metadata {
            ($store:expr) => {
                $store.get(namespace, name).map(|object| &object.metadata)
            };
        }
        match object.kind {
            Kind::Role | Kind::ClusterRole => metadata!(self.roles),
            Kind::RoleBinding | Kind::ClusterRoleBinding => metadata!(self.bindings),
            Kind::Namespace => metadata!(self.namespaces),
            Kind::ServiceAccount => metadata!(self.service_accounts),
            Kind::Secret => metadata!(self.secrets),
            Kind::Node => metadata!(self.nodes),
            Kind::CustomResourceDefinition => metadata!(self.custom_resources),
            Kind::PersistentVolume => metadata!(self.volumes),
            Kind::CSIDriver => metadata!(self.csi_drivers),
            Kind::RuntimeClass => metadata!(self.runtime_classes),
            Kind::ValidatingWebhookConfiguration => metadata!(self.validating_webhooks),
            Kind::MutatingWebhookConfiguration => metadata!(self.mutating_webhooks),
            kind => metadata!(self.workloads.get(&kind)?),
        }
    }

    /// The object in which the settings of a pod are kept: the outermost of those that control it, or itself.
    pub fn keeper<'a>(&'a self, workload: &'a Workload) -> &'a Workload {
        let controller = |workload: &&'a Workload| {
            let (kind, name) = workload.metadata.controller.as_ref()?;
            let kind: Kind = kind.parse().ok()?;
            let store = self.workloads.get(&kind)?;
            store.get(&workload.metadata.namespace, name)
        };
        // Kubernetes nests three: CronJob, Job, Pod. More are a loop.
        let chain = std::iter::successors(Some(workload), controller);
        chain.take(4).last().unwrap_or(workload)
    }

    /// All workloads of every kind.
    pub fn all_workloads(&self) -> impl Iterator<Item = &Workload> {
        self.workloads.values().flat_map(Store::iter)
    }

    /// Every object, each kind in order of namespace and name.
    pub fn objects(&self) -> impl Iterator<Item = (Object, Origin)> {
        fn of<T: Clone>(
            store: &Store<T>,
            wrap: fn(T) -> Object,
        ) -> impl Iterator<Item = (Object, Origin)> {
            store
                .entries()
                .map(move |entry| (wrap(entry.object.clone()), entry.origin))
        }
        of(&self.roles, Object::Role)
            .chain(of(&self.bindings, Object::Binding))
            .chain(of(&self.namespaces, Object::Namespace))
            .chain(of(&self.service_accounts, Object::ServiceAccount))
            .chain(of(&self.secrets, Object::Secret))
            .chain(of(&self.nodes, Object::Node))
            .chain(
                self.workloads
                    .values()
                    .flat_map(|store| of(store, Object::Workload)),
            )
            .chain(of(&self.custom_resources, Object::CustomResource))
            .chain(of(&self.volumes, Object::PersistentVolume))
            .chain(of(&self.csi_drivers, Object::CsiDriver))
            .chain(of(&self.runtime_classes, Object::RuntimeClass))
            .chain(of(&self.validating_webhooks, Object::Webhooks))
            .chain(of(&self.mutating_webhooks, Object::Webhooks))
            .chain(of(&self.services, Object::Service))
            .chain(of(&self.ingresses, Object::Ingress))
            .chain(of(&self.network_policies, Object::NetworkPolicy))
    }

    /// The gaps that an answer about `kinds` in `namespace` (empty for the whole cluster) has to mention.
    pub fn gaps_touching(&self, kinds: &[Kind], namespace: &str) -> impl Iterator<Item = &Gap> {
        self.gaps
            .iter()
            .filter(move |gap| gap.touches(kinds, namespace))
    }
}
