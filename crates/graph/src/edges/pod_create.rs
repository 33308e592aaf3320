use crate::build::{Held, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};
use crate::right::Right;

edge! {
    /// Start a pod of one's own.
    ///
    /// Whoever can create pods, or objects that create pods, chooses what runs, as which service account of the
    /// namespace (nobody asks whether he may use it) and with which Secrets of the namespace mounted. `update` and
    /// `patch` of an object with a pod template are as good; of a Job only `create` is, its template cannot be changed.
    ///
    /// A rule with names reaches objects of these names: those that are there by `update` and `patch`, new ones by
    /// server-side apply.
    "pod-create", "start a pod", effort 1, Versions::ALL, &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "new pods of namespace shop", "create" => "update",
    "Role shop/r
       create on pods of ''
     RoleBinding shop/r gives Role/r to user:eve"
}

const WRITE: &[&str] = &["create", "patch", "update"];

static LEGS: &[Leg] = &[&[
        Right::new("", "pods", &["create"]),
        Right::new("", "replicationcontrollers", WRITE),
        Right::new("apps", "daemonsets", WRITE),
        Right::new("apps", "deployments", WRITE),
        Right::new("apps", "replicasets", WRITE),
        Right::new("apps", "statefulsets", WRITE),
        Right::new("batch", "cronjobs", WRITE),
        Right::new("batch", "jobs", &["create"]),
    ]];

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    link.edge(held.subject, Node::area(Area::NewPods, &held.scope), held.condition(None));
}
