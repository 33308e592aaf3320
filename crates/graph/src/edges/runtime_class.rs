use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::host::is_sandbox;
use crate::node::{Area, Node};

edge! {
    /// Let pods out of their sandbox before they start.
    ///
    /// A RuntimeClass names the handler that runs its pods, gVisor or Kata Containers among them. The handler of a class cannot be
    /// changed, but whoever may delete the class and create it anew gives its name to another one: pods that ask for the sandbox get
    /// an ordinary container from then on. There where a class has the handler of a known sandbox.
    "runtime-class", "take the sandbox from pods", effort 2, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every guard of the cluster", "handler: runsc" => "handler: runc",
    "ClusterRole r
       create,delete on runtimeclasses of node.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve
     ---
     {apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: sandbox}, handler: runsc}"
}

const GROUP: &str = "node.k8s.io";

static LEGS: &[Leg] = &[
    &[Right::cluster(GROUP, "runtimeclasses", &["delete"])],
    &[Right::cluster(GROUP, "runtimeclasses", &["create"])],
];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    for class in world.snapshot.runtime_classes.iter().filter(|class| is_sandbox(&class.handler)) {
        let on = [On::Name(&class.metadata.name)];
        if held.is_on(&on) {
            let to = Node::area(Area::Guards, &held.scope);
            link.edge(held.subject, to, held.condition_on(&on));
            return;
        }
    }
}
