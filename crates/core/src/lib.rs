//! The words that every other crate speaks: who asks ([`Subject`], [`UserInfo`]), for what ([`Request`]), what the
//! answer was ([`Effect`], [`Decision`]) and why ([`Grant`]).
//!
//! Nothing here knows Kubernetes clients, files, sockets or clocks, and nothing here can fail except parsing.

mod decision;
pub mod dns;
mod object;
mod request;
mod subject;
mod time;
mod user;

pub use decision::{
    Condition, Conditions, Decision, Effect, Grant, PolicyEvidence, Reason, Revoked, Span,
};
pub use object::{Kind, ObjectRef, UnknownKind};
pub use request::{NonResourceRequest, Request, Requirement, ResourceRequest, SelectorOperator};
pub use subject::{Subject, SubjectParseError};
pub use time::{Timestamp, TimestampError};
pub use user::UserInfo;

/// A shared, immutable string. Loaders intern these, so that equal names cost one allocation a snapshot.
pub type Str = std::sync::Arc<str>;

/// Well-known names, spelt once.
pub mod names {
    /// Group that the API server allows everything before any authorizer is asked.
    pub const MASTERS: &str = "system:masters";
    /// Group of every authenticated request.
    pub const AUTHENTICATED: &str = "system:authenticated";
    /// Group of every request without credentials.
    pub const UNAUTHENTICATED: &str = "system:unauthenticated";
    /// User name of a request without credentials.
    pub const ANONYMOUS: &str = "system:anonymous";
    /// Group of every service account; with `:NAMESPACE` appended, of those in one namespace.
    pub const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";
    /// What a service account's user name starts with, before `NAMESPACE:NAME`.
    pub const SERVICE_ACCOUNT_USER_PREFIX: &str = "system:serviceaccount:";
    /// Group of kubelets. With a user name of `system:node:NAME` the Node authorizer answers for them.
    pub const NODES: &str = "system:nodes";
    /// What a kubelet's user name starts with, before the node's name.
    pub const NODE_USER_PREFIX: &str = "system:node:";
    /// Key of a user's extra fields under which the API server names the credential of a request: `JTI=` and the id of a
    /// token, or `X509SHA256=` and the hash of a certificate.
    pub const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";
    /// API group of roles and bindings.
    pub const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

    /// API group of Gateways and their routes.
    pub const GATEWAY_GROUP: &str = "gateway.networking.k8s.io";
}
