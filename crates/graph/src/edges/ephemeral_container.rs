
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
    /// Pod Security admission looks at the new container as at any other, so it does not make the pod more privileged than its
    /// namespace allows; the service account's token is there in any case.
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
