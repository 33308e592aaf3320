//! The cluster as Bailiwick sees it: typed objects ([`Object`]), the [`Snapshot`] that holds them with the place each
//! came from ([`Origin`]) and what could not be read ([`Gap`]), and the [`Delta`]s that change it.
//!
//! Pure: bytes become a [`Value`] elsewhere (`bailiwick-input`, `bailiwick-kube`).

mod admission;
pub mod api;
mod constraints;
mod custom;
mod custom_status;
mod decode;
mod defaults;
mod gateway;
mod identities;
mod interner;
mod meta;
mod network;
mod object;
mod origin;
mod platform;
mod problems;
mod rbac;
mod snapshot;
pub mod spelling;
mod store;
mod value;
mod workload;

pub use admission::{
    AdmissionBinding, AdmissionPolicy, MatchResources, NAME_LABEL, ParamRef, ResourceRule, Webhook,
    WebhookConfiguration,
};
pub use api::{ApiResource, ApiTable};
pub use constraints::{RunAs, SecurityContextConstraints};
pub use custom::{CustomContent, CustomKind};
pub use custom_status::{CustomCondition, CustomStatus, InForce, Refusal};
pub use decode::{Decoded, DecodedKind, Issue, decode, decode_in};
pub use defaults::defaults;
pub use gateway::{
    FromNamespaces, Gateway, GrantFrom, GrantTo, Listener, ListenerSet, ParentRef, ReferenceGrant,
    Route, RouteBackend,
};
pub use identities::{IdentityMap, MappedIdentity, account_of_arn};
pub use interner::{Interner, ReadYaml, YamlError};
pub use meta::ObjectMeta;
pub use network::{
    Cidr, ContainerPort, EndpointSlice, Ingress, IngressRule, NetworkPolicy, Peer, PolicyPort,
    PortRef, Protocol, Service, ServicePort,
};
pub use object::{CustomResource, Delta, Namespace, Node, Object, Secret, ServiceAccount, Taint};
pub use origin::{FileId, FileOrigin, Gap, Origin, SourceFile};
pub use platform::{
    ApiService, CsiDriver, PersistentVolume, RuntimeClass, TrustBundle, VolumeClaim,
};
pub use problems::{PROBLEMS, Problem, problems_page};
pub use rbac::{Binding, BindingSubject, LabelSelector, PolicyRule, Requirement, Role, RoleRef};
pub use snapshot::{ClusterInfo, Snapshot};
pub use store::{Entry, Store};
pub use value::{MAX_DEPTH, Map, Value};
pub use workload::{
    AppArmor, ClaimMount, Container, ContainerList, HostPathMount, PodSpec, Security, TokenMount,
    Toleration, Workload,
};
