use bailiwick_core::{Kind, ObjectRef};

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
    for annotation in ANNOTATIONS {
        let Some(identity) = account.metadata.annotation(annotation) else { continue };
        let object = ObjectRef::new(Kind::ServiceAccount, namespace, name);
        let key = annotation.replace('/', "~1");
        let setting = Atom::Field { object, pointer: format!("/metadata/annotations/{key}") };
        let from = Node::service_account(namespace, name);
        link.by(&from, Node::Cloud { name: identity.into() }, [setting]);
    }
}
