
use bailiwick_rbac::Right;

use crate::build::{Held, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Have every pod that is created changed by a server of one's own.
    ///
    /// A MutatingWebhookConfiguration makes the API server send objects to a URL before it stores them, and store what comes back.
    /// Whoever creates or changes one can give every new pod another image, service account or volume, in every namespace, those of
    /// the control plane included, and sees what others write, Secrets among it. Who may only change them needs one that is there. It takes a server that the API server reaches and some waiting for pods to be created. Webhooks are
    /// not asked about webhook configurations themselves.
    "mutating-webhook", "change what others create by a webhook", effort 3, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "new pods of the cluster", "mutatingwebhookconfigurations" => "mutatingwebhooks",
    "ClusterRole r
       create on mutatingwebhookconfigurations of admissionregistration.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

static LEGS: &[Leg] = &[&[Right::cluster(
    "admissionregistration.k8s.io",
    "mutatingwebhookconfigurations",
    &["create", "patch", "update"],
)]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let there = || world.snapshot.mutating_webhooks.iter().map(|own| &own.metadata.name);
    let Some(condition) = held.condition_by(|holding| holding.writes(there())) else {
        return;
    };
    for area in [Area::NewPods, Area::Requests] {
        let to = Node::area(area, &held.scope);
        link.edge(held.subject, to, condition.clone());
    }
}
