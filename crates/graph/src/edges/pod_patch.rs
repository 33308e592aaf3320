
use bailiwick_rbac::Right;

use crate::build::{Held, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::pods_in_reach;

edge! {
    /// Change the image of a container that runs.
    ///
    /// Of a running pod's containers `patch` and `update` on `pods` can change the image, and little else: the kubelet stops
    /// the container and starts the new image in its place, with the same service account, the same volumes and the same
    /// privileges. A rule with names reaches the pods of these names.
    "pod-patch", "change the image of a running pod", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "Pod shop/web", "patch" => "delete",
    "Role shop/r
       patch on pods of '' named web
     RoleBinding shop/r gives Role/r to user:eve
     ---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web}, spec: {containers: [{name: web, image: web}]}}"
}

static LEGS: &[Leg] = &[&[Right::new("", "pods", &["patch", "update"])]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    pods_in_reach(held, world, link);
}
