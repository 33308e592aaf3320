
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Send HTTP requests to pods and services through the API server.
    ///
    /// On `pods/proxy` and `services/proxy` the verb is the HTTP method: `get` reads and opens WebSockets, `create` posts. The request
    /// comes from the API server, so that network policies which let it in let in whoever holds the right. A rule with names has to
    /// spell the name as the path does, `https:web:8443` included.
    "proxy", "talk to pods and services through the API server", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every port of namespace shop", "get" => "list",
    "Role shop/r
       get on services/proxy of ''
     RoleBinding shop/r gives Role/r to user:eve"
}

const METHODS: &[&str] = &["get", "create", "update", "patch", "delete"];

static LEGS: &[Leg] = &[&[
    Right::new("", "pods/proxy", METHODS),
    Right::new("", "services/proxy", METHODS),
]];

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    let to = Node::area(Area::Ports, &held.scope);
    link.edge(held.subject, to, held.condition_on(&[On::Any]));
}
