
use bailiwick_rbac::Right;

use crate::build::{Held, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::secrets_in_reach;

edge! {
    /// Read Secrets with rights that do not sound like reading.
    ///
    /// The API server answers writes with the object, contents included: `patch` with the empty patch `{}` changes nothing and
    /// shows the Secret; `delete` with `propagationPolicy` Foreground or Orphan shows it, where a plain delete answers with a
    /// status; `deletecollection` shows all that it deletes. Each of them does so with `dryRun=All` as well, and then nothing
    /// is deleted. `update` alone does not: it takes the new contents and answers with those.
    ///
    /// Other kinds are shown by writes as well: `patch` of the status of whatever has one, `delete` of pods, Services, service accounts
    /// and others. Nothing is gained by that here, since no step comes of reading them.
    ///
    /// A rule with names shows the Secrets of these names, but gives nothing to `deletecollection`, which names no object.
    /// Closed by taking these verbs away; whoever may patch or delete a Secret has to count as one who reads it.
    "secrets-echo", "have Secrets shown by a write", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "Secret shop/key", "delete" => "update",
    "Role shop/r
       delete on secrets of '' named key
     RoleBinding shop/r gives Role/r to user:eve
     ---
     {apiVersion: v1, kind: Secret, metadata: {namespace: shop, name: key}}"
}

static LEGS: &[Leg] =
    &[&[Right::new("", "secrets", &["patch", "delete", "deletecollection"])]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    secrets_in_reach(held, world, link);
}
