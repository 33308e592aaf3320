use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::{Relation, to_what, node_user, relation};

edge! {
    /// Read the kubelet's key from the node's disk.
    ///
    /// `/var/lib/kubelet/pki/kubelet-client-current.pem` is the certificate and key with which the kubelet speaks to the API
    /// server: the user `system:node:NAME` in the group `system:nodes`. A container that mounts it, or a directory above
    /// it, reads it as root; read-only is enough. (A kubelet may keep it elsewhere; nothing in the API tells.)
    "host-path-kubelet", "read the kubelet's key", effort 1, Versions::ALL, &[Rule::Each(link)],
    "Pod shop/web" => "user system:node:n1", "/var/lib/kubelet/pki" => "/var/lib/kubelet/plugins",
    "---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, volumes: [{name: host, hostPath: {path: /var/lib/kubelet/pki}}],
       containers: [{name: web, image: web, volumeMounts: [{name: host, mountPath: /host, readOnly: true}]}]}}"
}

const KEY: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let user = |workload: &bailiwick_model::Workload| node_user(&workload.node_name);
    to_what(item, world, link, user, |seen| {
        let mut mounts = seen.host_paths().into_iter();
        let mount = mounts.find(|mount| relation(&mount.path, KEY) == Some(Relation::Above))?;
        Some(seen.by_mount(&mount).unless(seen.not_root()))
    });
}
