
use bailiwick_rbac::Right;

use crate::build::{Held, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::service_accounts_in_reach;

edge! {
    /// Ask the API server for a token of a service account.
    ///
    /// `create` on `serviceaccounts/token` gives a token for any audience. Names count: a rule with names gives tokens
    /// of the service accounts of these names. A request with `dryRun=All` changes nothing and still answers with a
    /// token that works.
    "token-request", "get a token of a service account", effort 1, Versions::ALL, &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "service account shop/web", "serviceaccounts/token" => "serviceaccounts",
    "Role shop/r
       create on serviceaccounts/token of '' named web
     RoleBinding shop/r gives Role/r to user:eve
     ---
     {apiVersion: v1, kind: ServiceAccount, metadata: {namespace: shop, name: web}}"
}

static LEGS: &[Leg] = &[&[Right::new("", "serviceaccounts/token", &["create"])]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    service_accounts_in_reach(held, world, link);
}
