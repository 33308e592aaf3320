use bailiwick_core::names;

use crate::build::{Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::node::Node;

edge! {
    /// Ask without saying who one is.
    ///
    /// A request without credentials is the user `system:anonymous` in the group `system:unauthenticated`, unless the API server
    /// refuses such requests (`--anonymous-auth=false`, or an authentication configuration that allows them on some paths alone).
    /// What is bound to either is open to everybody who reaches the API server. Kubernetes itself binds the group to the role of
    /// version and health; anything beyond that should go.
    "anonymous", "send requests without credentials", effort 0, Versions::ALL,
    &[Rule::Objects(link)],
    "anybody" => "group system:unauthenticated", "group:system:unauthenticated" => "group:system:authenticated",
    "Role shop/r
       get on pods of ''
     RoleBinding shop/r gives Role/r to group:system:unauthenticated"
}

fn link(world: &World<'_>, link: &mut Link<'_>) {
    let user = Node::User { name: names::ANONYMOUS.into() };
    for node in [user, Node::group(names::UNAUTHENTICATED)] {
        if world.is_bound(&node) {
            link.always(&Node::Outside, node);
        }
    }
}
