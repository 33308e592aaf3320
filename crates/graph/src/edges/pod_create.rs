use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::making::CREATED_POD;
use crate::node::{Area, Node};

edge! {
    /// Start a pod of one's own.
    ///
    /// Whoever can create pods, or objects that create pods, chooses what runs, as which service account of the
    /// namespace (nobody asks whether he may use it) and with which Secrets of the namespace mounted.
    ///
    /// A rule that is limited to names counts where it gives `patch` as well: server-side apply creates the object of
    /// that name. With `create` alone it gives nothing, since such a request does not name what it creates.
    "pod-create", "start a pod", effort 1, Versions::ALL, &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "new pods of namespace shop", "create" => "update",
    "Role shop/r
       create on pods of ''
     RoleBinding shop/r gives Role/r to user:eve"
}

// What is there to be changed is an edge of its own.
static LEGS: &[Leg] = &[CREATED_POD];

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    link.edge(held.subject, Node::area(Area::NewPods, &held.scope), held.condition_on(&[On::Any]));
}
