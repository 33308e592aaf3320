use bailiwick_core::Str;
use bailiwick_model::Workload;

use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::{Relation, Seen, relation, to_what};
use crate::node::Node;
use crate::world::Token;

edge! {
    /// Read the tokens and Secrets of a node's pods from its disk.
    ///
    /// The kubelet keeps the volumes of all pods of a node below `/var/lib/kubelet/pods`: their service account tokens, and
    /// the Secrets that they mount. A container that mounts that directory, or one above it, reads them as root; read-only
    /// is enough. What else can be read on a node and opens something elsewhere (keys of `/root/.ssh`, hashes of `/etc/shadow`) leads to
    /// nothing that the cluster knows, so there is no step. (A kubelet may keep them elsewhere; nothing in the API tells.)
    "host-path-tokens", "read the tokens of the node's pods", effort 1, Versions::ALL, &[Rule::Each(link)],
    "Pod shop/web" => "the files of the pods on node n1", "path: /var/lib" => "path: /var/log",
    "---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, volumes: [{name: host, hostPath: {path: /var/lib}}],
       containers: [{name: web, image: web, volumeMounts: [{name: host, mountPath: /host, readOnly: true}]}]}}"
}

const PODS: &str = "/var/lib/kubelet/pods";

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let files = |machine: &Str| Node::PodFiles { machine: machine.clone() };
    let known = |node: &Str| !node.is_empty();
    let to = |workload: &Workload| known(&workload.node_name).then(|| files(&workload.node_name));
    to_what(item, world, link, to, |seen| {
        let mut mounts = seen.host_paths().into_iter();
        let mount = mounts.find(|mount| relation(&mount.path, PODS) == Some(Relation::Above))?;
        Some(seen.by_mount(&mount).unless(seen.not_root()))
    });
    let Item::Machine(machine) = *item else { return };
    let workloads = world.workloads_on(machine);
    let mounts_them = |workload: &&Workload| {
        let containers = workload.pod.containers.iter();
        let mut paths = containers
            .flat_map(|container| Seen::new(world, workload, container).host_paths());
        paths.any(|mount| relation(&mount.path, PODS) == Some(Relation::Above))
    };
    if !workloads.iter().any(mounts_them) {
        return;
    }
    for workload in workloads {
        let (from, namespace) = (files(machine), &workload.metadata.namespace);
        link.token(&from, Token::of(workload), [], world);
        for name in world.secrets_of(workload, &workload.pod.secrets) {
            link.always(&from, Node::Secret { namespace: namespace.clone(), name: name.clone() });
        }
    }
}
