use bailiwick_model::{Container, Workload};
use bailiwick_rbac::Right;

use crate::build::{Item, Link, World};
use crate::condition::Atom;
use crate::edge::{Rule, Versions, edge};
use crate::host::{Mount, Seen, Way, relation, to_node};
use crate::node::Node;
use crate::world::READ_LOGS;

edge! {
    /// Read any file of the node through a log that is a link.
    ///
    /// The kubelet opens a container's log as root, by its path below `/var/log/pods`. Code in a pod that mounts that part of the node
    /// and can write there puts a link to any other file in the log's place, and reads the file by asking for the log: by `get` on
    /// `pods/log` of the pod, or by `get` on `nodes/log`, which
    /// shows whatever lies below `/var/log`. It takes the two together: the mount and, for the pod's own service
    /// account, the right. Among what lies on the node are the kubelet's key and the tokens of all its pods.
    ///
    /// Links are read by the kubelet unless its container runtime keeps logs elsewhere. A container that is not root cannot write there.
    "log-symlink", "read the node's files through a log", effort 2, Versions::ALL, &[Rule::Each(link)],
    "Pod shop/web" => "node n1", "pods/log" => "pods/logs",
    "Role shop/r
       get on pods/log of ''
     RoleBinding shop/r gives Role/r to sa:shop/web
     ---
     {apiVersion: v1, kind: ServiceAccount, metadata: {namespace: shop, name: web}}
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, serviceAccountName: web, volumes: [{name: host, hostPath: {path: /var/log}}],
       containers: [{name: web, image: web, volumeMounts: [{name: host, mountPath: /host}]}]}}"
}

const POD_LOGS: &str = "/var/log/pods";
const NODE_LOGS: &str = "/var/log";

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let Item::Workload(workload) = *item else { return };
    // Most pods mount nothing of the kind, and need no look at what their service accounts may do.
    let mut containers = workload.pod.containers.iter();
    let writes = |own: &Container| {
        let seen = Seen::new(world, workload, own);
        [POD_LOGS, NODE_LOGS].iter().any(|place| mount(&seen, place).is_some())
    };
    if !containers.any(writes) {
        return;
    }
    let causes = causes(workload, world);
    if causes.is_empty() || !world.has_token(workload) {
        return;
    }
    for (place, causes) in causes {
        to_node(item, world, link, |seen| {
            let way = way(seen, place)?;
            Some(causes.iter().cloned().fold(way, Way::and))
        });
    }
}

fn way(seen: &Seen<'_>, place: &str) -> Option<Way> {
    Some(seen.by_mount(&mount(seen, place)?).unless(seen.not_root()))
}

/// What lets it write there.
fn mount(seen: &Seen<'_>, place: &str) -> Option<Mount> {
    let is_there = |path: &str| relation(path, place).is_some();
    let mut mounts = seen.host_paths().into_iter();
    mounts.find(|mount| is_there(&mount.path) && !mount.read_only)
}

/// What gives the pod's service account the right to read logs, each alone, with the place in which they lie.
fn causes(workload: &Workload, world: &World<'_>) -> Vec<(&'static str, Vec<Atom>)> {
    let namespace = &workload.metadata.namespace;
    let account = Node::service_account(namespace, &workload.pod.service_account().into());
    let mut causes = Vec::new();
    for (bound, role) in world.roles_for_logs(&account) {
        let everywhere = bound.namespace.is_empty();
        if !everywhere && bound.namespace != *namespace {
            continue;
        }
        let [of_pods, of_nodes] = &READ_LOGS;
        for (position, rule) in (0..).zip(role.rules.iter()) {
            let gives = |right: &Right, name: &str| {
                right.names(rule).is_some_and(|names| names.hold(name))
            };
            let by_pod = gives(of_pods, &workload.metadata.name);
            let by_node = everywhere && gives(of_nodes, &workload.node_name);
            let places = [(by_pod, POD_LOGS), (by_node, NODE_LOGS)].into_iter();
            for (_, place) in places.filter(|(given, _)| *given) {
                let atom = Atom::Rule { role: bound.role.clone(), position };
                causes.push((place, bound.by.clone().into_iter().chain([atom]).collect()));
            }
        }
    }
    causes
}
