use bailiwick_core::names;

use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::node_user;
use crate::node::Node;

edge! {
    /// Members have what their groups have.
    ///
    /// The API server puts every service account into `system:serviceaccounts`, `system:serviceaccounts:NAMESPACE` and
    /// `system:authenticated`, and every user into `system:authenticated`; anonymous requests are in
    /// `system:unauthenticated`. Groups of people come with their login and are known from a memberships file alone.
    "member-of", "act as a member of the group", effort 0, Versions::ALL, &[Rule::Each(link), Rule::Objects(link_others)],
    "service account shop/web" => "group system:serviceaccounts:shop", "serviceaccounts:shop" => "serviceaccounts:pay",
    "Role shop/r
       get on pods of ''
     RoleBinding shop/r gives Role/r to group:system:serviceaccounts:shop
     ---
     {apiVersion: v1, kind: ServiceAccount, metadata: {namespace: shop, name: web}}"
}

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let member = match *item {
        Item::Account(namespace, name) => Some(Node::service_account(namespace, name)),
        Item::Subject(node) => Some(node.clone()),
        Item::Machine(name) if world.snapshot.nodes.get("", name).is_some() => node_user(name),
        _ => None,
    };
    link_members(member, world, link);
}

/// Those whom nothing in the cluster speaks of.
fn link_others(world: &World<'_>, link: &mut Link<'_>) {
    let anonymous = Node::User { name: names::ANONYMOUS.into() };
    link_members(world.users_with_groups().chain([anonymous]), world, link);
}

fn link_members(
    members: impl IntoIterator<Item = Node>,
    world: &World<'_>,
    link: &mut Link<'_>,
) {
    for member in members {
        for group in world.groups_of(&member) {
            let group = Node::Group { name: group };
            if group.is_masters() || world.is_bound(&group) {
                link.always(&member, group);
            }
        }
    }
}
