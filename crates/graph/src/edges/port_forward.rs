
use bailiwick_rbac::Right;

use crate::build::{Held, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::ports_in_reach;

edge! {
    /// Connect to any port of a pod, past network policies.
    ///
    /// `create` on `pods/portforward` connects to what listens in the pod, on its loopback address as well, where programs often ask
    /// for no password. With `hostNetwork` that is the loopback address of the node. Network policies do not see the connection.
    "port-forward", "connect to the ports of pods", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every port of namespace shop", "create" => "get",
    "Role shop/r
       create on pods/portforward of ''
     RoleBinding shop/r gives Role/r to user:eve"
}

static LEGS: &[Leg] = &[&[Right::new("", "pods/portforward", &["create"])]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    ports_in_reach(held, world, link, |name| Some(name));
}
