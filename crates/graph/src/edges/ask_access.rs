use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Ask the API server what anybody may do.
    ///
    /// `create` on `subjectaccessreviews` answers for every user and group, on `localsubjectaccessreviews` for one namespace. It
    /// tells whom to take over next and opens nothing. What one may do oneself everybody can ask, by
    /// `selfsubjectaccessreviews` and `selfsubjectrulesreviews`.
    "ask-access", "ask what others may do", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "what anybody may do of namespace shop", "create" => "get",
    "Role shop/r
       create on localsubjectaccessreviews of authorization.k8s.io
     RoleBinding shop/r gives Role/r to user:eve"
}

const GROUP: &str = "authorization.k8s.io";

static LEGS: &[Leg] = &[&[
    Right::new(GROUP, "localsubjectaccessreviews", &["create"]),
    Right::cluster(GROUP, "subjectaccessreviews", &["create"]),
]];

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    let to = Node::area(Area::Decisions, &held.scope);
    link.edge(held.subject, to, held.condition_on(&[On::Any]));
}
