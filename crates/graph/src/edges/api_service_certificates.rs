use bailiwick_core::names::MASTERS;

use crate::build::{Held, Link, World};
use crate::edge::{Versions, edge};
use crate::edges::api_service::{taken, taking};
use crate::node::Node;

edge! {
    /// Have the controller-manager sign any certificate.
    ///
    /// The controller-manager signs the CertificateSigningRequests that it reads and that are approved. Whoever has taken the
    /// APIService `v1.certificates.k8s.io` shows it one, approved, for any name and any group, and is sent the certificate. That nobody gets
    /// one for `system:masters` is up to the API server when a request is made, which this one was not.
    ///
    /// The controller asks anew when its watch ends, every five to ten minutes, and when it starts. It takes a controller-manager
    /// with the key of the authority, which some cloud providers do not give to the signer `kubernetes.io/kube-apiserver-client`.
    "api-service-certificates", "have any certificate signed", effort 3, Versions::ALL, taking!(link),
    "user eve" => "group system:masters", "v1.certificates." => "v1.metrics.",
    "ClusterRole r
       patch on apiservices of apiregistration.k8s.io named v1.certificates.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    for condition in taken(held, world, ["v1.certificates.k8s.io"]) {
        link.edge(held.subject, Node::group(MASTERS), condition);
    }
}
