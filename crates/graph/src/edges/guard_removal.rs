use bailiwick_rbac::{Names, Right};

use crate::build::{Held, Holding, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Take away what refuses or corrects objects before they are stored.
    ///
    /// Webhooks and admission policies are objects themselves: whoever deletes their configuration, changes it to match
    /// nothing, or takes away the binding of a policy is rid of them. The API server asks no webhook about webhook
    /// configurations, and no policy about policies, so that nothing stands in the way. What a guard kept out may be done from then on.
    ///
    /// A webhook has to be there for a step; policies are not read, and count as there since Kubernetes 1.30 (validating) and
    /// 1.36 (mutating). Objects that a policy takes parameters from are guards as well, and are of any kind: who may write those is not judged.
    /// Guards that the API server reads from files (Kubernetes 1.37) have no object and are out of reach.
    "guard-removal", "take away webhooks and admission policies", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every guard of the cluster", "delete on validating" => "get on validating",
    "ClusterRole r
       delete on validatingwebhookconfigurations of admissionregistration.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve
     ---
     {apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: guard},
      webhooks: [{name: pods.guard.example, sideEffects: None, admissionReviewVersions: [v1], clientConfig: {service: {namespace: shop, name: guard}}}]}"
}

const GROUP: &str = "admissionregistration.k8s.io";
const REMOVE: &[&str] = &["delete", "deletecollection", "patch", "update"];

static LEGS: &[Leg] = &[&[
    Right::cluster(GROUP, "validatingwebhookconfigurations", REMOVE),
    Right::cluster(GROUP, "mutatingwebhookconfigurations", REMOVE),
    Right::cluster(GROUP, "validatingadmissionpolicies", REMOVE),
    Right::cluster(GROUP, "validatingadmissionpolicybindings", REMOVE),
    Right::cluster(GROUP, "mutatingadmissionpolicies", REMOVE),
    Right::cluster(GROUP, "mutatingadmissionpolicybindings", REMOVE),
]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let is_there = |holding: &Holding<'_>| guards(holding, world);
    if let Some(condition) = held.condition_by(is_there) {
        link.edge(held.subject, Node::area(Area::Guards, &held.scope), condition);
    }
}

/// Whether there is a guard of the kind and name that the right is about.
fn guards(holding: &Holding<'_>, world: &World<'_>) -> bool {
    let since = |wanted: u16| world.minor().is_none_or(|minor| minor >= wanted);
    let webhooks = match holding.right.resource {
        "validatingwebhookconfigurations" => &world.snapshot.validating_webhooks,
        "mutatingwebhookconfigurations" => &world.snapshot.mutating_webhooks,
        resource if resource.starts_with("validating") => return since(30),
        _ => return since(36),
    };
    match holding.names {
        Names::All => webhooks.iter().next().is_some(),
        Names::Only(names) => names.iter().any(|name| webhooks.get("", name).is_some()),
    }
}
