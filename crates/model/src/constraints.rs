//! What OpenShift lets pods ask for.

use bailiwick_core::Str;
use serde::{Deserialize, Serialize};

use crate::meta::ObjectMeta;

/// A SecurityContextConstraints of OpenShift: pods that ask for more than it allows are not admitted by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecurityContextConstraints {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// Whether containers may be privileged.
    #[serde(skip_serializing_if = "is_false")]
    pub privileged: bool,
    /// Whether pods may have volumes that are paths of the node.
    #[serde(skip_serializing_if = "is_false")]
    pub host_paths: bool,
    /// Whether pods may see the processes of the node.
    #[serde(rename = "hostPID", skip_serializing_if = "is_false")]
    pub host_pid: bool,
    /// Whether pods may share memory with the processes of the node.
    #[serde(rename = "hostIPC", skip_serializing_if = "is_false")]
    pub host_ipc: bool,
    /// Whether pods may have the network of the node.
    #[serde(skip_serializing_if = "is_false")]
    pub host_network: bool,
    /// Whether containers may have ports of the node.
    #[serde(skip_serializing_if = "is_false")]
    pub host_ports: bool,
    /// Whether processes cannot gain more rights than their parent, as by a program that is setuid.
    #[serde(skip_serializing_if = "is_false")]
    pub no_escalation: bool,
    /// Whether pods must have users of their own, which are nobody on the node.
    #[serde(skip_serializing_if = "is_false")]
    pub own_users: bool,
    /// Capabilities that containers may add, as written; `*` is all.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub allowed_capabilities: Box<[Str]>,
    /// Capabilities that containers get unless they drop them.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub default_capabilities: Box<[Str]>,
    /// As whom containers may run.
    pub run_as: RunAs,
    /// Names of the users that may use it, service accounts by their user names.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub users: Box<[Str]>,
    /// Names of the groups that may use it.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub groups: Box<[Str]>,
}

/// As whom a SecurityContextConstraints lets containers run, by `runAsUser`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RunAs {
    /// Anybody, root too: `RunAsAny`.
    Any,
    /// Root among few or alone: `MustRunAs` and `MustRunAsRange` that say so.
    Root,
    /// Others than root. A range that is not written is that of the namespace, and OpenShift gives none with root.
    #[default]
    Others,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(flag: &bool) -> bool {
    !*flag
}
