use bailiwick_core::Kind;
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Put another past behind a StatefulSet.
    ///
    /// The pods of a StatefulSet that an update has not reached yet, or that a `partition` keeps from it, are made from what a
    /// ControllerRevision has stored of the template before. Its contents cannot be changed, but whoever may delete and create
    /// ControllerRevisions puts another one in its place under the same name, and when such a pod ends its successor has that image, service
    /// account and volumes. It takes no right on the StatefulSet or on pods, and an update that is under way.
    ///
    /// There where a StatefulSet is. DaemonSets read theirs only when a person rolls back.
    "controller-revision", "change the pods that a StatefulSet keeps from an update", effort 4, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "new pods of namespace shop", "create,delete on" => "create,get on",
    "Role shop/r
       create,delete on controllerrevisions of apps
     RoleBinding shop/r gives Role/r to user:eve
     ---
     {apiVersion: apps/v1, kind: StatefulSet, metadata: {namespace: shop, name: web},
      spec: {serviceName: web, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: web, image: web}]}}}}"
}

static LEGS: &[Leg] = &[
    &[Right::new("apps", "controllerrevisions", &["delete"])],
    &[Right::new("apps", "controllerrevisions", &["create"])],
];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let to = match &*held.scope {
        "" => Node::area(Area::Templates(Kind::StatefulSet), &held.scope),
        namespace if world.has(Kind::StatefulSet, namespace, None) => {
            Node::area(Area::NewPods, &held.scope)
        }
        _ => return,
    };
    link.edge(held.subject, to, held.condition_on(&[On::Any]));
}
