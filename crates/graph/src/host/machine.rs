//! What a node is: part of the control plane, a machine in a cloud, open to a pod.

use bailiwick_core::{Kind, ObjectRef, Str, names};
use bailiwick_model::{Node as ClusterNode, PodSpec, Taint, Workload};

use crate::build::World;
use crate::condition::Atom;
use crate::node::Node;

/// The nodes of the control plane on which a pod that waits for a node may come to run: no taint keeps it off.
pub(super) fn control_planes_for(world: &World<'_>, workload: &Workload) -> Vec<Str> {
    let nodes = world.snapshot.nodes.iter();
    let planes = nodes.filter(|node| {
        let has = |label: &&str| node.metadata.label(label).is_some();
        CONTROL_PLANE.iter().any(has) && takes(node, &workload.pod)
    });
    planes.map(|node| node.metadata.name.clone()).collect()
}

fn takes(node: &ClusterNode, pod: &PodSpec) -> bool {
    let mut wanted = pod.node_selector.iter();
    let labelled = wanted.all(|(key, value)| node.metadata.label(key) == Some(value));
    let mut taints = node.taints.iter();
    labelled && taints.all(|taint| &*taint.effect == "PreferNoSchedule" || tolerates(pod, taint))
}

/// Upstream `k8s.io/api/core/v1/toleration.go`.
fn tolerates(pod: &PodSpec, taint: &Taint) -> bool {
    pod.tolerations.iter().any(|toleration| {
        let key = toleration.key.is_empty() || toleration.key == taint.key;
        let effect = toleration.effect.is_empty() || toleration.effect == taint.effect;
        let value = toleration
            .value
            .as_ref()
            .is_none_or(|value| *value == taint.value);
        key && effect && value
    })
}

/// Whom the kubelet of a node is; `None` where the node is not known.
pub(crate) fn node_user(node: &str) -> Option<Node> {
    let name = format!("{}{node}", names::NODE_USER_PREFIX).into();
    (!node.is_empty()).then_some(Node::User { name })
}

/// Whether a node is one of the control plane.
pub(crate) fn is_control_plane(world: &World<'_>, node: &str) -> bool {
    let node = world.snapshot.nodes.get("", node);
    let has = |label: &&str| node.is_some_and(|node| node.metadata.label(label).is_some());
    CONTROL_PLANE.iter().any(has)
}

/// A setting of a node.
pub(crate) fn node_field(node: &ClusterNode, pointer: &str) -> Atom {
    Atom::Field {
        object: ObjectRef::new(Kind::Node, "", &node.metadata.name),
        pointer: pointer.to_owned(),
    }
}

/// Whom a node is at its cloud provider; `None` where it is in no cloud that gives machines an identity.
pub(crate) fn machine_identity(world: &World<'_>, node: &str) -> Option<Node> {
    let node = world.snapshot.nodes.get("", node)?;
    let mut clouds = CLOUDS.iter();
    let known = clouds.any(|cloud| node.provider_id.starts_with(cloud));
    known.then(|| Node::Cloud {
        name: format!("of machine {}", node.provider_id).into(),
    })
}

/// What stands before the `providerID` of machines that have an identity.
const CLOUDS: [&str; 3] = ["aws://", "azure://", "gce://"];

/// Whether the handler of a RuntimeClass is that of a known sandbox: gVisor, or Kata Containers with one of its
/// hypervisors. The names are those of their installers; nodes may call them otherwise.
pub(crate) fn is_sandbox(handler: &str) -> bool {
    matches!(handler, "runsc" | "gvisor" | "kata") || handler.starts_with("kata-")
}

/// The labels of nodes of the control plane; the second one until Kubernetes 1.24.
const CONTROL_PLANE: [&str; 2] = [
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/master",
];
