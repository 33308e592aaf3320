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
    /// roles of other people gain nothing by that alone, so there is no step for them. But with `create` on roles, `bind` on the new one
    /// and `create` on bindings he makes a role of his own; a new role is created without a name in the request, so that this
    /// takes `escalate` without names. Closed by taking `escalate` away:
    /// nobody but the controllers of Kubernetes needs it.
    "escalate", "add rights to a role that one has", effort 1, Versions::ALL,
    &[
        Rule::Roles { legs: CLUSTER_ROLES, link },
        Rule::Roles { legs: ROLES, link },
        Rule::Rights { legs: NEW_CLUSTER, link: link_new },
        Rule::Rights { legs: NEW_NAMESPACE, link: link_new },
        Rule::Rights { legs: NEW_ROLES, link: link_new },
    ],
    "user eve" => "full control of the cluster", "escalate,patch" => "patch",
    "ClusterRole r
       escalate,patch on clusterroles of rbac.authorization.k8s.io named r
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

const ESCALATE: &[&str] = &["escalate"];
const CHANGE: &[&str] = &["patch", "update"];
const CREATE: &[&str] = &["create"];
const BIND: &[&str] = &["bind"];

static CLUSTER_ROLES: &[Leg] = &[
    &[Right::cluster(RBAC_GROUP, "clusterroles", ESCALATE)],
    &[Right::cluster(RBAC_GROUP, "clusterroles", CHANGE)],
];
static ROLES: &[Leg] = &[
    &[Right::new(RBAC_GROUP, "roles", ESCALATE)],
    &[Right::new(RBAC_GROUP, "roles", CHANGE)],
];

static NEW_CLUSTER: &[Leg] = &[
    &[Right::cluster(RBAC_GROUP, "clusterroles", ESCALATE)],
    &[Right::cluster(RBAC_GROUP, "clusterroles", CREATE)],
    &[Right::cluster(RBAC_GROUP, "clusterroles", BIND)],
    &[Right::cluster(RBAC_GROUP, "clusterrolebindings", CREATE)],
];
static NEW_NAMESPACE: &[Leg] = &[
    &[Right::cluster(RBAC_GROUP, "clusterroles", ESCALATE)],
    &[Right::cluster(RBAC_GROUP, "clusterroles", CREATE)],
    &[Right::new(RBAC_GROUP, "clusterroles", BIND)],
    &[Right::new(RBAC_GROUP, "rolebindings", CREATE)],
];
static NEW_ROLES: &[Leg] = &[
    &[Right::new(RBAC_GROUP, "roles", ESCALATE)],
    &[Right::new(RBAC_GROUP, "roles", CREATE)],
    &[Right::new(RBAC_GROUP, "roles", BIND)],
    &[Right::new(RBAC_GROUP, "rolebindings", CREATE)],
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

/// Of a role that is not there yet.
fn link_new(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let to = everything_in(&held.scope);
    let any = [On::All; 3];
    if held.is_on(&any) {
        return link.edge(held.subject, to, held.condition_on(&any));
    }
    let is_new = |name: &str| match (held.resource(0), &*held.scope) {
        // In some namespace it is.
        (Some("roles"), "") => true,
        (Some("roles"), namespace) => world.snapshot.roles.get(namespace, name).is_none(),
        _ => world.snapshot.roles.get("", name).is_none(),
    };
    let named = held.names(1).into_iter().chain(held.names(2));
    for name in named.filter(|name| is_new(name)) {
        let on = [On::All, On::Name(name), On::Name(name)];
        if held.is_on(&on) {
            return link.edge(held.subject, to, held.condition_on(&on));
        }
    }
}
