use crate::build::{Held, Link, World};
use crate::edge::{Leg, Reach, Rule, Versions, edge};
use crate::node::{Area, Node};
use crate::right::Right;

edge! {
    /// Send requests as a user.
    ///
    /// `impersonate` on `users` lets the request header `Impersonate-User` name a user. The request has the rights of
    /// that user name and of `system:authenticated`, but of no other group: those take the right to impersonate groups.
    /// Users are in no namespace, so a RoleBinding does not give this right. A service account's user name takes the
    /// right on `serviceaccounts`.
    "impersonate-user", "act as a user", effort 1, Versions::ALL, Rule::Rights { legs: LEGS, link }
}

static LEGS: &[Leg] = &[Leg {
    rights: &[Right::new("", "users", &["impersonate"])],
    reach: Reach::Cluster,
    by_name: true,
}];

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    if held.on_all() {
        link.edge(held.subject, Node::area(Area::Users, &held.scope), held.condition(None));
    }
    for name in held.names() {
        let node = Node::of(&bailiwick_core::Subject::User { name: name.to_string() });
        if matches!(node, Node::User { .. }) {
            link.edge(held.subject, node, held.condition(Some(name)));
        }
    }
}
