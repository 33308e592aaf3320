use bailiwick_core::Kind;
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Answer for any name in the cluster.
    ///
    /// CoreDNS reads what it answers from the ConfigMap `coredns` of `kube-system` and takes changes within a minute. Whoever may
    /// change it sends the connections of everybody to himself, by name. What travels there without TLS, he reads.
    ///
    /// There where a Deployment `coredns` runs in `kube-system`, as kubeadm and most others set it up.
    "dns", "answer for any name in the cluster", effort 2, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every connection of the cluster", "named coredns" => "named others",
    "Role kube-system/r
       patch on configmaps of '' named coredns
     RoleBinding kube-system/r gives Role/r to user:eve
     ---
     {apiVersion: apps/v1, kind: Deployment, metadata: {namespace: kube-system, name: coredns},
      spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: dns, image: dns}]}}}}"
}

static LEGS: &[Leg] = &[&[Right::new("", "configmaps", &["patch", "update"])]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let inside = matches!(&*held.scope, "" | "kube-system");
    let on = [On::Name("coredns")];
    if inside && held.is_on(&on) && world.has(Kind::Deployment, "kube-system", Some("coredns")) {
        let to = Node::area(Area::Traffic, &Default::default());
        link.edge(held.subject, to, held.condition_on(&on));
    }
}
