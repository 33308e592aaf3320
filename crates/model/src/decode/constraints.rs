//! SecurityContextConstraints of OpenShift (API `security.openshift.io/v1`).

use super::node::Node;
use super::reader::{Context, Shape};
use crate::constraints::{RunAs, SecurityContextConstraints};
use crate::meta::ObjectMeta;

const CONSTRAINTS: Shape = Shape {
    what: "a SecurityContextConstraints",
    complete: true,
    fields: &[
        ("apiVersion", ""),
        ("kind", ""),
        ("metadata", ""),
        ("allowHostDirVolumePlugin", "it allows no paths of the node"),
        ("allowHostIPC", "it does not allow it"),
        ("allowHostNetwork", "it does not allow it"),
        ("allowHostPID", "it does not allow it"),
        ("allowHostPorts", "it does not allow it"),
        ("allowPrivilegeEscalation", "it allows it"),
        ("allowPrivilegedContainer", "it does not allow them"),
        ("allowedCapabilities", "it allows none"),
        ("allowedFlexVolumes", ""),
        ("allowedUnsafeSysctls", ""),
        ("defaultAddCapabilities", ""),
        ("defaultAllowPrivilegeEscalation", ""),
        ("forbiddenSysctls", ""),
        ("fsGroup", ""),
        ("groups", "no group may use it by itself"),
        ("priority", ""),
        ("readOnlyRootFilesystem", ""),
        ("requiredDropCapabilities", ""),
        ("runAsUser", ""),
        ("seLinuxContext", ""),
        ("seccompProfiles", ""),
        ("supplementalGroups", ""),
        ("userNamespaceLevel", "pods need no users of their own"),
        ("users", "no user may use it by itself"),
        ("volumes", ""),
    ],
};

const RUN_AS: Shape = Shape {
    what: "the `runAsUser` of a SecurityContextConstraints",
    complete: true,
    fields: &[
        ("type", ""),
        ("uid", ""),
        ("uidRangeMin", "the namespace says which users"),
        ("uidRangeMax", "the namespace says which users"),
    ],
};

/// The fields stand beside `metadata`, not in a `spec`. What is missing is not allowed, but for
/// `allowPrivilegeEscalation` (OpenShift `security/v1/types.go`).
pub(super) fn constraints(
    cx: &mut Context<'_>,
    root: &Node<'_>,
    metadata: ObjectMeta,
) -> SecurityContextConstraints {
    cx.mapping(root, &CONSTRAINTS);
    let mut allows = |key| cx.flag(root, key);
    let mut read = SecurityContextConstraints {
        metadata,
        privileged: allows("allowPrivilegedContainer") == Some(true),
        host_paths: allows("allowHostDirVolumePlugin") == Some(true),
        host_pid: allows("allowHostPID") == Some(true),
        host_ipc: allows("allowHostIPC") == Some(true),
        host_network: allows("allowHostNetwork") == Some(true),
        host_ports: allows("allowHostPorts") == Some(true),
        no_escalation: allows("allowPrivilegeEscalation") == Some(false),
        ..SecurityContextConstraints::default()
    };
    read.own_users = &*cx.text(root, "userNamespaceLevel") == "RequirePodLevel";
    read.allowed_capabilities = cx.texts(root, "allowedCapabilities");
    read.default_capabilities = cx.texts(root, "defaultAddCapabilities");
    read.users = cx.texts(root, "users");
    read.groups = cx.texts(root, "groups");
    match cx.inner(root, "runAsUser", &RUN_AS) {
        Some(node) => read.run_as = run_as(cx, &node),
        None => cx.refuse_missing(root, "runAsUser", "say as whom containers may run"),
    }
    read
}

fn run_as(cx: &mut Context<'_>, node: &Node<'_>) -> RunAs {
    let is_root = |uid: Option<i64>| match uid {
        Some(0) => RunAs::Root,
        _ => RunAs::Others,
    };
    match &*cx.text(node, "type") {
        "RunAsAny" => RunAs::Any,
        "MustRunAs" => is_root(cx.integer(node, "uid")),
        "MustRunAsRange" => is_root(cx.integer(node, "uidRangeMin")),
        "MustRunAsNonRoot" => RunAs::Others,
        _ => {
            let help = "write `RunAsAny`, `MustRunAs`, `MustRunAsRange` or `MustRunAsNonRoot`";
            cx.refuse(node, "has an unknown `type`", help);
            RunAs::Any
        }
    }
}
