
use bailiwick_rbac::Right;

use crate::build::{Held, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::pods_in_reach;

edge! {
    /// Add an ephemeral container to a pod that runs.
    ///
    /// `patch` or `update` on `pods/ephemeralcontainers` starts an image of one's choice inside the pod, with its network and
    /// its volumes: what the other containers mount, the new one can mount, too. The right to exec is not needed, nor is any
    /// on pods themselves. A rule with names reaches the pods of these names.
    ///
    /// The container has a security context of its own; where the namespace lets it be privileged, that is a step to the node
    /// (`ephemeral-container-node`). The service account's token is there in any case. Static pods take no further containers; what
    /// they hold is on the disks of control-plane nodes.
    "ephemeral-container", "add a container to a running pod", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "Pod shop/web", "patch" => "get",
    "Role shop/r
       patch on pods/ephemeralcontainers of '' named web
     RoleBinding shop/r gives Role/r to user:eve
     ---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web}, spec: {containers: [{name: web, image: web}]}}"
}

static LEGS: &[Leg] = &[&[Right::new("", "pods/ephemeralcontainers", &["patch", "update"])]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    pods_in_reach(held, world, link);
}
