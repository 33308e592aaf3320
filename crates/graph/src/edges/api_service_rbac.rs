use crate::build::{Held, Link, World};
use crate::edge::{Versions, edge};
use crate::edges::api_service::{taken, taking};
use crate::node::Node;

edge! {
    /// Show the API server roles of one's own.
    ///
    /// The authorizer of the API server learns of roles and bindings as everybody does, by requests to the API server, and these go
    /// where the APIService `v1.rbac.authorization.k8s.io` sends them. Whoever has taken it shows a binding of `cluster-admin`,
    /// and may do everything. The authorizer asks anew when its watch ends, every five to ten minutes. When the API server starts it
    /// reads what is stored, before it knows of APIServices, and gets there with the next watch.
    "api-service-rbac", "show the API server roles of one's own", effort 3, Versions::ALL, taking!(link),
    "user eve" => "full control of the cluster", "v1.rbac." => "v1.metrics.",
    "ClusterRole r
       patch on apiservices of apiregistration.k8s.io named v1.rbac.authorization.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    for condition in taken(held, world, ["v1.rbac.authorization.k8s.io"]) {
        link.edge(held.subject, Node::Cluster, condition);
    }
}
