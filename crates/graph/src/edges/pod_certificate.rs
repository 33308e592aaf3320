
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::CERTIFICATES;
use crate::node::{Area, Node};

edge! {
    /// Ask for certificates in the name of any pod and its service account.
    ///
    /// A PodCertificateRequest names a pod, its service account and its node, and carries a key. Only requests of nodes are held to
    /// their own pods, by the admission plugin NodeRestriction; anybody else with `create` on `podcertificaterequests` names any pod
    /// of the namespace with a key of his own. What that is worth is up to the signers that take such requests; none of those that
    /// come with Kubernetes does. On by default since Kubernetes 1.37.
    "pod-certificate", "ask for certificates in the name of any pod", effort 2, Versions::since(37),
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every certificate of namespace shop", "create" => "get",
    "Role shop/r
       create on podcertificaterequests of certificates.k8s.io
     RoleBinding shop/r gives Role/r to user:eve"
}

static LEGS: &[Leg] = &[&[Right::new(CERTIFICATES, "podcertificaterequests", &["create"])]];

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    let to = Node::area(Area::Certificates, &held.scope);
    link.edge(held.subject, to, held.condition_on(&[On::Any]));
}
