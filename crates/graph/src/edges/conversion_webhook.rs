
use bailiwick_rbac::Right;

use crate::build::{Held, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Have custom resources sent to a server of one's own.
    ///
    /// A CustomResourceDefinition can name a webhook that converts objects between its versions. Whoever changes a definition that is
    /// there gives it one more version and a webhook of his own: the API server sends the stored objects there and takes what comes back
    /// for them, so that he reads and changes all custom resources of that kind, without any right on them. A definition that somebody
    /// creates has no objects but those that are made of it, so that creating gives no step.
    "conversion-webhook", "read and change custom resources by their conversion", effort 3, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every request of the cluster", "patch" => "get",
    "ClusterRole r
       patch on customresourcedefinitions of apiextensions.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve
     ---
     {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: widgets.shop.example},
      spec: {group: shop.example, scope: Namespaced, names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList},
       versions: [{name: v1, served: true, storage: true,
        schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}"
}

static LEGS: &[Leg] = &[&[Right::cluster(
    "apiextensions.k8s.io",
    "customresourcedefinitions",
    &["patch", "update"],
)]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let there = || world.snapshot.custom_resources.iter().map(|own| &own.metadata.name);
    if let Some(condition) = held.condition_by(|holding| holding.changes(there())) {
        link.edge(held.subject, Node::area(Area::Requests, &held.scope), condition);
    }
}
