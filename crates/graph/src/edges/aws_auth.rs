use bailiwick_core::names::MASTERS;
use bailiwick_core::{Kind, Str};
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::Node;

edge! {
    /// Write the map from identities of AWS to users and groups.
    ///
    /// EKS reads the ConfigMap `aws-auth` of `kube-system` to learn which user and which groups an identity of AWS is, and takes
    /// `system:masters` for a group there. So `update` or `patch` of this one ConfigMap is full control of the cluster, for
    /// anybody with an identity of AWS; and where there is none, `create` of ConfigMaps in `kube-system` is. Access entries replace the map; a cluster in
    /// the mode `API` does not read it, which nothing in the cluster tells. Who is in the map now is the step `cloud-login`.
    ///
    /// Only clusters that have the map, or whose nodes or service accounts carry the marks of EKS, have this step.
    "aws-auth", "map a cloud identity to any group", effort 1, Versions::ALL,
    &[Rule::Rights { legs: WRITE, link: link_write }, Rule::Rights { legs: CREATE, link: link_create }],
    "user eve" => "group system:masters", "named aws-auth" => "named coredns",
    "Role kube-system/r
       patch on configmaps of '' named aws-auth
     RoleBinding kube-system/r gives Role/r to user:eve
     ---
     {apiVersion: v1, kind: ConfigMap, metadata: {namespace: kube-system, name: aws-auth}}"
}

static WRITE: &[Leg] = &[&[Right::new("", "configmaps", &["patch", "update"])]];
static CREATE: &[Leg] = &[&[Right::new("", "configmaps", &["create"])]];

fn link_write(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    link_masters(held, On::Name("aws-auth"), may_be_there, world, link);
}

fn link_create(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    // Who creates an object by a request with its name needs the right on it.
    link_masters(held, On::All, may_be_missing, world, link);
}

fn link_masters(
    held: &Held<'_>,
    on: On<'_>,
    counts: fn(&World<'_>) -> bool,
    world: &World<'_>,
    link: &mut Link<'_>,
) {
    let inside = matches!(&*held.scope, "" | "kube-system");
    if inside && held.is_on(&[on]) && world.fact("eks", is_eks) && counts(world) {
        link.edge(held.subject, Node::group(MASTERS), held.condition_on(&[on]));
    }
}

fn may_be_there(world: &World<'_>) -> bool {
    let is_told = world.snapshot.cluster().stored && !world.is_hidden(Kind::ConfigMap, "kube-system");
    !is_told || world.identity_map().is_some()
}

fn may_be_missing(world: &World<'_>) -> bool {
    world.identity_map().is_none()
}

fn is_eks(world: &World<'_>) -> bool {
    let of_eks = |keys: &[(Str, Str)]| {
        keys.iter().any(|(key, _)| key.starts_with("eks.amazonaws.com/"))
    };
    let snapshot = &world.snapshot;
    world.identity_map().is_some()
        || snapshot.nodes.iter().any(|node| of_eks(&node.metadata.labels))
        || snapshot.service_accounts.iter().any(|account| of_eks(&account.metadata.annotations))
}
