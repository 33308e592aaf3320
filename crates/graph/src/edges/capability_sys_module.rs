use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::to_node;

edge! {
    /// Load a module into the node's kernel with the capability `SYS_MODULE`.
    ///
    /// The module does what it likes; neither the default seccomp profile nor that of AppArmor stops it once the
    /// capability is there. `ALL` holds `SYS_MODULE`. Other users than root have none of the added capabilities, and with
    /// `hostUsers: false` they count within the pod alone.
    "capability-sys-module", "load a kernel module with CAP_SYS_MODULE", effort 2, Versions::ALL, &[Rule::Each(link)],
    "Pod shop/web" => "node n1", "SYS_MODULE" => "NET_RAW",
    "---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, containers: [{name: web, image: web, securityContext: {capabilities: {add: [SYS_MODULE]}}}]}}"
}

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    to_node(item, world, link, |seen| {
        let capability = seen.capability("SYS_MODULE")?;
        Some(seen.by(&[&capability]).unless(seen.not_root()).unless(seen.kept_in()))
    });
}
