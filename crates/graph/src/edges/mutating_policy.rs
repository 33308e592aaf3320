
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Have every pod that is created changed by a policy.
    ///
    /// A MutatingAdmissionPolicy with its binding does what a mutating webhook does, without any server: an expression in the
    /// policy changes the objects before they are stored. It takes the right to create or change policies and the right to create or
    /// change their bindings. Generally available, and on, since Kubernetes 1.36.
    "mutating-policy", "change what others create by a policy", effort 2, Versions::since(36),
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "new pods of the cluster", "mutatingadmissionpolicybindings" => "validatingadmissionpolicybindings",
    "ClusterRole r
       create on mutatingadmissionpolicies,mutatingadmissionpolicybindings of admissionregistration.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

const GROUP: &str = "admissionregistration.k8s.io";
const WRITE: &[&str] = &["create", "patch", "update"];

static LEGS: &[Leg] = &[
    &[Right::cluster(GROUP, "mutatingadmissionpolicies", WRITE)],
    &[Right::cluster(GROUP, "mutatingadmissionpolicybindings", WRITE)],
];

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    let to = Node::area(Area::NewPods, &held.scope);
    link.edge(held.subject, to, held.condition_on(&[On::Any]));
}
