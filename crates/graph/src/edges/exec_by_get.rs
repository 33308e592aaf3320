
use bailiwick_rbac::Right;

use crate::build::{Held, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::pods_in_reach;

edge! {
    /// Run a command in a container, attach to it, or forward its ports, with the right to read alone.
    ///
    /// A WebSocket starts as a GET request, so until Kubernetes 1.34 `get` on `pods/exec` or `pods/attach` was enough to run
    /// commands: roles that were meant for reading give a shell. From 1.35 on such a request needs `create`, too, unless the
    /// feature gate `AuthorizePodWebsocketUpgradeCreatePermission` is turned off.
    ///
    /// Closed by taking `get` on `pods/exec` and `pods/attach` away (`pods/*` is no such rule: it matches nothing).
    "exec-by-get", "run a command in a pod by GET", effort 1, Versions::until(34),
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "Pod shop/web", "get on pods/exec" => "get on pods/log",
    "Role shop/r
       get on pods/exec of '' named web
     RoleBinding shop/r gives Role/r to user:eve
     ---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web}, spec: {containers: [{name: web, image: web}]}}"
}

static LEGS: &[Leg] =
    &[&[Right::new("", "pods/exec", &["get"]), Right::new("", "pods/attach", &["get"])]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    pods_in_reach(held, world, link);
}
