use bailiwick_core::{Kind, ObjectRef};
use bailiwick_model::Secret;

use crate::build::{Link, World};
use crate::condition::Atom;
use crate::edge::{Rule, Versions, edge};
use crate::node::Node;

edge! {
    /// A Secret of type `bootstrap.kubernetes.io/token` in `kube-system` is a token.
    ///
    /// Whoever sends it is in the group `system:bootstrappers`, and in those below it that the Secret lists; its contents are not
    /// kept, so that it counts for every such group that is bound. Those groups can usually have a node's certificate signed.
    "bootstrap-token", "use the bootstrap token in the Secret", effort 0, Versions::ALL,
    &[Rule::Objects(link)],
    "Secret kube-system/bootstrap-token-abcdef" => "group system:bootstrappers:join", "kubernetes.io/token" => "kubernetes.io/tokens",
    "Role shop/r
       get on pods of ''
     RoleBinding shop/r gives Role/r to group:system:bootstrappers:join
     ---
     {apiVersion: v1, kind: Secret, type: bootstrap.kubernetes.io/token,
      metadata: {namespace: kube-system, name: bootstrap-token-abcdef}}"
}

fn link(world: &World<'_>, link: &mut Link<'_>) {
    for secret in all(world) {
        let (namespace, name) = (&secret.metadata.namespace, &secret.metadata.name);
        let object = ObjectRef::new(Kind::Secret, namespace, name);
        let node = Node::Secret { namespace: namespace.clone(), name: name.clone() };
        for group in world.bootstrap_groups() {
            let setting = Atom::Field { object: object.clone(), pointer: String::new() };
            link.by(&node, group, [setting]);
        }
    }
}

/// The tokens that there are.
pub(super) fn all<'w>(world: &World<'w>) -> impl Iterator<Item = &'w Secret> + use<'w> {
    let secrets = world.snapshot.secrets.in_namespace("kube-system");
    secrets.filter(|secret| &*secret.secret_type == "bootstrap.kubernetes.io/token")
}
