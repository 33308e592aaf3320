
use bailiwick_rbac::Right;

use crate::build::{Held, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::csr_approve::of_signer;
use crate::edges::{CERTIFICATES as GROUP, every_node};

edge! {
    /// Sign a client certificate for any node.
    ///
    /// A CertificateSigningRequest for the signer `kubernetes.io/kube-apiserver-client-kubelet` becomes a certificate of the user
    /// `system:node:NAME` in the group `system:nodes`, for any NAME. You need three rights, possibly from different bindings: `create` on `certificatesigningrequests`, `update` or `patch` on
    /// `certificatesigningrequests/approval`, and `approve` on `signers` with the signer's name or `kubernetes.io/*`. Other names
    /// with a star are no wildcards. None of these objects is in a namespace, so RoleBindings give none of these rights. The right
    /// to read requests is not needed: every answer holds the object, the certificate included.
    /// What a node may do is decided by the Node authorizer: it reads the Secrets of its pods and asks for their tokens.
    "csr-approve-node", "get a client certificate of any node", effort 2, Versions::ALL,
    &[Rule::Own { legs: LEGS, link }],
    "user eve" => "user system:node:n1", "-kubelet" => "",
    "ClusterRole r
       create on certificatesigningrequests of certificates.k8s.io
       update on certificatesigningrequests/approval of certificates.k8s.io
       approve on signers of certificates.k8s.io named kubernetes.io/kube-apiserver-client-kubelet
     ClusterRoleBinding r gives ClusterRole/r to user:eve
     ---
     {apiVersion: v1, kind: Node, metadata: {name: n1}}"
}

static LEGS: &[Leg] = &[
    &[Right::cluster(GROUP, "signers", &["approve"])],
    &[Right::cluster(GROUP, "certificatesigningrequests/approval", &["patch", "update"])],
    &[Right::cluster(GROUP, "certificatesigningrequests", &["create"])],
];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if let Some(condition) = of_signer(held, "kubernetes.io/kube-apiserver-client-kubelet") {
        every_node(held, world, link, &condition);
    }
}
