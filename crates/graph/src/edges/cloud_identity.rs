use bailiwick_core::{Kind, ObjectRef};
use bailiwick_model::ServiceAccount;

use crate::build::{Item, Link, World};
use crate::condition::Atom;
use crate::edge::{Rule, Versions, edge};
use crate::node::Node;

edge! {
    /// A service account's token opens an identity at the cloud provider.
    ///
    /// EKS, GKE and AKS exchange the token of a service account for credentials of the identity that an annotation of the service
    /// account names. Whether the provider does so is written there, in the trust policy of that identity; the annotation says
    /// that somebody meant it to. What the identity may do is not in the cluster.
    "cloud-identity", "use the service account's identity in the cloud", effort 0, Versions::ALL,
    &[Rule::Each(link)],
    "service account shop/web" => "cloud identity arn:aws:iam::1:role/shop", "eks.amazonaws.com/role-arn" => "example.com/role-arn",
    "---
     {apiVersion: v1, kind: ServiceAccount,
      metadata: {namespace: shop, name: web, annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::1:role/shop'}}}"
}

const ANNOTATIONS: [&str; 3] = [
    "eks.amazonaws.com/role-arn",
    "iam.gke.io/gcp-service-account",
    "azure.workload.identity/client-id",
];

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let Item::Account(namespace, name) = *item else { return };
    let Some(account) = world.snapshot.service_accounts.get(namespace, name) else { return };
    for (setting, identity) in of(account) {
        link.by(&Node::service_account(namespace, name), identity, [setting]);
    }
}

/// The identities that a service account names, each with the annotation.
pub(super) fn of(account: &ServiceAccount) -> impl Iterator<Item = (Atom, Node)> + '_ {
    ANNOTATIONS.into_iter().filter_map(|annotation| {
        let metadata = &account.metadata;
        let name = metadata.annotation(annotation)?.into();
        let object = ObjectRef::new(Kind::ServiceAccount, &metadata.namespace, &metadata.name);
        let key = annotation.replace('/', "~1");
        let setting = Atom::Field { object, pointer: format!("/metadata/annotations/{key}") };
        Some((setting, Node::Cloud { name }))
    })
}
