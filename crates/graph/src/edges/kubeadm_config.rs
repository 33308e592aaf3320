use bailiwick_core::{Kind, ObjectRef};
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::Node;

edge! {
    /// Write what the next upgrade makes of the control plane.
    ///
    /// `kubeadm upgrade`, and `kubeadm join` of a further control-plane node, read the flags, volumes and images of the API server from the
    /// ConfigMap `kubeadm-config` of `kube-system`. Whoever may change it has the next one start an API server that takes his tokens, or runs
    /// his image on the node. It takes a person who upgrades, so it is hard.
    ///
    /// There where kubeadm has set the cluster up: it leaves the Role `kubeadm:nodes-kubeadm-config`.
    "kubeadm-config", "write what the next upgrade makes of the control plane", effort 5, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "full control of the cluster", "patch on configmaps" => "get on configmaps",
    "Role kube-system/r
       patch on configmaps of '' named kubeadm-config
     RoleBinding kube-system/r gives Role/r to user:eve
     Role kube-system/kubeadm:nodes-kubeadm-config
       get on secrets of '' named none"
}

static LEGS: &[Leg] = &[&[Right::new("", "configmaps", &["patch", "update"])]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let inside = matches!(&*held.scope, "" | "kube-system");
    let on = [On::Name("kubeadm-config")];
    let mark = ObjectRef::new(Kind::Role, "kube-system", "kubeadm:nodes-kubeadm-config");
    if inside && held.is_on(&on) && world.role(&mark).is_some() {
        link.edge(held.subject, Node::Cluster, held.condition_on(&on));
    }
}
