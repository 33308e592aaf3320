use crate::build::{Held, Link, World};
use crate::edge::{Versions, edge};
use crate::edges::api_service::{taken, taking};
use crate::node::{Area, Node};

edge! {
    /// Have the controller-manager start pods.
    ///
    /// The controller-manager makes the pods of the Jobs, CronJobs, Deployments, ReplicaSets, StatefulSets and DaemonSets that it
    /// reads. Whoever has taken the APIService `v1.batch` or `v1.apps` shows it some of his own, in any namespace, those of the control
    /// plane included. The controllers ask anew when their watches end, every five to ten minutes, and when they start.
    "api-service-workloads", "have the controller-manager start pods", effort 3, Versions::ALL, taking!(link),
    "user eve" => "new pods of the cluster", "named v1.batch" => "named v1.policy",
    "ClusterRole r
       patch on apiservices of apiregistration.k8s.io named v1.batch
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    for condition in taken(held, world, ["v1.apps", "v1.batch"]) {
        link.edge(held.subject, Node::area(Area::NewPods, &held.scope), condition);
    }
}
