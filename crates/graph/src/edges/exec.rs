
use bailiwick_rbac::Right;

use crate::build::{Held, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::pods_in_reach;

edge! {
    /// Run a command in a container that is there.
    ///
    /// `create` on `pods/exec` or `pods/attach` opens a shell in the container, with everything that it has: its
    /// service account's token, its Secrets, its network, and the node if the container is not confined. Names count:
    /// a rule that is limited to names reaches the pods of these names. The right to read pods is not needed.
    ///
    /// Until Kubernetes 1.34 `get` alone was enough, through a WebSocket; that is an edge of its own.
    "exec", "run a command in a pod", effort 1, Versions::ALL, &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "Pod shop/web", "create" => "get",
    "Role shop/r
       create on pods/exec of '' named web
     RoleBinding shop/r gives Role/r to user:eve
     ---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web}, spec: {containers: [{name: web, image: web}]}}"
}

static LEGS: &[Leg] = &[&[
        Right::new("", "pods/exec", &["create"]),
        Right::new("", "pods/attach", &["create"]),
    ]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    pods_in_reach(held, world, link);
}
