use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::to_node;

edge! {
    /// Leave a privileged container for its node.
    ///
    /// `privileged: true` gives a container every capability and every device of the node, and neither seccomp nor
    /// AppArmor holds it back: it mounts the node's disk, or loads a module into its kernel. A user other than root in the
    /// container is no obstacle, for programs that change the user are allowed to.
    ///
    /// With `hostUsers: false` all of that counts within the pod alone. Init containers have ended when the pod runs,
    /// those with `restartPolicy: Always` excepted. A pod that waits for a node, or a template, leads to some node.
    "privileged-container", "leave a privileged container", effort 1, Versions::ALL, &[Rule::Each(link)],
    "Pod shop/web" => "node n1", "privileged: true" => "privileged: false",
    "---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, containers: [{name: web, image: web, securityContext: {privileged: true}}]}}"
}

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    to_node(item, world, link, |seen| {
        let way = || seen.by(&["/securityContext/privileged"]).unless(seen.kept_in());
        seen.security().privileged.then(way)
    });
}
