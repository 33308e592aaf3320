
use bailiwick_rbac::Right;

use crate::build::{Held, Holding, Link, On, World};
use crate::condition::Condition;
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::CERTIFICATES as GROUP;
use crate::node::{Area, Node};

edge! {
    /// Sign a client certificate for any name.
    ///
    /// A CertificateSigningRequest for the signer `kubernetes.io/kube-apiserver-client` that is approved becomes a certificate
    /// with the user name and the groups that the requester wrote into it. Only `system:masters` is refused as a group;
    /// with the group `system:nodes` one is a node.
    /// You need three rights, possibly from different bindings: `create` on `certificatesigningrequests`, `update` or `patch` on
    /// `certificatesigningrequests/approval`, and `approve` on `signers` with the signer's name or `kubernetes.io/*`. Other names
    /// with a star are no wildcards. None of these objects is in a namespace, so RoleBindings give none of these rights. The right
    /// to read requests is not needed: every answer holds the object, the certificate included.
    ///
    /// The certificate outlives the rights that made it and cannot be revoked; only its end of validity ends it. It takes a
    /// controller-manager with the key of the authority, which some cloud providers do not give to this signer.
    "csr-approve", "get a client certificate of any user and groups", effort 2, Versions::ALL,
    &[Rule::Own { legs: LEGS, link }],
    "user eve" => "every group of the cluster", "named kubernetes.io/*" => "named *",
    "ClusterRole r
       create on certificatesigningrequests of certificates.k8s.io
       patch on certificatesigningrequests/approval of certificates.k8s.io
       approve on signers of certificates.k8s.io named kubernetes.io/*
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

static LEGS: &[Leg] = &[
    &[Right::cluster(GROUP, "signers", &["approve"])],
    &[Right::cluster(GROUP, "certificatesigningrequests/approval", &["patch", "update"])],
    &[Right::cluster(GROUP, "certificatesigningrequests", &["create"])],
];

/// A certificate holds names: nobody asks whether a service account of that name is there.
const REACHED: [Area; 5] =
    [Area::Users, Area::Groups, Area::ServiceAccounts, Area::MissingAccounts, Area::NodeUsers];

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    if let Some(condition) = of_signer(held, "kubernetes.io/kube-apiserver-client") {
        for area in REACHED {
            let every = Node::area(area, &held.scope);
            link.edge(held.subject, every, condition.clone());
        }
    }
}

/// What gives `approve` on the signer: a rule without names, with its name, or with that of all in its domain.
pub(super) fn of_signer(held: &Held<'_>, signer: &str) -> Option<Condition> {
    held.condition_by(|holding| is_on_signer(holding, signer))
}

/// Whether it is a right on this signer: without names, with its name, or with that of all in its domain.
pub(super) fn is_on_signer(holding: &Holding<'_>, signer: &str) -> bool {
    let domain = signer.split_once('/').map(|(domain, _)| format!("{domain}/*"));
    let of_domain = domain.as_deref().is_some_and(|domain| holding.is_on(On::Name(domain)));
    holding.is_on(On::Name(signer)) || of_domain
}
