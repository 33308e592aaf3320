use bailiwick_core::Str;
use bailiwick_core::names::MASTERS;
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::Node;

edge! {
    /// Write the map from identities of AWS to users and groups.
    ///
    /// EKS reads the ConfigMap `aws-auth` of `kube-system` to learn which user and which groups an identity of AWS is, and takes
    /// `system:masters` for a group there. So `update` or `patch` of this one ConfigMap is full control of the cluster, for
    /// anybody with an identity of AWS. Access entries replace the map; a cluster in the mode `API` does not read it.
    ///
    /// Only clusters whose nodes or service accounts carry the marks of EKS have this step.
    "aws-auth", "map a cloud identity to any group", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "group system:masters", "named aws-auth" => "named coredns",
    "Role kube-system/r
       patch on configmaps of '' named aws-auth
     RoleBinding kube-system/r gives Role/r to user:eve
     ---
     {apiVersion: v1, kind: Node, metadata: {name: n1, labels: {eks.amazonaws.com/nodegroup: a}}}"
}

static LEGS: &[Leg] = &[&[Right::new("", "configmaps", &["patch", "update"])]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let inside = matches!(&*held.scope, "" | "kube-system");
    let on = [On::Name("aws-auth")];
    if inside && held.is_on(&on) && world.fact("eks", is_eks) {
        link.edge(held.subject, Node::group(MASTERS), held.condition_on(&on));
    }
}

fn is_eks(world: &World<'_>) -> bool {
    let of_eks = |keys: &[(Str, Str)]| {
        keys.iter().any(|(key, _)| key.starts_with("eks.amazonaws.com/"))
    };
    let snapshot = &world.snapshot;
    snapshot.nodes.iter().any(|node| of_eks(&node.metadata.labels))
        || snapshot.service_accounts.iter().any(|account| of_eks(&account.metadata.annotations))
}
