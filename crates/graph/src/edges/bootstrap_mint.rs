use bailiwick_core::Str;
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::bootstrap_token;

edge! {
    /// Create a Secret that is a bootstrap token.
    ///
    /// A Secret in `kube-system` called `bootstrap-token-ID`, of type `bootstrap.kubernetes.io/token`, is a credential as soon as it
    /// is there, with contents that the creator chose, its groups included: `system:bootstrappers` and any below it. Nothing has
    /// to be read back. `update` or `patch` of one that is there gives it such contents, too. Groups that nobody has bound give nothing. It takes an API server that accepts such tokens
    /// (`--enable-bootstrap-token-auth`), as kubeadm sets it up.
    "bootstrap-mint", "make a bootstrap token", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }, Rule::Rights { legs: CHANGE, link: link_change }],
    "user eve" => "group system:bootstrappers:join", "create on secrets" => "update on secrets",
    "Role kube-system/r
       create on secrets of ''
     RoleBinding kube-system/r gives Role/r to user:eve
     ClusterRole join
       create on certificatesigningrequests of certificates.k8s.io
     ClusterRoleBinding join gives ClusterRole/join to group:system:bootstrappers:join"
}

static LEGS: &[Leg] = &[&[Right::new("", "secrets", &["create"])]];

static CHANGE: &[Leg] = &[&[Right::new("", "secrets", &["patch", "update"])]];

fn link_change(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if !matches!(&*held.scope, "" | "kube-system") {
        return;
    }
    for secret in bootstrap_token::all(world) {
        let on = [On::Name(&secret.metadata.name)];
        if held.is_on(&on) {
            for group in world.bootstrap_groups() {
                link.edge(held.subject, group, held.condition_on(&on));
            }
            return;
        }
    }
}

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if !matches!(&*held.scope, "" | "kube-system") {
        return;
    }
    let fits = |name: &&&Str| name.starts_with("bootstrap-token-");
    let named = held.names(0).into_iter().find(|name| fits(&name));
    let on = match named {
        _ if held.on_all() => On::All,
        Some(name) => On::Name(name),
        None => return,
    };
    for group in world.bootstrap_groups() {
        link.edge(held.subject, group, held.condition_on(&[on]));
    }
}
