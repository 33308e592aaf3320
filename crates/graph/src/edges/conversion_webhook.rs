
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Have custom resources sent to a server of one's own.
    ///
    /// A CustomResourceDefinition can name a webhook that converts objects between its versions. Whoever creates or changes
    /// definitions makes the API server send stored objects there and takes what comes back, so that it reads and changes all custom
    /// resources of that kind, without any right on them.
    "conversion-webhook", "read and change custom resources by their conversion", effort 3, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every request of the cluster", "patch" => "get",
    "ClusterRole r
       patch on customresourcedefinitions of apiextensions.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

static LEGS: &[Leg] = &[&[Right::cluster(
    "apiextensions.k8s.io",
    "customresourcedefinitions",
    &["create", "patch", "update"],
)]];

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    let to = Node::area(Area::Requests, &held.scope);
    link.edge(held.subject, to, held.condition_on(&[On::Any]));
}
