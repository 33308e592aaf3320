use crate::build::{Held, Link, World};
use crate::edge::{Leg, Reach, Rule, Versions, edge};
use crate::edges::service_accounts_in_reach;
use crate::right::Right;

edge! {
    /// Send requests as a service account.
    ///
    /// `impersonate` on `serviceaccounts` lets the request header `Impersonate-User` name a service account. The
    /// request then has all of its rights, those of its groups included. RoleBindings count, and so do names.
    "impersonate-service-account", "act as a service account", effort 1, Versions::ALL,
    Rule::Rights { legs: LEGS, link }
}

static LEGS: &[Leg] = &[Leg {
    rights: &[Right::new("", "serviceaccounts", &["impersonate"])],
    reach: Reach::Namespace,
    by_name: true,
}];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    service_accounts_in_reach(held, world, link);
}
