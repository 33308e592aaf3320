use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::field;
use crate::node::Node;

edge! {
    /// Read and write memory that processes of the node share.
    ///
    /// `hostIPC: true` puts a pod where the node's processes keep shared memory, semaphores and message queues, those of
    /// other such pods among them: databases and browsers hold their working data there. What lies in it depends on these
    /// processes, so the step leads no further.
    "host-ipc", "use the shared memory of the node", effort 1, Versions::ALL, &[Rule::Each(link)],
    "Pod shop/web" => "the shared memory of node n1", "hostIPC: true" => "hostIPC: false",
    "---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, hostIPC: true, containers: [{name: web, image: web}]}}"
}

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if let Item::Workload(workload) = *item
        && workload.pod.host_ipc
    {
        let setting = field(world.keeper(workload), "/hostIPC");
        let memory = Node::Memory { machine: workload.node_name.clone() };
        link.by(&Node::Workload(workload.object_ref()), memory, [setting]);
    }
}
