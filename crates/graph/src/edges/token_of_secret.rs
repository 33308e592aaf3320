use bailiwick_core::{Kind, ObjectRef};

use crate::build::{Item, Link, World};
use crate::condition::Atom;
use crate::edge::{Rule, Versions, edge};
use crate::node::Node;

edge! {
    /// A Secret of type `kubernetes.io/service-account-token` is the service account.
    ///
    /// Its token has no end of validity. Kubernetes has not made such Secrets by itself since 1.24, but it fills any
    /// that somebody creates and annotates with the name of a service account.
    "token-of-secret", "use the token in the Secret", effort 0, Versions::ALL, &[Rule::Each(link)],
    "Secret shop/key" => "service account shop/web", "service-account-token" => "basic-auth",
    "---
     {apiVersion: v1, kind: ServiceAccount, metadata: {namespace: shop, name: web}}
     {apiVersion: v1, kind: Secret, type: kubernetes.io/service-account-token,
      metadata: {namespace: shop, name: key, annotations: {kubernetes.io/service-account.name: web}}}"
}

const TYPE: &str = "kubernetes.io/service-account-token";
const ACCOUNT: &str = "kubernetes.io/service-account.name";

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let Item::Secret(secret) = *item else { return };
    let (namespace, name) = (&secret.metadata.namespace, &secret.metadata.name);
    let Some(account) = secret.metadata.annotation(ACCOUNT) else { return };
    let exists = world.snapshot.service_accounts.get(namespace, account).is_some();
    if &*secret.secret_type == TYPE && exists {
        let node = Node::Secret { namespace: namespace.clone(), name: name.clone() };
        let object = ObjectRef::new(Kind::Secret, namespace, name);
        let setting = Atom::Field { object, pointer: String::new() };
        link.by(&node, Node::service_account(namespace, &account.into()), [setting]);
    }
}
