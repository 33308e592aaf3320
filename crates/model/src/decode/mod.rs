//! From a plain [`Value`] to a typed [`Object`], as strict as the API server is.
//!
//! An object is refused exactly where the API server would refuse it, as far as the fields that Bailiwick reads go:
//! wrong types everywhere, and for the RBAC kinds everything that upstream's validation asks. Of a pod spec only the
//! fields that say something about identity, and about what holds containers back from their node, are looked at; an
//! unknown image or port is not noticed here.
//!
//! What a server has stored counts, also where it would be refused today: older servers took more, and the authorizer
//! reads all of it. Such an object, known by its `uid` and `resourceVersion`, is kept with an issue.

mod admission;
mod bindings;
mod constraints;
mod containers;
mod core;
mod custom;
mod gateway;
mod identify;
mod identities;
mod matches;
mod meta;
mod names;
mod network;
mod node;
mod platform;
mod pods;
mod policies;
mod reader;
mod roles;
mod routes;
mod time;

use bailiwick_core::{Kind, ObjectRef, Str};
use bailiwick_diag::Severity;

use self::identify::identify;
use self::node::Node;
use self::reader::Context;
use crate::interner::Interner;
use crate::object::Object;
use crate::value::Value;

/// What became of one object of the input.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The object; `None` where it is refused or of a kind that is not kept.
    pub object: Option<Object>,
    /// What it says it is.
    pub kind: DecodedKind,
    /// Which object it is, also where it is refused, as far as it has a name; `None` for kinds that are not kept.
    pub about: Option<ObjectRef>,
    /// What is wrong with it.
    pub issues: Vec<Issue>,
}

/// What an object says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodedKind {
    /// A kind that Bailiwick reads.
    Read(Kind),
    /// A kind of Kubernetes that says nothing about access, such as Event; and every ConfigMap but one.
    NotKept {
        /// The API group; empty for core.
        group: Str,
        /// The kind.
        kind: Str,
    },
    /// A kind that no version of Kubernetes brings: a custom resource, or a mistake.
    Unknown,
}

/// Something wrong with one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Stable id in kebab case.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// JSON pointer (RFC 6901) into the object; empty is the object itself.
    pub pointer: String,
    /// What is the case, in a sentence. Never holds the contents of a Secret.
    pub message: String,
    /// What to do, in a sentence.
    pub help: Option<String>,
    /// Whether the object was lost because of it.
    pub lost: bool,
}

/// Reads one object. A namespaced one that names no namespace lands in `default`.
///
/// Never fails: what is wrong stands in [`Decoded::issues`].
pub fn decode(value: Value, names: &mut Interner) -> Decoded {
    decode_in(value, "default", names)
}

/// Reads one object. A namespaced one that names no namespace lands in `namespace`.
#[allow(
    clippy::needless_pass_by_value,
    reason = "the value, which may hold a Secret, must not outlive the reading"
)]
pub fn decode_in(value: Value, namespace: &str, names: &mut Interner) -> Decoded {
    let (kind, issue) = identify(&value, namespace);
    if let (DecodedKind::Read(read), None) = (&kind, &issue) {
        return read_object(*read, &value, namespace, names);
    }
    Decoded {
        object: None,
        about: None,
        kind,
        issues: issue.into_iter().collect(),
    }
}

fn read_object(kind: Kind, value: &Value, namespace: &str, names: &mut Interner) -> Decoded {
    let mut context = Context::new(kind, meta::is_stored(value), names);
    let cx = &mut context;
    let root = &Node::root(value);
    let metadata = meta::metadata(cx, root, namespace);
    let object = match kind {
        Kind::Role | Kind::ClusterRole => Object::Role(roles::role(cx, root, metadata)),
        Kind::RoleBinding | Kind::ClusterRoleBinding => {
            Object::Binding(bindings::binding(cx, root, metadata))
        }
        Kind::Namespace => Object::Namespace(core::namespace(cx, root, metadata)),
        Kind::ServiceAccount => Object::ServiceAccount(core::service_account(cx, root, metadata)),
        Kind::Secret => Object::Secret(core::secret(cx, root, metadata)),
        Kind::Node => Object::Node(core::node(cx, root, metadata)),
        Kind::CustomResourceDefinition => {
            Object::CustomResource(custom::definition(cx, root, metadata))
        }
        Kind::PersistentVolume => Object::PersistentVolume(platform::volume(cx, root, metadata)),
        Kind::CSIDriver => Object::CsiDriver(platform::driver(cx, root, metadata)),
        Kind::RuntimeClass => Object::RuntimeClass(platform::runtime_class(cx, root, metadata)),
        Kind::ValidatingWebhookConfiguration | Kind::MutatingWebhookConfiguration => {
            Object::Webhooks(admission::webhooks(cx, root, metadata))
        }
        Kind::ValidatingAdmissionPolicy | Kind::MutatingAdmissionPolicy => {
            Object::AdmissionPolicy(admission::policy(cx, root, metadata))
        }
        Kind::ValidatingAdmissionPolicyBinding | Kind::MutatingAdmissionPolicyBinding => {
            Object::AdmissionBinding(admission::binding(cx, root, metadata))
        }
        Kind::Service => Object::Service(network::service(cx, root, metadata)),
        Kind::Ingress => Object::Ingress(network::ingress(cx, root, metadata)),
        Kind::NetworkPolicy => Object::NetworkPolicy(policies::policy(cx, root, metadata)),
        Kind::PersistentVolumeClaim => Object::VolumeClaim(platform::claim(cx, root, metadata)),
        Kind::EndpointSlice => Object::EndpointSlice(network::slice(cx, root, metadata)),
        Kind::SecurityContextConstraints => {
            Object::Constraints(constraints::constraints(cx, root, metadata))
        }
        Kind::Gateway => Object::Gateway(gateway::gateway(cx, root, metadata)),
        Kind::HTTPRoute | Kind::GRPCRoute | Kind::TLSRoute | Kind::TCPRoute | Kind::UDPRoute => {
            Object::Route(routes::route(cx, root, metadata))
        }
        Kind::ListenerSet => Object::ListenerSet(gateway::listener_set(cx, root, metadata)),
        Kind::ReferenceGrant => Object::ReferenceGrant(routes::grant(cx, root, metadata)),
        Kind::APIService => Object::ApiService(platform::api_service(cx, root, metadata)),
        Kind::ClusterTrustBundle => Object::TrustBundle(platform::trust_bundle(cx, root, metadata)),
        Kind::ConfigMap => Object::IdentityMap(identities::map(cx, root, metadata)),
        // Every other kind has pods.
        _ => Object::Workload(pods::workload(cx, root, metadata)),
    };
    let (issues, refused) = context.finish();
    let metadata = object.metadata();
    let about = (!metadata.name.is_empty()).then(|| ObjectRef {
        kind,
        namespace: metadata.namespace.clone(),
        name: metadata.name.clone(),
    });
    Decoded {
        object: (!refused).then_some(object),
        about,
        kind: DecodedKind::Read(kind),
        issues,
    }
}
