
use bailiwick_rbac::Right;

use crate::build::{Held, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::secrets_in_reach;

edge! {
    /// Read Secrets.
    ///
    /// `get`, `list` and `watch` all show the values. A rule with names shows the Secrets of these names, to `list` and
    /// `watch` with a field selector on the name. What that is worth depends on the Secret: a service account's token
    /// is the service account; others open databases, clouds and registries. What Secrets hold is not kept: a kubeconfig, or the
    /// key of an authority, in one of them is no step further.
    "read-secrets", "read Secrets", effort 1, Versions::ALL, &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "Secret shop/key", "named key" => "named tls",
    "Role shop/r
       list on secrets of '' named key
     RoleBinding shop/r gives Role/r to user:eve
     ---
     {apiVersion: v1, kind: Secret, metadata: {namespace: shop, name: key}}"
}

static LEGS: &[Leg] = &[&[Right::new("", "secrets", &["get", "list", "watch"])]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    secrets_in_reach(held, world, link);
}
