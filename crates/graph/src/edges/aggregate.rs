use bailiwick_core::names::RBAC_GROUP;
use bailiwick_model::{LabelSelector, Role};
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::everything_in;

edge! {
    /// Write rights into a ClusterRole that flows into another.
    ///
    /// A ClusterRole with an aggregation rule holds what all ClusterRoles hold whose labels it selects; a controller with the
    /// right to escalate copies the rules, in seconds. So `escalate` and `update` or `patch` on one of the parts, such as a
    /// custom role labelled `rbac.authorization.k8s.io/aggregate-to-view`, give every right to everybody who is bound to the
    /// whole. Roles can flow into each other over several steps.
    ///
    /// Nor does it take a part that is there: with `create` and `escalate` on ClusterRoles, the latter without names, one adds a part
    /// with the label and every right. Labelling a role of one's own is no such way: the API server checks all rules of the role at any change of it.
    "aggregate", "add rights to a part of a role that one has", effort 2, Versions::ALL,
    &[Rule::Roles { legs: LEGS, link }, Rule::Roles { legs: NEW, link: link_new }],
    "user eve" => "full control of the cluster", "named part" => "named other",
    "ClusterRole r
       escalate,patch on clusterroles of rbac.authorization.k8s.io named part
     ClusterRoleBinding r gives ClusterRole/r to user:eve
     ClusterRole part labels team=shop
       get on pods of ''
     ClusterRole whole aggregates team=shop
       get on pods of ''
     ClusterRoleBinding whole gives ClusterRole/whole to user:eve"
}

static LEGS: &[Leg] = &[
    &[Right::cluster(RBAC_GROUP, "clusterroles", &["escalate"])],
    &[Right::cluster(RBAC_GROUP, "clusterroles", &["patch", "update"])],
];

static NEW: &[Leg] = &[
    &[Right::cluster(RBAC_GROUP, "clusterroles", &["escalate"])],
    &[Right::cluster(RBAC_GROUP, "clusterroles", &["create"])],
];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    for bound in world.roles_of(held.subject) {
        let whole = [On::Name(&bound.role.name); 2];
        let Some(role) = world.role(&bound.role).filter(|_| !held.is_on(&whole)) else {
            continue;
        };
        for part in parts(role, world) {
            let on = [On::Name(&part.metadata.name); 2];
            if held.is_on(&on) && !held.is_left_to_group(&bound, &on) {
                let to = everything_in(&bound.namespace);
                link.edge_if(held.subject, to, held.condition_on(&on), bound.by.clone());
            }
        }
    }
}

/// By a part that is not there yet.
fn link_new(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let is_new = |name: &str| world.snapshot.roles.get("", name).is_none();
    let named = held.names(1).into_iter().filter(|name| is_new(name));
    let named = named.map(|name| [On::All, On::Name(name)]);
    let any = std::iter::once([On::All; 2]);
    let Some(on) = any.chain(named).find(|on| held.is_on(on)) else { return };
    for bound in world.roles_of(held.subject) {
        let role = world.role(&bound.role);
        let selects = role.is_some_and(|role| role.aggregation.as_ref().is_some_and(|own| !own.is_empty()));
        if selects && !held.is_left_to_group(&bound, &on) {
            let to = everything_in(&bound.namespace);
            link.edge_if(held.subject, to, held.condition_on(&on), bound.by);
        }
    }
}

/// The roles that flow into this one, directly or over others.
fn parts<'a>(whole: &'a Role, world: &World<'a>) -> Vec<&'a Role> {
    let mut parts = vec![whole];
    let mut next = 0;
    while let Some(role) = parts.get(next).copied() {
        next += 1;
        let selectors = role.aggregation.as_deref().unwrap_or_default();
        for other in world.snapshot.roles.in_namespace("") {
            let matches = |selector: &LabelSelector| selector.matches(&other.metadata) == Some(true);
            let is_new = !parts.iter().any(|part| std::ptr::eq(*part, other));
            if is_new && selectors.iter().any(matches) {
                parts.push(other);
            }
        }
    }
    parts.split_off(1)
}
