
use bailiwick_rbac::Right;

use crate::build::{Held, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Run commands in every pod of a node by talking to its kubelet.
    ///
    /// `nodes/proxy` is the right to the kubelet's own API, whose paths start containers' shells. The verb is the HTTP method:
    /// `create` is a POST, and `get` is enough, since a WebSocket starts as a GET. Admission control does not see such a
    /// command, and the API server's audit log shows none if it goes to the kubelet directly. A rule with names reaches the
    /// nodes of these names. Nodes are in no namespace, so a RoleBinding does not give this right.
    ///
    /// For metrics, statistics and logs, name `nodes/metrics`, `nodes/stats`, `nodes/log` and the other fine-grained
    /// subresources (from 1.33 on) instead.
    "nodes-proxy", "run commands in the pods of a node through its kubelet", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "Pod shop/web", "nodes/proxy" => "nodes/stats",
    "ClusterRole r
       get on nodes/proxy of '' named n1
     ClusterRoleBinding r gives ClusterRole/r to user:eve
     ---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, containers: [{name: web, image: web}]}}"
}

static LEGS: &[Leg] = &[&[Right::cluster("", "nodes/proxy", &["get", "create"])]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if held.on_all() {
        let every = Node::area(Area::Pods, &held.scope);
        link.edge(held.subject, every, held.condition(None));
    }
    for name in held.names(0) {
        for pod in world.workloads_on(name) {
            let node = Node::Workload(pod.object_ref());
            link.edge(held.subject, node, held.condition(Some(name)));
        }
    }
}
