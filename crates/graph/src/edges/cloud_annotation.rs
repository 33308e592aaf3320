use bailiwick_rbac::Right;

use crate::build::{Held, Item, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::cloud_identity;
use crate::edges::making::{Everywhere, NEW_POD, making_pods};
use crate::node::{Area, Node};

edge! {
    /// Write another cloud identity on a service account.
    ///
    /// The annotation of a service account says which identity of the cloud provider its pods ask for. Whoever may `patch` or
    /// `update` service accounts and start pods in a namespace writes there what he likes. Whether the provider agrees is written in the
    /// identity's own trust policy, which often allows every service account of a namespace: so the step leads to the identities that
    /// the namespace's service accounts name already, and is hard.
    ///
    /// `imagePullSecrets` of a service account are no step: a pod's author chooses those himself.
    "cloud-annotation", "write a cloud identity on a service account", effort 4, Versions::ALL,
    &[Rule::Own { legs: LEGS, link }],
    "user eve" => "every cloud identity of namespace shop", "patch on serviceaccounts" => "get on serviceaccounts",
    "Role shop/r
       patch on serviceaccounts of ''
       create on pods of ''
     RoleBinding shop/r gives Role/r to user:eve
     ---
     {apiVersion: v1, kind: ServiceAccount,
      metadata: {namespace: shop, name: web, annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::1:role/shop'}}}"
}

static LEGS: &[Leg] = &[&[Right::new("", "serviceaccounts", &["patch", "update"])], NEW_POD];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let Some(held) = making_pods::<Everywhere>(held, world) else { return };
    let to = Node::area(Area::Clouds, &held.scope);
    link.edge(held.subject, to, held.condition_on(&[On::Any]));
}

/// What is in the areas.
pub(super) fn contents(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let everywhere = Node::area(Area::Clouds, &Default::default());
    match *item {
        Item::Namespace(namespace) => {
            link.always(&everywhere, Node::area(Area::Clouds, namespace));
        }
        Item::Account(namespace, name) => {
            let Some(account) = world.snapshot.service_accounts.get(namespace, name) else { return };
            for (setting, identity) in cloud_identity::of(account) {
                link.by(&Node::area(Area::Clouds, namespace), identity, [setting]);
            }
        }
        _ => {}
    }
}
