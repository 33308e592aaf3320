use crate::build::{Held, Link, World};
use crate::edge::{Versions, edge};
use crate::edges::api_service::{taken, taking};
use crate::node::{Area, Node};

edge! {
    /// Show the API server webhooks and policies of one's own.
    ///
    /// The API server learns by requests to itself which webhooks it asks and which admission policies it follows. Whoever has taken the APIService
    /// `v1.admissionregistration.k8s.io` shows it a mutating webhook, and changes every new pod of every namespace as by
    /// [one of the API](mutating-webhook.md); and what he does not show refuses and corrects nothing any more. The API server
    /// asks anew when its watches end, every five to ten minutes.
    "api-service-admission", "show the API server webhooks of one's own", effort 3, Versions::ALL, taking!(link),
    "user eve" => "new pods of the cluster", "v1.admissionregistration." => "v1.metrics.",
    "ClusterRole r
       patch on apiservices of apiregistration.k8s.io named v1.admissionregistration.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    for condition in taken(held, world, ["v1.admissionregistration.k8s.io"]) {
        link.edge(held.subject, Node::area(Area::NewPods, &held.scope), condition);
    }
}
