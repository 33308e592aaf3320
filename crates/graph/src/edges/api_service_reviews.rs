use crate::build::{Held, Link, World};
use crate::edge::{Versions, edge};
use crate::edges::api_service::{taken, taking};
use crate::node::{Area, Node};

edge! {
    /// Tell kubelets that one may do everything.
    ///
    /// A kubelet asks the API server who comes to it with a token, by a TokenReview, and what he may do, by a SubjectAccessReview.
    /// Whoever has taken the APIService `v1.authorization.k8s.io` answers the second for himself, and runs commands in every pod by
    /// its node's kubelet as with [`nodes/proxy`](nodes-proxy.md). Whoever has taken `v1.authentication.k8s.io` has a token of his own
    /// making be that of a member of `system:masters`. He is also shown the tokens with which others come to servers that ask so,
    /// which are good for as long as they last.
    ///
    /// It takes a connection to the kubelets. Tried is that the controller-manager, which asks about those who read its metrics in the
    /// same way, believes such answers, and that tokens are shown; no kubelet has been made to ask. The API server itself asks
    /// nobody: what is asked of it is decided as before.
    "api-service-reviews", "tell kubelets that one may do everything", effort 3, Versions::ALL, taking!(link),
    "user eve" => "code in every pod of the cluster", "v1.authorization." => "v1.metrics.",
    "ClusterRole r
       patch on apiservices of apiregistration.k8s.io named v1.authorization.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    for condition in taken(held, world, ["v1.authentication.k8s.io", "v1.authorization.k8s.io"]) {
        link.edge(held.subject, Node::area(Area::Pods, &held.scope), condition);
    }
}
