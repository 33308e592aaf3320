use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::edges::scc_use;
use crate::node::{Area, Node};

edge! {
    /// Start a privileged pod on any node.
    ///
    /// Whoever starts pods chooses what they may do on their node, and which node that is: `nodeName` goes past the
    /// scheduler, and a pod tolerates what it says it tolerates, so taints keep nothing off. What stands in the way is Pod
    /// Security: a namespace with the label `pod-security.kubernetes.io/enforce` at `baseline` or `restricted` refuses pods
    /// that are privileged, mount paths of the node or share its processes. It is on since Kubernetes 1.23.
    ///
    /// On OpenShift security context constraints stand before every pod, and this step is held back for another (`scc-use`).
    ///
    /// An API server that was started without `--allow-privileged` refuses privileged containers, and takes those with a path of
    /// the node all the same.
    ///
    /// A level that Pod Security does not know counts as `restricted`. Defaults and exemptions of the API server's own
    /// configuration, and other admission controllers, are not known.
    "new-pod-node", "start a privileged pod", effort 1, Versions::ALL, &[Rule::Each(link)],
    "new pods of namespace shop" => "every node of the cluster", "enforce: privileged" => "enforce: baseline",
    "---
     {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: privileged}}}"
}

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let Item::Namespace(namespace) = *item else { return };
    let machines = Node::area(Area::Machines, &Default::default());
    let pods = Node::area(Area::NewPods, namespace);
    if let Some(definition) = scc_use::constraints(world) {
        let why = "security context constraints refuse privileged pods without the right to use one";
        return link.held_back(&pods, machines, definition, why);
    }
    match world.pod_security(namespace) {
        Ok(label) => link.by(&pods, machines, [label]),
        Err(label) => {
            let why = "Pod Security refuses privileged pods in this namespace";
            link.held_back(&pods, machines, label, why);
        }
    }
}
