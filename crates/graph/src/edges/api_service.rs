
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Answer requests in place of the API server.
    ///
    /// An APIService sends all requests for a version of an API group to a Service of the cluster. Whoever creates or changes one
    /// sees what others send there and answers what he likes, as for metrics by which workloads are scaled. Groups that the API server
    /// serves itself have APIServices too, in every cluster: one of those that is changed stays so until the API server starts anew.
    /// APIServices are not read, so a right to change one by its name counts whether it is there or not.
    "api-service", "serve an API group oneself", effort 3, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every request of the cluster", "patch" => "delete",
    "ClusterRole r
       patch on apiservices of apiregistration.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

static LEGS: &[Leg] = &[&[Right::cluster(
    "apiregistration.k8s.io",
    "apiservices",
    &["create", "patch", "update"],
)]];

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    let to = Node::area(Area::Requests, &held.scope);
    link.edge(held.subject, to, held.condition_on(&[On::Any]));
}
