use bailiwick_core::names::RBAC_GROUP;
use bailiwick_core::{ObjectRef, Str};
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::condition::Condition;
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Bind a role that one does not have.
    ///
    /// The API server lets nobody give away rights that he does not have, unless he holds `bind` on the role: then a binding
    /// with that role and any subject may be created. It takes two rights, from one binding or from several: `bind` on
    /// `clusterroles` or `roles`, with names or without, and `create` on `rolebindings` or `clusterrolebindings`. `bind` is
    /// asked for in the namespace of the new binding, so one that a RoleBinding gives counts there; a ClusterRoleBinding needs
    /// both rights in the whole cluster. The role has to exist.
    ///
    /// Whoever may bind any role takes the one that allows everything, where there is one; the others need no step of their own.
    /// Where a step takes several rights, those of the new role count together with those that one has.
    /// Closed by naming the roles in the rule with `bind`, and by checking what they give.
    "bind", "bind a role to oneself", effort 1, Versions::ALL,
    &[
        Rule::Rights { legs: CLUSTER, link: link_cluster },
        Rule::Rights { legs: NAMESPACE, link: link_namespace },
        Rule::Rights { legs: ROLES, link: link_roles },
    ],
    "user eve" => "the rights of ClusterRole deploy in namespace shop", "bind on" => "get on",
    "Role shop/r
       bind on clusterroles of rbac.authorization.k8s.io named deploy
       create on rolebindings of rbac.authorization.k8s.io
     RoleBinding shop/r gives Role/r to user:eve
     ClusterRole deploy
       create on pods of ''"
}

const BIND: &[&str] = &["bind"];
const CREATE: &[&str] = &["create"];

pub(super) static CLUSTER: &[Leg] = &[
    &[Right::cluster(RBAC_GROUP, "clusterroles", BIND)],
    &[Right::cluster(RBAC_GROUP, "clusterrolebindings", CREATE)],
];
pub(super) static NAMESPACE: &[Leg] = &[
    &[Right::new(RBAC_GROUP, "clusterroles", BIND)],
    &[Right::new(RBAC_GROUP, "rolebindings", CREATE)],
];
pub(super) static ROLES: &[Leg] = &[
    &[Right::new(RBAC_GROUP, "roles", BIND)],
    &[Right::new(RBAC_GROUP, "rolebindings", CREATE)],
];

fn link_cluster(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    for (role, condition) in cluster_roles(held, world) {
        let namespace = Str::default();
        link.edge(held.subject, Node::Role { role, namespace }, condition);
    }
}

fn link_namespace(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if let (true, true, Some(_)) =
        (held.scope.is_empty(), held.on_all(), world.role_of_everything())
    {
        let every = Node::area(Area::Namespace, &held.scope);
        return link.edge(held.subject, every, held.condition(None));
    }
    for (role, condition) in cluster_roles(held, world) {
        for namespace in world.namespaces_in(&held.scope) {
            let node = Node::Role { role: role.clone(), namespace };
            link.edge(held.subject, node, condition.clone());
        }
    }
}

fn link_roles(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    for (role, condition) in roles(held, world) {
        let namespace = role.namespace.clone();
        link.edge(held.subject, Node::Role { role, namespace }, condition);
    }
}

/// What somebody may bind who holds the legs of one of the rules.
pub(super) fn bindable(held: &Held<'_>, world: &World<'_>) -> Vec<(ObjectRef, Condition)> {
    match held.resource(0) {
        Some("roles") => roles(held, world),
        _ => cluster_roles(held, world),
    }
}

/// The Roles that can be bound.
fn roles(held: &Held<'_>, world: &World<'_>) -> Vec<(ObjectRef, Condition)> {
    let mut roles = Vec::new();
    for namespace in world.namespaces_in(&held.scope) {
        for role in world.snapshot.roles.in_namespace(&namespace) {
            let name = [On::Name(&role.metadata.name)];
            if held.is_on(&name) {
                roles.push((role.object_ref(), held.condition_on(&name)));
            }
        }
    }
    roles
}

/// The ClusterRoles that can be bound: those that are named and, where any can be, the one that allows everything.
fn cluster_roles(held: &Held<'_>, world: &World<'_>) -> Vec<(ObjectRef, Condition)> {
    let mut roles = Vec::new();
    let everything = world.role_of_everything().filter(|_| held.on_all());
    if let Some(role) = everything {
        roles.push((role.object_ref(), held.condition(None)));
    }
    for role in world.snapshot.roles.in_namespace("") {
        let name = &role.metadata.name;
        let named = held.names(0).contains(name);
        if named || (held.on_all() && everything.is_none()) {
            roles.push((role.object_ref(), held.condition(Some(name))));
        }
    }
    roles
}
