use bailiwick_core::{Kind, ObjectRef};

use crate::build::{Link, World};
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
    &[Rule::Objects(link)],
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

fn link(world: &World<'_>, link: &mut Link<'_>) {
    for account in world.snapshot.service_accounts.iter() {
        let metadata = &account.metadata;
        for annotation in ANNOTATIONS {
            let Some(name) = metadata.annotation(annotation) else { continue };
            let object =
                ObjectRef::new(Kind::ServiceAccount, &metadata.namespace, &metadata.name);
            let key = annotation.replace('/', "~1");
            let setting = Atom::Field { object, pointer: format!("/metadata/annotations/{key}") };
            let from = Node::service_account(&metadata.namespace, &metadata.name);
            link.by(&from, Node::Cloud { name: name.into() }, [setting]);
        }
    }
}
