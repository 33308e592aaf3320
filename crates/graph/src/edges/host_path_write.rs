use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::{relation, to_node};

edge! {
    /// Write to files of the node that make it run something.
    ///
    /// Programs and libraries, cron jobs, systemd units, udev rules, static pods, keys and passwords of root, the file
    /// systems of other containers: root in a container that can write to any of them is soon root on the node. The mounted
    /// path may be such a directory, lie within it, or hold it. Paths are compared segment by segment.
    ///
    /// A container that does not run as root cannot write to what belongs to root. `hostUsers: false` is no obstacle:
    /// mounted paths show the node's owners (the kubelet maps the users of every mount), so root in the pod writes as root.
    "host-path-write", "write to files of the node", effort 2, Versions::ALL, &[Rule::Each(link)],
    "Pod shop/web" => "node n1", "readOnly: false" => "readOnly: true",
    "---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, volumes: [{name: host, hostPath: {path: /etc}}],
       containers: [{name: web, image: web, volumeMounts: [{name: host, mountPath: /host, readOnly: false}]}]}}"
}

/// What runs, or says what runs, on a node.
const LEVERS: [&str; 38] = [
    "/bin",
    "/boot",
    "/etc/containerd",
    "/etc/cron.d",
    "/etc/cron.daily",
    "/etc/cron.hourly",
    "/etc/cron.monthly",
    "/etc/cron.weekly",
    "/etc/crontab",
    "/etc/init.d",
    "/etc/kubernetes/manifests",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/pam.d",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/systemd",
    "/etc/udev/rules.d",
    "/lib",
    "/lib64",
    "/opt/cni/bin",
    "/root",
    "/run/systemd/system",
    "/sbin",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/sbin",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/kubelet/config.yaml",
    "/var/spool/cron",
];

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    to_node(item, world, link, |seen| {
        let mount = seen.host_paths().into_iter().find(|mount| {
            let lever = |lever: &&str| relation(&mount.path, lever).is_some();
            !mount.read_only && LEVERS.iter().any(lever)
        })?;
        Some(seen.by_mount(&mount).unless(seen.not_root()))
    });
}
