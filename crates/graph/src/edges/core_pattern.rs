use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::{Relation, relation, to_node};

edge! {
    /// Let the node's kernel start a program by way of `core_pattern`.
    ///
    /// `/proc/sys/kernel/core_pattern` names the program that the kernel starts, as root and outside of any container, when
    /// a process crashes. A container that mounts `/proc` of the node, or what lies above, can write to it as root, and
    /// crash.
    ///
    /// Root is whoever the image says unless pod or container say `runAsUser` or `runAsNonRoot`. `readOnly` holds for the
    /// mounted file system, not for those mounted below it: `/` mounted read-only still has a `/proc` that can be written,
    /// unless `recursiveReadOnly: Enabled` says otherwise. With `hostUsers: false` root in the pod is not root to the kernel.
    "core-pattern", "have the kernel start a program", effort 2, Versions::ALL, &[Rule::Each(link)],
    "Pod shop/web" => "node n1", "path: /proc" => "path: /srv",
    "---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, volumes: [{name: host, hostPath: {path: /proc}}],
       containers: [{name: web, image: web, volumeMounts: [{name: host, mountPath: /host}]}]}}"
}

const CORE_PATTERN: &str = "/proc/sys/kernel/core_pattern";

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    to_node(item, world, link, |seen| {
        let mount = seen.host_paths().into_iter().find(|mount| {
            // Within `/proc`, or it: what is read-only is the file system itself.
            let is_proc = relation("/proc", &mount.path) == Some(Relation::Above);
            let read_only = mount.read_only && (is_proc || mount.recursive);
            relation(&mount.path, CORE_PATTERN) == Some(Relation::Above) && !read_only
        })?;
        Some(seen.by_mount(&mount).unless(seen.not_root()).unless(seen.own_users()))
    });
}
