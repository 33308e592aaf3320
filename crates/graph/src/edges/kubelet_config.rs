use bailiwick_core::{Kind, ObjectRef};
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Write what the next upgrade makes of kubelets.
    ///
    /// `kubeadm upgrade node` and `kubeadm join` read the kubelet's configuration from the ConfigMap `kubelet-config` of `kube-system`:
    /// anonymous access, the authority of its clients, the directory of static pods. Whoever may change it opens every node that is
    /// upgraded or joins after that. It takes somebody who does, so it is hard.
    ///
    /// There where kubeadm has set the cluster up: it leaves the Role `kubeadm:kubelet-config`.
    "kubelet-config", "write what the next upgrade makes of kubelets", effort 5, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every node of the cluster", "patch on configmaps" => "get on configmaps",
    "Role kube-system/r
       patch on configmaps of '' named kubelet-config
     RoleBinding kube-system/r gives Role/r to user:eve
     Role kube-system/kubeadm:kubelet-config
       get on secrets of '' named none"
}

static LEGS: &[Leg] = &[&[Right::new("", "configmaps", &["patch", "update"])]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let inside = matches!(&*held.scope, "" | "kube-system");
    let on = [On::Name("kubelet-config")];
    let mark = ObjectRef::new(Kind::Role, "kube-system", "kubeadm:kubelet-config");
    if inside && held.is_on(&on) && world.role(&mark).is_some() {
        let machines = Node::area(Area::Machines, &Default::default());
        link.edge(held.subject, machines, held.condition_on(&on));
    }
}
