use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::node_user;

edge! {
    /// A kubelet gets the Secrets and tokens that its pods use.
    ///
    /// The Node authorizer lets the user `system:node:NAME` of the group `system:nodes` read every Secret that a pod on
    /// the node names, those for pulling images and mounting volumes included, and ask for tokens of the service accounts
    /// that its pods run as. The admission plugin NodeRestriction binds the tokens to those pods and keeps it from all
    /// others. Since Kubernetes 1.33 it gives no token for an audience that the pod does not project itself, so that a
    /// pod without a token of its own does not give one to its node either.
    "node-authorizer", "get what the node's pods use", effort 1, Versions::ALL, &[Rule::Each(link)],
    "user system:node:n1" => "Secret shop/pull", "name: pull}]" => "name: other}]",
    "---
     {apiVersion: v1, kind: Secret, metadata: {namespace: shop, name: pull}}
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, imagePullSecrets: [{name: pull}], containers: [{name: web, image: web}]}}"
}

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let Item::Workload(workload) = *item else { return };
    let Some(user) = node_user(&workload.node_name) else { return };
    link.token(&user, world.token_for_node(workload), [], world);
    for secret in world.secrets_for_node(workload) {
        link.always(&user, secret);
    }
}
