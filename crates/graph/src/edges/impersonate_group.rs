use bailiwick_core::names;
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Send requests as a member of a group.
    ///
    /// `impersonate` on `groups` lets the request header `Impersonate-Group` name groups, `system:masters` included, but
    /// only of a request that also names a user: whoever cannot impersonate any user or service account gets 400. So
    /// two rights have to come together, from one binding or from several. With the group `system:nodes` and the user name of a node
    /// one is that node: the Node authorizer wants both.
    "impersonate-group", "act as a member of a group", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }, Rule::Rights { legs: NODES, link: link_nodes }],
    "user eve" => "group system:masters", "users" => "nodes",
    "ClusterRole r
       impersonate on groups of '' named system:masters
       impersonate on users of '' named amy
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

static LEGS: &[Leg] = &[
    &[Right::cluster("", "groups", &["impersonate"])],
    &[
        Right::cluster("", "users", &["impersonate"]),
        Right::new("", "serviceaccounts", &["impersonate"]),
    ],
];

static NODES: &[Leg] = &[
    &[Right::cluster("", "groups", &["impersonate"])],
    &[Right::cluster("", "users", &["impersonate"])],
];

/// Where any group may be named there is no need to be a node.
fn link_nodes(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    if !held.names(0).iter().any(|name| ***name == *names::NODES) {
        return;
    }
    let group = On::Name(names::NODES);
    if held.is_on(&[group, On::All]) {
        let every = Node::area(Area::NodeUsers, &Default::default());
        link.edge(held.subject, every, held.condition_on(&[group, On::All]));
    }
    for name in held.names(1) {
        if name.starts_with(names::NODE_USER_PREFIX) {
            let on = [group, On::Name(name)];
            link.edge(held.subject, Node::User { name: name.clone() }, held.condition_on(&on));
        }
    }
}

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    if held.on_all() {
        let every = Node::area(Area::Groups, &Default::default());
        link.edge(held.subject, every, held.condition(None));
        link.edge(held.subject, Node::group(names::MASTERS), held.condition(None));
    }
    for name in held.names(0) {
        link.edge(held.subject, Node::group(name), held.condition(Some(name)));
    }
}
