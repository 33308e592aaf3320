use bailiwick_core::Kind;
use bailiwick_rbac::{Names, Right};

use crate::build::{Held, Holding, Item, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Change the template from which a controller makes pods.
    ///
    /// `update` or `patch` of a Deployment, DaemonSet, StatefulSet, ReplicaSet, ReplicationController or CronJob changes
    /// everything about the pods to come: image, service account, volumes. That is as good as creating pods, and takes no right
    /// on pods. A Job's template cannot be changed. A rule with names reaches the objects of these names; where there is no
    /// object to change there is no step.
    "template-change", "change the pods that an object makes", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }, Rule::Each(link_each)],
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
    if held.scope.is_empty() {
        return link_cluster(held, world, link);
    }
    let reaches = |holding: &Holding<'_>| reaches(holding, world, &held.scope);
    if let Some(condition) = held.condition_by(reaches) {
        link.edge(held.subject, Node::area(Area::NewPods, &held.scope), condition);
    }
}

/// To all of a kind there is one step, and from there one to each namespace that has any.
fn link_cluster(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    for kind in KINDS {
        let of_kind = |holding: &Holding<'_>| holding.right.resource == kind.resource();
        let all = held.condition_by(|held| of_kind(held) && held.names == Names::All);
        if let Some(condition) = all {
            let every = Node::area(Area::Templates(kind), &held.scope);
            link.edge(held.subject, every, condition);
        }
        for name in held.names(0) {
            let named = |held: &Holding<'_>| match held.names {
                Names::Only(names) => of_kind(held) && names.contains(name),
                Names::All => false,
            };
            let Some(condition) = held.condition_by(named) else { continue };
            for namespace in world.namespaces_with_template(kind, name) {
                let pods = Node::area(Area::NewPods, &namespace);
                link.edge(held.subject, pods, condition.clone());
            }
        }
    }
}

fn link_each(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let Item::Namespace(namespace) = *item else { return };
    for kind in KINDS {
        if world.has(kind, namespace, None) {
            let every = Node::area(Area::Templates(kind), &Default::default());
            link.always(&every, Node::area(Area::NewPods, namespace));
        }
    }
}

/// What makes pods that a right is about.
pub(super) fn kind_of(right: &Right) -> Option<Kind> {
    let is_meant = |kind: &Kind| (kind.group(), kind.resource()) == (right.group, right.resource);
    KINDS.into_iter().find(is_meant)
}

/// Whether there is an object in the namespace that somebody who holds this may change.
pub(super) fn reaches(holding: &Holding<'_>, world: &World<'_>, namespace: &str) -> bool {
    let kind = kind_of(holding.right);
    kind.is_some_and(|kind| match holding.names {
        Names::All => world.has(kind, namespace, None),
        Names::Only(names) => names.iter().any(|name| world.has(kind, namespace, Some(name))),
    })
}
