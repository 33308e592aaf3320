
use bailiwick_rbac::Right;

use std::collections::BTreeSet;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Create a Secret for the token of any service account, and read it.
    ///
    /// The controller-manager puts a token without end of validity into every new Secret of type
    /// `kubernetes.io/service-account-token` that is annotated with the name of a service account of its namespace. Nobody asks
    /// whether the creator has anything to do with that account. So `create` on `secrets` together with any way to see the
    /// Secret afterwards (`get`, `list`, `watch`, or a `patch`, `delete` or `deletecollection` that shows it) in the same namespace is every service
    /// account there.
    ///
    /// The two rights may come from different bindings. Closed by taking away either.
    "secret-mint", "have a token put into a new Secret", effort 2, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every service account of namespace shop", "get" => "update",
    "Role shop/r
       create on secrets of ''
       get on secrets of ''
     RoleBinding shop/r gives Role/r to user:eve"
}

static LEGS: &[Leg] = &[MAKE, SEE];

/// To have one made.
pub(super) const MAKE: Leg = &[Right::new("", "secrets", &["create"])];
/// To see what is in it then.
pub(super) const SEE: Leg = &[Right::new("", "secrets", &["get", "list", "watch", "patch", "delete", "deletecollection"])];

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    let every = Node::area(Area::ServiceAccounts, &held.scope);
    if held.is_on(&[On::All, On::All]) {
        return link.edge(held.subject, every, held.condition_on(&[On::All, On::All]));
    }
    // The Secret that is made has to be one that can be read.
    let all = held.names(0).into_iter().chain(held.names(1));
    for name in all.collect::<BTreeSet<_>>() {
        let on = [On::Name(name), On::Name(name)];
        if held.is_on(&on) {
            link.edge(held.subject, every.clone(), held.condition_on(&on));
        }
    }
}
