use std::collections::BTreeSet;

use bailiwick_core::{Kind, Str};
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Pull the pods of others to a node that one has.
    ///
    /// Whoever ends pods (`delete`, an eviction, or deleting their nodes) and keeps other nodes from taking the ones that follow
    /// (`nodes` or `nodes/status`: cordon them, taint them, or say that they are full), or picks the node himself
    /// (`pods/binding`, `bindings`), has them start where he is root. Their tokens and Secrets lie on that node then.
    ///
    /// It takes a node, so the step starts there: at nodes whose disk holds the token of a service account with both
    /// rights. Pods of DaemonSets stay on their node, and so do those that only some nodes can run. A kubelet has no such
    /// step by itself: NodeRestriction keeps it to its own node and pods.
    "steal-pods", "pull the pods of others to the node", effort 5, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "node n1" => "code in every pod of the cluster", "patch on nodes" => "get on nodes",
    "ClusterRole r
       delete on pods of ''
       patch on nodes of ''
     ClusterRoleBinding r gives ClusterRole/r to sa:shop/web
     ---
     {apiVersion: v1, kind: ServiceAccount, metadata: {namespace: shop, name: web}}
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, serviceAccountName: web, containers: [{name: web, image: web}]}}"
}

const WRITE: &[&str] = &["patch", "update"];

static LEGS: &[Leg] = &[
    &[
        Right::new("", "pods", &["delete", "deletecollection"]),
        Right::new("", "pods/eviction", &["create"]),
        Right::cluster("", "nodes", &["delete", "deletecollection"]),
    ],
    &[
        Right::cluster("", "nodes", WRITE),
        Right::cluster("", "nodes/status", WRITE),
        Right::new("", "pods/binding", &["create"]),
        Right::new("", "bindings", &["create"]),
    ],
];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let Node::ServiceAccount { namespace, name } = held.subject else { return };
    let pods = world.snapshot.workloads_in(Kind::Pod, namespace);
    let own = pods.filter(|pod| pod.pod.service_account() == &**name && world.has_token(pod));
    let nodes: BTreeSet<&Str> = own.map(|pod| &pod.node_name).collect();
    let every = Node::area(Area::Pods, &held.scope);
    for name in nodes.into_iter().filter(|name| !name.is_empty()) {
        let node = Node::Machine { name: name.clone() };
        link.edge(&node, every.clone(), held.condition_on(&[On::Any]));
    }
}
