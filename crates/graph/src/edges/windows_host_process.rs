use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::{field, to_node};
use crate::node::Node;

edge! {
    /// Be a process of a Windows node.
    ///
    /// `windowsOptions.hostProcess: true` starts the container as a process of the node, with no wall around it. What the pod
    /// says holds for containers that do not say otherwise. On since Kubernetes 1.23.
    "windows-host-process", "act on the Windows node", effort 1, Versions::since(23), &[Rule::Each(link)],
    "Pod shop/web" => "node n1", "hostProcess: true" => "hostProcess: false",
    "---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, hostNetwork: true, securityContext: {windowsOptions: {hostProcess: true}},
       containers: [{name: web, image: web}]}}"
}

const HOST_PROCESS: &str = "/securityContext/windowsOptions/hostProcess";

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    to_node(item, world, link, |seen| {
        (seen.security().host_process == Some(true)).then(|| seen.by(&[HOST_PROCESS]))
    });
    let Item::Workload(workload) = *item else { return };
    // Pods are all or nothing: the API server refuses those in which one container is and another is not.
    if workload.pod.security.host_process == Some(true) {
        let setting = field(world.keeper(workload), HOST_PROCESS);
        let machine = Node::Machine { name: workload.node_name.clone() };
        link.by(&Node::Workload(workload.object_ref()), machine, [setting]);
    }
}
