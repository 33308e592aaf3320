//! Where paths start.

use std::collections::{HashMap, HashSet};

use bailiwick_core::Str;
use bailiwick_model::{
    ApiTable, Binding, BindingSubject, Object, Origin, Snapshot, Workload, defaults,
};

use crate::graph::{Graph, NodeId};
use crate::node::Node;

/// The annotation of a pod that a kubelet read from a file of its own. Whoever writes there is root on the node.
const STATIC_POD: &str = "kubernetes.io/config.mirror";

impl Graph {
    /// Everything that an attacker can start from: whoever has no credentials, identities and workloads, but for those
    /// of the control plane, which have all that they need to take over the cluster by design.
    ///
    /// Of the control plane are identities that bindings name only as the API server creates them, and static pods.
    pub fn starts(&self, snapshot: &Snapshot) -> Vec<NodeId> {
        let control_plane = control_plane(snapshot);
        let starts = self.nodes().filter(|(_, node)| {
            matches!(
                node,
                Node::Outside
                    | Node::User { .. }
                    | Node::Group { .. }
                    | Node::ServiceAccount { .. }
                    | Node::Workload(_)
            ) && !control_plane.contains(*node)
        });
        starts.map(|(id, _)| id).collect()
    }
}

fn control_plane(snapshot: &Snapshot) -> HashSet<Node> {
    let own = own_bindings(snapshot.cluster.minor);
    let (mut by_default, mut by_others) = (HashSet::new(), HashSet::new());
    for entry in snapshot.bindings.entries() {
        let binding = &entry.object;
        let default = own.get(&(
            binding.metadata.namespace.clone(),
            binding.metadata.name.clone(),
        ));
        for subject in &binding.subjects {
            let is_default = matches!(entry.origin, Origin::Default { .. })
                || default.is_some_and(|default| gives(default, binding, subject));
            let named = if is_default {
                &mut by_default
            } else {
                &mut by_others
            };
            let subject = subject.subject(&binding.metadata.namespace);
            named.extend(subject.map(|subject| Node::of(&subject)));
        }
    }
    let is_static = |workload: &&Workload| workload.metadata.annotation(STATIC_POD).is_some();
    let static_pods = snapshot.all_workloads().filter(is_static);
    by_default.retain(|node| !by_others.contains(node));
    by_default.extend(static_pods.map(|pod| Node::Workload(pod.object_ref())));
    by_default
}

/// Whether a default binding gives this subject what this one does.
fn gives(default: &Binding, binding: &Binding, subject: &BindingSubject) -> bool {
    let key = |subject: &BindingSubject| {
        (
            subject.kind.clone(),
            subject.namespace.clone(),
            subject.name.clone(),
        )
    };
    default.role() == binding.role() && default.subjects.iter().any(|own| key(own) == key(subject))
}

/// The bindings that an API server of this minor creates, or of the newest known one, by namespace and name.
fn own_bindings(minor: Option<u16>) -> HashMap<(Str, Str), Binding> {
    let newest = || ApiTable::MINORS.last().copied().and_then(defaults);
    let objects = minor.and_then(defaults).or_else(newest);
    let objects = objects.unwrap_or_default().into_iter();
    let bindings = objects.filter_map(|object| match object {
        Object::Binding(binding) => Some(binding),
        _ => None,
    });
    let name = |binding: &Binding| {
        let metadata = &binding.metadata;
        (metadata.namespace.clone(), metadata.name.clone())
    };
    bindings.map(|binding| (name(&binding), binding)).collect()
}
