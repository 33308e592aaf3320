
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Read what containers and nodes have logged.
    ///
    /// `get` on `pods/log` shows the output of containers, in which tokens and passwords turn up; `get` on `nodes/log` shows the files
    /// below `/var/log` of a node, and `nodes/proxy` shows them too. No identity comes with it by itself.
    "read-logs", "read logs", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every log of namespace shop", "pods/log" => "pods/logs",
    "Role shop/r
       get on pods/log of ''
     RoleBinding shop/r gives Role/r to user:eve"
}

static LEGS: &[Leg] = &[&[Right::new("", "pods/log", &["get"]), Right::cluster("", "nodes/log", &["get"])]];

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    let to = Node::area(Area::Logs, &held.scope);
    link.edge(held.subject, to, held.condition_on(&[On::Any]));
}
