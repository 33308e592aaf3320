
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::CERTIFICATES;
use crate::node::{Area, Node};

edge! {
    /// Put an authority of one's own among those that workloads trust.
    ///
    /// Pods that project a ClusterTrustBundle into their files trust the certificates in it. Whoever creates or changes such a bundle
    /// can stand between them and those to whom they talk. A bundle of a signer takes `attest` on `signers` besides; one without a
    /// signer does not. On by default since Kubernetes 1.37.
    "trust-bundle", "have workloads trust an authority of one's own", effort 2, Versions::since(37),
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every connection of the cluster", "create" => "get",
    "ClusterRole r
       create on clustertrustbundles of certificates.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

static LEGS: &[Leg] = &[&[Right::cluster(
    CERTIFICATES,
    "clustertrustbundles",
    &["create", "patch", "update"],
)]];

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    let to = Node::area(Area::Traffic, &held.scope);
    link.edge(held.subject, to, held.condition_on(&[On::Any]));
}
