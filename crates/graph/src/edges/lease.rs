use bailiwick_rbac::Right;

use crate::build::{Held, Holding, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Stop the controllers or the nodes of the cluster.
    ///
    /// The controller manager and the scheduler work as long as they hold a Lease in `kube-system`, and a node counts as alive as long as
    /// its Lease in `kube-node-lease` is renewed. Whoever may change or delete these Leases keeps controllers from
    /// working, or has live nodes taken for dead and their pods moved away. Nothing is gained but that.
    "lease", "stop controllers and nodes", effort 2, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "the running of everything of the cluster", "named kube-scheduler" => "named others",
    "Role kube-system/r
       patch on leases of coordination.k8s.io named kube-scheduler
     RoleBinding kube-system/r gives Role/r to user:eve"
}

static LEGS: &[Leg] =
    &[&[Right::new("coordination.k8s.io", "leases", &["delete", "patch", "update"])]];

const CONTROLLERS: [&str; 2] = ["kube-controller-manager", "kube-scheduler"];

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    let wanted = |holding: &Holding<'_>| match &*held.scope {
        "" | "kube-system" => CONTROLLERS.iter().any(|name| holding.is_on(On::Name(name))),
        // The Leases of nodes go by the nodes' names.
        "kube-node-lease" => true,
        _ => false,
    };
    if let Some(condition) = held.condition_by(wanted) {
        let to = Node::area(Area::Running, &Default::default());
        link.edge(held.subject, to, condition);
    }
}
