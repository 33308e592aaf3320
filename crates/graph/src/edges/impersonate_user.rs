
use bailiwick_rbac::Right;

use crate::build::{Held, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Send requests as a user.
    ///
    /// `impersonate` on `users` lets the request header `Impersonate-User` name a user. The request has the rights of
    /// that user name and of `system:authenticated`, but of no other group: those take the right to impersonate groups.
    /// Users are in no namespace, so a RoleBinding does not give this right. A service account's user name takes the
    /// right on `serviceaccounts`.
    "impersonate-user", "act as a user", effort 1, Versions::ALL, &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "user amy", "users" => "groups",
    "ClusterRole r
       impersonate on users of '' named amy
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

static LEGS: &[Leg] = &[&[Right::cluster("", "users", &["impersonate"])]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if held.on_all() {
        link.edge(held.subject, Node::area(Area::Users, &held.scope), held.condition(None));
    }
    for name in held.names(0) {
        let user = world.user_by_name(name);
        if !matches!(user, Node::ServiceAccount { .. }) {
            link.edge(held.subject, user, held.condition(Some(name)));
        }
    }
}
