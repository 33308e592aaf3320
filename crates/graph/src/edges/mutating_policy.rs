
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Have every pod that is created changed by a policy.
    ///
    /// A MutatingAdmissionPolicy with its binding does what a mutating webhook does, without any server: an expression in the
    /// policy changes the objects before they are stored. It takes the right to create policies and their bindings, or to change those
    /// that are there. Generally available, and on, since Kubernetes 1.36. Servers of 1.34 and 1.35 have them as `v1beta1`
    /// where somebody turns that on: there the step takes a policy or a binding in the input, which shows that it is.
    "mutating-policy", "change what others create by a policy", effort 2, Versions::since(34),
    &[Rule::Own { legs: LEGS, link }],
    "user eve" => "new pods of the cluster", "mutatingadmissionpolicybindings" => "validatingadmissionpolicybindings",
    "ClusterRole r
       create on mutatingadmissionpolicies,mutatingadmissionpolicybindings of admissionregistration.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve
     ---
     {apiVersion: admissionregistration.k8s.io/v1, kind: MutatingAdmissionPolicyBinding, metadata: {name: defaults},
      spec: {policyName: defaults}}"
}

const GROUP: &str = "admissionregistration.k8s.io";
const WRITE: &[&str] = &["create", "patch", "update"];

static LEGS: &[Leg] = &[
    &[Right::cluster(GROUP, "mutatingadmissionpolicies", WRITE)],
    &[Right::cluster(GROUP, "mutatingadmissionpolicybindings", WRITE)],
];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if !world.fact("mutating-policies", is_served) {
        return;
    }
    let snapshot = &world.snapshot;
    let policies = || snapshot.mutating_policies.iter().map(|own| &own.metadata.name);
    let bindings = || snapshot.mutating_policy_bindings.iter().map(|own| &own.metadata.name);
    let held = held.only(|holding| match holding.right.resource {
        "mutatingadmissionpolicies" => holding.writes(policies()),
        _ => holding.writes(bindings()),
    });
    if let Some(held) = held {
        let to = Node::area(Area::NewPods, &held.scope);
        link.edge(held.subject, to, held.condition_on(&[On::Any]));
    }
}

/// Whether the API server has such policies.
fn is_served(world: &World<'_>) -> bool {
    let snapshot = &world.snapshot;
    snapshot.cluster().minor.is_none_or(|minor| minor >= 36)
        || snapshot.mutating_policies.iter().next().is_some()
        || snapshot.mutating_policy_bindings.iter().next().is_some()
}
