use bailiwick_core::Kind;

use crate::build::{Held, Holding, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};
use crate::right::{Names, Right};

edge! {
    /// Change the template from which a controller makes pods.
    ///
    /// `update` or `patch` of a Deployment, DaemonSet, StatefulSet, ReplicaSet, ReplicationController or CronJob changes
    /// everything about the pods to come: image, service account, volumes. That is as good as creating pods, and takes no right
    /// on pods. A Job's template cannot be changed. A rule with names reaches the objects of these names; where there is no
    /// object to change there is no step.
    "template-change", "change the pods that an object makes", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "new pods of namespace shop", "patch" => "get",
    "Role shop/r
       patch on deployments of apps named web
     RoleBinding shop/r gives Role/r to user:eve
     ---
     {apiVersion: apps/v1, kind: Deployment, metadata: {namespace: shop, name: web},
      spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: web, image: web}]}}}}"
}

const WRITE: &[&str] = &["patch", "update"];

static LEGS: &[Leg] = &[&[
    Right::new("", "replicationcontrollers", WRITE),
    Right::new("apps", "daemonsets", WRITE),
    Right::new("apps", "deployments", WRITE),
    Right::new("apps", "replicasets", WRITE),
    Right::new("apps", "statefulsets", WRITE),
    Right::new("batch", "cronjobs", WRITE),
]];

const KINDS: [Kind; 6] = [
    Kind::ReplicationController,
    Kind::DaemonSet,
    Kind::Deployment,
    Kind::ReplicaSet,
    Kind::StatefulSet,
    Kind::CronJob,
];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    for namespace in world.namespaces_in(&held.scope) {
        let reaches = |holding: &Holding<'_>| reaches(holding, world, &namespace);
        if let Some(condition) = held.condition_by(reaches) {
            link.edge(held.subject, Node::area(Area::NewPods, &namespace), condition);
        }
    }
}

/// Whether there is an object that can be changed.
fn reaches(holding: &Holding<'_>, world: &World<'_>, namespace: &str) -> bool {
    let kind = KINDS.into_iter().find(|kind| kind.resource() == holding.right.resource);
    kind.is_some_and(|kind| match holding.names {
        Names::All => world.has(kind, namespace, None),
        Names::Only(names) => names.iter().any(|name| world.has(kind, namespace, Some(name))),
    })
}
