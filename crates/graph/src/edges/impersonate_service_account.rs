
use bailiwick_rbac::Right;

use crate::build::{Held, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::{dangling_account, service_accounts_in_reach};

edge! {
    /// Send requests as a service account.
    ///
    /// `impersonate` on `serviceaccounts` lets the request header `Impersonate-User` name a service account. The
    /// request then has all of its rights, those of its groups included. RoleBindings count, and so do names. Nobody
    /// asks whether the service account exists: one that a binding names in vain has what the binding gives.
    "impersonate-service-account", "act as a service account", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "service account shop/web", "named web" => "named app",
    "Role shop/r
       impersonate on serviceaccounts of '' named web
     RoleBinding shop/r gives Role/r to user:eve
     ---
     {apiVersion: v1, kind: ServiceAccount, metadata: {namespace: shop, name: web}}"
}

static LEGS: &[Leg] = &[&[Right::new("", "serviceaccounts", &["impersonate"])]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    service_accounts_in_reach(held, world, link);
    // A name is all that is asked for.
    dangling_account::link_missing(held, world, link);
}
