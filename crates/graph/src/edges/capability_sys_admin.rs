use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::to_node;

edge! {
    /// Mount the node's file systems with the capability `SYS_ADMIN`.
    ///
    /// Root with `SYS_ADMIN` mounts `/proc` once more, without the masks of the container runtime, and writes to
    /// `/proc/sys/kernel/core_pattern` which program the kernel starts, outside of any container, when a process
    /// crashes; with cgroup v1 its `release_agent` does the same. `ALL` holds `SYS_ADMIN`.
    ///
    /// `SYS_RAWIO`, `MKNOD` and `BPF` are no steps by themselves: the devices that the first two reach for are closed to a container
    /// that is not privileged, and what programs of the last may read is up to the node's kernel. `procMount: Unmasked` and profiles
    /// called `Unconfined` open nothing either: they take away what may hold other steps back.
    ///
    /// An AppArmor profile (`RuntimeDefault` too) refuses the mount. It is held to do so where the pod asks for one: the
    /// one that the container runtime chooses by itself is there only on nodes that have AppArmor, which the API does not
    /// tell. Other users than root have none of the added capabilities, and with `hostUsers: false` they count within the
    /// pod alone.
    "capability-sys-admin", "mount the node's file systems with CAP_SYS_ADMIN", effort 2, Versions::ALL, &[Rule::Each(link)],
    "Pod shop/web" => "node n1", "SYS_ADMIN" => "NET_RAW",
    "---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, containers: [{name: web, image: web, securityContext: {capabilities: {add: [SYS_ADMIN]}}}]}}"
}

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    to_node(item, world, link, |seen| {
        let capability = seen.capability("SYS_ADMIN")?;
        Some(seen.by(&[&capability]).unless(seen.not_root()).unless(seen.kept_in()).unless(seen.confined()))
    });
}
