use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::{Relation, relation, to_node};

edge! {
    /// Ask the container runtime of the node for a privileged container.
    ///
    /// Whoever can connect to the socket of Docker, containerd, CRI-O or Podman starts containers with whatever of the node
    /// they like, past the API server and its admission. A mount of the socket, or of a directory above it, is enough;
    /// `readOnly` does not matter, for connecting is not writing. `/var/run` is `/run`.
    ///
    /// The sockets belong to root: a container that does not run as root cannot connect. `hostUsers: false` is no obstacle,
    /// for mounted paths show the node's owners.
    "runtime-socket", "start a container by the node's runtime", effort 1, Versions::ALL, &[Rule::Each(link)],
    "Pod shop/web" => "node n1", "docker.sock" => "other.sock",
    "---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, volumes: [{name: host, hostPath: {path: /var/run/docker.sock}}],
       containers: [{name: web, image: web, volumeMounts: [{name: host, mountPath: /run/host, readOnly: true}]}]}}"
}

/// Where the container runtimes listen unless they are told otherwise.
const SOCKETS: [&str; 8] = [
    "/run/containerd/containerd.sock",
    "/run/cri-dockerd.sock",
    "/run/crio/crio.sock",
    "/run/docker.sock",
    "/run/dockershim.sock",
    "/run/k0s/containerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/podman/podman.sock",
];

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    to_node(item, world, link, |seen| {
        let mount = seen.host_paths().into_iter().find(|mount| {
            let holds = |socket: &&str| relation(&mount.path, socket) == Some(Relation::Above);
            SOCKETS.iter().any(holds)
        })?;
        Some(seen.by_mount(&mount).unless(seen.not_root()))
    });
}
