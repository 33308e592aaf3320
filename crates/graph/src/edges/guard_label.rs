use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Label a namespace so that webhooks and admission policies leave it alone.
    ///
    /// Many webhooks, policies and bindings of policies have a `namespaceSelector`: labels of the namespace decide whether they are asked at all. Whoever may `update` or `patch`
    /// the namespace decides that, and by a RoleBinding in the namespace, too, for a request for a namespace counts as one inside it. The
    /// label `kubernetes.io/metadata.name` is the exception: the API server sets it to the name whatever anybody writes, so that a selector by
    /// it alone is safe.
    "guard-label", "have guards leave a namespace alone", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every guard of the cluster", "key: guarded" => "key: kubernetes.io/metadata.name",
    "Role shop/r
       patch on namespaces of ''
     RoleBinding shop/r gives Role/r to user:eve
     ---
     {apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: guard},
      webhooks: [{name: pods.guard.example, sideEffects: None, admissionReviewVersions: [v1], failurePolicy: Fail, timeoutSeconds: 1,
        namespaceSelector: {matchExpressions: [{key: guarded, operator: NotIn, values: ['no']}]},
        rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}],
        clientConfig: {service: {namespace: argo, name: none}}}]}"
}

static LEGS: &[Leg] = &[&[Right::new("", "namespaces", &["patch", "update"])]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let of_scope = match &*held.scope {
        "" => On::Any,
        namespace => On::Name(namespace),
    };
    if held.is_on(&[of_scope]) && world.fact("guards by namespace", has_selector) {
        let guards = Node::area(Area::Guards, &Default::default());
        link.edge(held.subject, guards, held.condition_on(&[of_scope]));
    }
}

fn has_selector(world: &World<'_>) -> bool {
    let snapshot = &world.snapshot;
    let all = snapshot.validating_webhooks.iter().chain(snapshot.mutating_webhooks.iter());
    let mut webhooks = all.flat_map(|configuration| &configuration.webhooks);
    let policies = world.policies_in_force().into_iter();
    let mut policies = policies.map(|(policy, binding)| [&policy.matches, &binding.matches]);
    webhooks.any(|webhook| webhook.matches.by_namespace())
        || policies.any(|of| of.iter().any(|matches| matches.by_namespace()))
}
