use crate::build::{Held, Link, World};
use crate::edge::{Versions, edge};
use crate::edges::api_service::{taken, taking};
use crate::node::{Area, Node};

edge! {
    /// Show every kubelet pods of one's own.
    ///
    /// A kubelet runs the pods that the API server lists for its node. Whoever has taken the APIService `v1.`, that of the core
    /// group, answers these requests: with privileged pods, for every node, the control plane's included. No Pod Security, no webhook and no policy
    /// sees such a pod, since nobody creates it. Kubelets ask anew when their watches end, every five to ten minutes. Tried is that a
    /// node that asks for its pods is shown these; no kubelet has been made to run them.
    ///
    /// All else of the core group goes to him as well: what is stored is out of everybody's reach meanwhile, and what others write, Secrets among it,
    /// comes to him.
    "api-service-nodes", "show kubelets pods of one's own", effort 3, Versions::ALL, taking!(link),
    "user eve" => "every node of the cluster", "named v1." => "named v2.",
    "ClusterRole r
       patch on apiservices of apiregistration.k8s.io named v1.
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    for condition in taken(held, world, ["v1."]) {
        link.edge(held.subject, Node::area(Area::Machines, &held.scope), condition);
    }
}
