use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::to_node;

edge! {
    /// Take over a process of the node with the capability `SYS_PTRACE`.
    ///
    /// With `hostPID: true` the container sees the processes of the node, and with `SYS_PTRACE` root in it may write into
    /// their memory. `hostPID` alone shows their command lines and leads no further; the capability alone reaches the
    /// pod's own processes.
    ///
    /// An AppArmor profile (`RuntimeDefault` too) refuses to trace processes outside of the profile. It is held to do so
    /// where the pod asks for one: the one that the container runtime chooses by itself is there only on nodes that have
    /// AppArmor, which the API does not tell. The field `appArmorProfile` counts since Kubernetes 1.30.
    "trace-host-process", "take over a process of the node", effort 2, Versions::ALL, &[Rule::Each(link)],
    "Pod shop/web" => "node n1", "hostPID: true" => "hostPID: false",
    "---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, hostPID: true, containers: [{name: web, image: web,
        securityContext: {capabilities: {add: [SYS_PTRACE]}}}]}}"
}

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    to_node(item, world, link, |seen| {
        let capability = seen.capability("SYS_PTRACE")?;
        let way = seen.by(&[&capability]).and(seen.host_processes()?);
        Some(way.unless(seen.not_root()).unless(seen.confined()).unless(seen.sandboxed()))
    });
}
