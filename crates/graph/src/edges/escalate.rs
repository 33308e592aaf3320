use bailiwick_core::names::RBAC_GROUP;
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::everything_in;

edge! {
    /// Write rights into a role that one has.
    ///
    /// The API server lets nobody write rights into a role that he does not have himself, unless he holds `escalate` on the role.
    /// Together with `update` or `patch` of that role this gives every right to everybody who is bound to it: by a
    /// ClusterRoleBinding in the whole cluster, by a RoleBinding in its namespace. Names count, since a change names the role.
    ///
    /// Whoever may escalate any ClusterRole takes one that everybody has, such as `system:basic-user`. Those who only rewrite
    /// roles of other people gain nothing by that alone, so there is no step for them. Closed by taking `escalate` away:
    /// nobody but the controllers of Kubernetes needs it.
    "escalate", "add rights to a role that one has", effort 1, Versions::ALL,
    &[
        Rule::Roles { legs: CLUSTER_ROLES, link },
        Rule::Roles { legs: ROLES, link },
    ],
    "user eve" => "full control of the cluster", "escalate,patch" => "patch",
    "ClusterRole r
       escalate,patch on clusterroles of rbac.authorization.k8s.io named r
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

const ESCALATE: &[&str] = &["escalate"];
const CHANGE: &[&str] = &["patch", "update"];

static CLUSTER_ROLES: &[Leg] = &[
    &[Right::cluster(RBAC_GROUP, "clusterroles", ESCALATE)],
    &[Right::cluster(RBAC_GROUP, "clusterroles", CHANGE)],
];
static ROLES: &[Leg] = &[
    &[Right::new(RBAC_GROUP, "roles", ESCALATE)],
    &[Right::new(RBAC_GROUP, "roles", CHANGE)],
];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    for bound in world.roles_of(held.subject) {
        let role = &bound.role;
        let fits = held.resource(0) == Some(role.kind.resource());
        let inside = held.scope.is_empty() || role.namespace == held.scope;
        let on = [On::Name(&role.name), On::Name(&role.name)];
        if fits && inside && held.is_on(&on) && !held.is_left_to_group(&bound, &on) {
            let to = everything_in(&bound.namespace);
            link.edge_if(held.subject, to, held.condition_on(&on), bound.by);
        }
    }
}
