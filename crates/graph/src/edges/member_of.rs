use std::collections::BTreeSet;

use bailiwick_core::names;

use crate::build::{Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::node_user;
use crate::node::Node;

edge! {
    /// Members have what their groups have.
    ///
    /// The API server puts every service account into `system:serviceaccounts`, `system:serviceaccounts:NAMESPACE` and
    /// `system:authenticated`, and every user into `system:authenticated`; anonymous requests are in
    /// `system:unauthenticated`. Groups of people come with their login and are known from a memberships file alone.
    "member-of", "act as a member of the group", effort 0, Versions::ALL, &[Rule::Objects(link)],
    "service account shop/web" => "group system:serviceaccounts:shop", "serviceaccounts:shop" => "serviceaccounts:pay",
    "Role shop/r
       get on pods of ''
     RoleBinding shop/r gives Role/r to group:system:serviceaccounts:shop
     ---
     {apiVersion: v1, kind: ServiceAccount, metadata: {namespace: shop, name: web}}"
}

fn link(world: &World<'_>, link: &mut Link<'_>) {
    let accounts = world.accounts();
    let mut members: BTreeSet<Node> =
        accounts.map(|(namespace, name)| Node::service_account(namespace, name)).collect();
    members.extend(world.subjects().cloned());
    members.extend(world.users_with_groups());
    members.insert(Node::User { name: names::ANONYMOUS.into() });
    let nodes = world.snapshot.nodes.iter();
    members.extend(nodes.filter_map(|node| node_user(&node.metadata.name)));
    for member in members {
        for group in world.groups_of(&member) {
            let group = Node::Group { name: group };
            if !world.bindings_of(&group).is_empty() || group.is_masters() {
                link.always(&member, group);
            }
        }
    }
}
