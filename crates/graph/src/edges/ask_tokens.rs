use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Ask the API server whose a token is.
    ///
    /// `create` on `tokenreviews` says of a token whether it is good, for whom and with which groups, without using it. Whoever has
    /// found tokens sorts them so, and leaves no other trace. It opens nothing by itself. Servers that check tokens of others
    /// need it, as the role `system:auth-delegator` gives it.
    "ask-tokens", "ask whose a token is", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "the owner of any token of the cluster", "create" => "get",
    "ClusterRole r
       create on tokenreviews of authentication.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

static LEGS: &[Leg] = &[&[Right::cluster("authentication.k8s.io", "tokenreviews", &["create"])]];

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    let to = Node::area(Area::TokenOwners, &held.scope);
    link.edge(held.subject, to, held.condition_on(&[On::Any]));
}
