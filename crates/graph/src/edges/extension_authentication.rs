use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Be anybody at the servers that extend the API.
    ///
    /// Servers behind an APIService read from the ConfigMap `extension-apiserver-authentication` of `kube-system` which authorities sign
    /// the certificates of users, and of the API server that passes requests on in somebody's name. The API server adds its own to
    /// what it finds there and takes nothing away. Whoever may change it adds one of his own, and is anybody to those servers whom he can connect to;
    /// the API server itself does not read it. What they hold is theirs, so the step leads no further.
    ///
    /// There where a service account is bound to the role that reads it.
    "extension-authentication", "be anybody at the servers that extend the API", effort 3, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every identity at servers that extend the API of the cluster", "patch on configmaps" => "get on configmaps",
    "Role kube-system/r
       patch on configmaps of '' named extension-apiserver-authentication
     RoleBinding kube-system/r gives Role/r to user:eve
     RoleBinding kube-system/metrics gives Role/extension-apiserver-authentication-reader to sa:kube-system/metrics"
}

const READER: &str = "extension-apiserver-authentication-reader";

static LEGS: &[Leg] = &[&[Right::new("", "configmaps", &["patch", "update"])]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let inside = matches!(&*held.scope, "" | "kube-system");
    let on = [On::Name("extension-apiserver-authentication")];
    if inside && held.is_on(&on) && world.fact("extension servers", has_readers) {
        let to = Node::area(Area::Extensions, &Default::default());
        link.edge(held.subject, to, held.condition_on(&on));
    }
}

fn has_readers(world: &World<'_>) -> bool {
    world.snapshot.bindings.in_namespace("kube-system").any(|binding| {
        let mut subjects = binding.subjects.iter();
        &*binding.role_ref.name == READER
            && subjects.any(|subject| &*subject.kind == "ServiceAccount")
    })
}
