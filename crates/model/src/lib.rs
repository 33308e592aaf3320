//! The cluster as Bailiwick sees it: typed objects ([`Object`]), the [`Snapshot`] that holds them with the place each
//! came from ([`Origin`]) and what could not be read ([`Gap`]), and the [`Delta`]s that change it.
//!
//! Pure: bytes become a [`Value`] elsewhere (`bailiwick-input`, `bailiwick-kube`).

mod meta;
mod object;
mod origin;
mod rbac;
mod snapshot;
mod value;
mod workload;

pub use meta::ObjectMeta;
pub use object::{CustomResource, Delta, Namespace, Node, Object, Secret, ServiceAccount};
pub use origin::{FileId, FileOrigin, Gap, Origin, SourceFile};
pub use rbac::{Binding, BindingSubject, LabelSelector, PolicyRule, Requirement, Role, RoleRef};
pub use snapshot::{ClusterInfo, Entry, Snapshot, Store};
pub use value::{Map, Value};
pub use workload::{PodSpec, TokenMount, Workload};
