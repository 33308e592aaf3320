use bailiwick_rbac::Right;

use crate::build::{Held, Holding, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Take away what refuses or corrects objects before they are stored.
    ///
    /// Webhooks and admission policies are objects themselves: whoever deletes their configuration, changes it to match
    /// nothing, or takes away the binding of a policy is rid of them. The API server asks no webhook about any of these, and no policy about
    /// policies and their bindings; a policy about configurations of webhooks is asked. What a guard kept out may be done from then on.
    ///
    /// There has to be a guard for a step: a configuration with a webhook, or a policy and a binding that puts it in force. A policy without a binding, a
    /// binding without its policy, and one that only warns or writes to the audit log keep nothing out.
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
    let snapshot = &world.snapshot;
    let is_held = |name: &str| holding.is_on(On::Name(name));
    let webhooks = match holding.right.resource {
        "validatingwebhookconfigurations" => &snapshot.validating_webhooks,
        "mutatingwebhookconfigurations" => &snapshot.mutating_webhooks,
        resource => {
            let mutating = resource.starts_with("mutating");
            let by_binding = resource.ends_with("bindings");
            let in_force = world.policies_in_force().into_iter();
            let mut in_force = in_force.filter(|(policy, _)| policy.mutating == mutating);
            return in_force.any(|(policy, binding)| match by_binding {
                true => is_held(&binding.metadata.name),
                false => is_held(&policy.metadata.name),
            });
        }
    };
    webhooks.iter().any(|own| !own.webhooks.is_empty() && is_held(&own.metadata.name))
}
