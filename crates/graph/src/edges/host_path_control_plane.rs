use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::{Relation, is_control_plane, to_what, relation};
use crate::node::Node;

edge! {
    /// Read the keys of the control plane from a control-plane node's disk.
    ///
    /// The key of the cluster's certificate authority signs a certificate for any user, the key of service accounts any
    /// token, and `admin.conf` and etcd's data need not even that. A container on a node of the control plane that mounts one
    /// of them, or a directory above it, reads it as root; read-only is enough. The places are those of kubeadm, K3s and
    /// RKE2.
    "host-path-control-plane", "read the keys of the control plane", effort 1, Versions::ALL,
    &[Rule::Each(link)],
    "Pod shop/web" => "full control of the cluster", "path: /etc/kubernetes" => "path: /etc/ssl",
    "---
     {apiVersion: v1, kind: Node, metadata: {name: n1, labels: {node-role.kubernetes.io/control-plane: ''}}}
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, volumes: [{name: host, hostPath: {path: /etc/kubernetes}}],
       containers: [{name: web, image: web, volumeMounts: [{name: host, mountPath: /host, readOnly: true}]}]}}"
}

const KEYS: [&str; 10] = [
    "/etc/kubernetes/admin.conf",
    "/etc/kubernetes/pki/ca.key",
    "/etc/kubernetes/pki/etcd/ca.key",
    "/etc/kubernetes/pki/front-proxy-ca.key",
    "/etc/kubernetes/pki/sa.key",
    "/etc/kubernetes/super-admin.conf",
    "/etc/rancher/k3s/k3s.yaml",
    "/var/lib/etcd/member",
    "/var/lib/rancher/k3s/server",
    "/var/lib/rancher/rke2/server",
];

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let cluster = |workload: &bailiwick_model::Workload| {
        is_control_plane(world, &workload.node_name).then_some(Node::Cluster)
    };
    to_what(item, world, link, cluster, |seen| {
        let mount = seen.host_paths().into_iter().find(|mount| {
            let holds = |key: &&str| relation(&mount.path, key) == Some(Relation::Above);
            KEYS.iter().any(holds)
        })?;
        Some(seen.by_mount(&mount).unless(seen.not_root()))
    });
}
