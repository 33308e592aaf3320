use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::field;
use crate::node::Node;

edge! {
    /// Code in a pod reads the Secrets that the pod uses.
    ///
    /// They lie in files or environment variables of its containers. Secrets for pulling images and for mounting volumes
    /// are not among them: those the node uses, and no container sees them.
    "pod-secrets", "read the pod's Secrets", effort 0, Versions::ALL, &[Rule::Each(link)],
    "Pod shop/web" => "Secret shop/db", "secretName: db" => "secretName: other",
    "---
     {apiVersion: v1, kind: Secret, metadata: {namespace: shop, name: db}}
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {containers: [{name: web, image: web}], volumes: [{name: db, secret: {secretName: db}}]}}"
}

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let Item::Workload(workload) = *item else { return };
    let namespace = &workload.metadata.namespace;
    for name in world.secrets_of(workload, &workload.pod.secrets) {
        let secret = Node::Secret { namespace: namespace.clone(), name: name.clone() };
        let setting = field(world.keeper(workload), "");
        link.by(&Node::Workload(workload.object_ref()), secret, [setting]);
    }
}
