use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::making::{Everywhere, NEW_POD, making_pods};
use crate::node::{Area, Node};

edge! {
    /// Push the pods of others off their nodes.
    ///
    /// A pod of higher priority makes the scheduler end pods of lower priority to make room. Whoever may create a PriorityClass
    /// (up to a thousand million, above which only the cluster's own are) and pods of it ends those of everybody else, the guards of the cluster
    /// among them. What he ends, starts anew elsewhere if there is room.
    "priority-class", "push the pods of others away", effort 2, Versions::ALL,
    &[Rule::Own { legs: LEGS, link }],
    "user eve" => "the running of everything of the cluster", "create on priorityclasses" => "get on priorityclasses",
    "ClusterRole r
       create on priorityclasses of scheduling.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve
     Role shop/p
       create on pods of ''
     RoleBinding shop/p gives Role/p to user:eve"
}

static LEGS: &[Leg] =
    &[&[Right::cluster("scheduling.k8s.io", "priorityclasses", &["create"])], NEW_POD];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let Some(held) = making_pods::<Everywhere>(held, world) else { return };
    let to = Node::area(Area::Running, &Default::default());
    link.edge(held.subject, to, held.condition_on(&[On::Any]));
}
