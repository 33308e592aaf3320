use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::node_user;
use crate::node::Node;

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

/// The first minor in which tokens of nodes are for audiences of their pods alone unless told otherwise
/// (upstream `pkg/features/kube_features.go`, `ServiceAccountNodeAudienceRestriction`).
const OWN_AUDIENCES_SINCE: u16 = 33;

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let Item::Workload(workload) = *item else { return };
    let Some(user) = node_user(&workload.node_name) else { return };
    let (pod, namespace) = (&workload.pod, &workload.metadata.namespace);
    let any_audience = world.minor().is_some_and(|minor| minor < OWN_AUDIENCES_SINCE);
    if any_audience || world.has_token(workload) {
        let account = pod.service_account().into();
        link.always(&user, Node::service_account(namespace, &account));
    }
    let names = [&pod.secrets, &pod.node_secrets];
    for name in names.into_iter().flat_map(|names| world.secrets_of(workload, names)) {
        link.always(&user, Node::Secret { namespace: namespace.clone(), name: name.clone() });
    }
}
