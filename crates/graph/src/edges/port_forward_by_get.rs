
use bailiwick_rbac::Right;

use crate::build::{Held, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::ports_in_reach;

edge! {
    /// Connect to any port of a pod with the right to read alone.
    ///
    /// A WebSocket starts as a GET request, so until Kubernetes 1.34 `get` on `pods/portforward` was enough. From 1.35 on such a
    /// request needs `create`, too, unless the feature gate `AuthorizePodWebsocketUpgradeCreatePermission` is turned off.
    "port-forward-by-get", "connect to the ports of pods by GET", effort 1, Versions::until(34),
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every port of namespace shop", "get" => "list",
    "Role shop/r
       get on pods/portforward of ''
     RoleBinding shop/r gives Role/r to user:eve"
}

static LEGS: &[Leg] = &[&[Right::new("", "pods/portforward", &["get"])]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    ports_in_reach(held, world, link, |name| Some(name));
}
