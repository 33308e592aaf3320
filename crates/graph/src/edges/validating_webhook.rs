
use bailiwick_rbac::Right;

use crate::build::{Held, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Have every write sent to a server of one's own.
    ///
    /// A ValidatingWebhookConfiguration makes the API server send objects to a URL before it stores them: Secrets with their
    /// contents among them. The server can refuse what it likes, but change nothing. It sees what is written from then on.
    /// Who may only change configurations needs one that is there.
    "validating-webhook", "see and refuse what others write by a webhook", effort 3, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every request of the cluster", "validatingwebhookconfigurations" => "validatingwebhooks",
    "ClusterRole r
       create on validatingwebhookconfigurations of admissionregistration.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

static LEGS: &[Leg] = &[&[Right::cluster(
    "admissionregistration.k8s.io",
    "validatingwebhookconfigurations",
    &["create", "patch", "update"],
)]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let there = || world.snapshot.validating_webhooks.iter().map(|own| &own.metadata.name);
    if let Some(condition) = held.condition_by(|holding| holding.writes(there())) {
        link.edge(held.subject, Node::area(Area::Requests, &held.scope), condition);
    }
}
