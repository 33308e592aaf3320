
use bailiwick_rbac::Right;

use crate::build::{Held, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::everything_in;

edge! {
    /// A rule that allows every verb on every resource of every group is full control where it is bound.
    ///
    /// Bound by a ClusterRoleBinding it is the cluster; bound by a RoleBinding it is everything in the namespace. What
    /// leads there by a longer way (binding oneself a role, becoming somebody else) are steps of their own.
    "full-control", "do everything", effort 0, Versions::ALL, &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "full control of namespace shop", "* of *" => "* of ''",
    "Role shop/r
       * on * of *
     RoleBinding shop/r gives Role/r to user:eve"
}

static LEGS: &[Leg] = &[&[Right::EVERYTHING]];

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    link.edge(held.subject, everything_in(&held.scope), held.condition(None));
}
