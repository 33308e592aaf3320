use bailiwick_rbac::Right;

use crate::build::{Held, Holding, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Cut a webhook off that lets everything pass where it does not answer.
    ///
    /// The API server finds most webhooks by a Service. Whoever deletes or changes the Service, or where its connections end,
    /// makes the webhook fall silent, and with `failurePolicy: Ignore` silence is consent. With `Fail`, the default, nothing gets past
    /// it any more instead: no step, though nobody can work.
    "guard-service", "cut a webhook off", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every guard of the cluster", "failurePolicy: Ignore" => "failurePolicy: Fail",
    "Role shop/r
       delete on services of '' named guard
     RoleBinding shop/r gives Role/r to user:eve
     ---
     {apiVersion: v1, kind: Service, metadata: {namespace: shop, name: guard}, spec: {ports: [{port: 443}]}}
     {apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: guard},
      webhooks: [{name: pods.guard.example, sideEffects: None, admissionReviewVersions: [v1], failurePolicy: Ignore,
        rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}],
        clientConfig: {service: {namespace: shop, name: guard}}}]}"
}

const CHANGE: &[&str] = &["delete", "deletecollection", "patch", "update"];

static LEGS: &[Leg] = &[&[
    Right::new("", "services", CHANGE),
    Right::new("", "endpoints", CHANGE),
    Right::new("discovery.k8s.io", "endpointslices", CHANGE),
]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let snapshot = &world.snapshot;
    let all = snapshot.validating_webhooks.iter().chain(snapshot.mutating_webhooks.iter());
    let open = all.flat_map(|configuration| &configuration.webhooks).filter(|webhook| {
        let inside = held.scope.is_empty() || held.scope == webhook.service_namespace;
        webhook.fails_open && inside && !webhook.service_name.is_empty()
    });
    for webhook in open {
        // Slices have names of their own.
        let is_on = |holding: &Holding<'_>| {
            holding.right.resource == "endpointslices"
                || holding.is_on(On::Name(&webhook.service_name))
        };
        if let Some(condition) = held.condition_by(is_on) {
            let guards = Node::area(Area::Guards, &Default::default());
            link.edge(held.subject, guards, condition);
            return;
        }
    }
}
