use std::collections::BTreeSet;

use bailiwick_core::Str;
use bailiwick_model::{Container, Workload};
use bailiwick_rbac::Right;

use crate::build::{Held, Item, Link, On, World};
use crate::condition::Atom;
use crate::edge::{Leg, Rule, Versions, edge};
use crate::host::{Mount, NODE_LOGS, Seen, Way, lead, relation, to_node, ways};
use crate::node::{Area, Node};
use crate::world::READ_LOGS;

edge! {
    /// Read any file of the node through a log that is a link.
    ///
    /// The kubelet opens a container's log as root, by its path below `/var/log/pods`. Code in a pod that mounts that part of the node
    /// and can write there puts a link to any other file in the log's place, and reads the file by asking for the log: by `get` on
    /// `pods/log` of the pod, or by `get` on `nodes/log`, which
    /// shows whatever lies below `/var/log`. It takes the two together: code in the pod and the right. Among what lies on the node are
    /// the kubelet's key and the tokens of all its pods.
    ///
    /// Both are there for the pod itself where its service account has the right, and for whoever has the right and one to get code into
    /// the pod (`pods/exec`, `pods/attach`, `pods/ephemeralcontainers`, or `update` or `patch` of the pod); `nodes/proxy` is both at
    /// once. Not followed is who has the right himself and comes into the pod as somebody else, by that one's token or by a node; nor, for
    /// all but the pod itself, a path that is mounted by way of a claim.
    ///
    /// Links are read by the kubelet unless its container runtime keeps logs elsewhere. A container that is not root cannot write there.
    "log-symlink", "read the node's files through a log", effort 2, Versions::ALL,
    &[
        Rule::Each(link),
        Rule::Rights { legs: BY_POD, link: link_by_pod },
        Rule::Rights { legs: BY_NODE, link: link_by_node },
        Rule::Rights { legs: BY_PROXY, link: link_by_proxy },
        Rule::Each(link_areas),
    ],
    "user eve" => "links in place of the logs of pods of namespace shop", "pods/log" => "pods/logs",
    "Role shop/r
       get on pods/log of ''
       create on pods/exec of ''
     RoleBinding shop/r gives Role/r to user:eve
     ---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, volumes: [{name: host, hostPath: {path: /var/log}}],
       containers: [{name: web, image: web, volumeMounts: [{name: host, mountPath: /host}]}]}}"
}

const POD_LOGS: &str = "/var/log/pods";

/// To get code into a pod.
const ENTER: Leg = &[
    Right::new("", "pods/exec", &["create"]),
    Right::new("", "pods/attach", &["create"]),
    Right::new("", "pods/ephemeralcontainers", &["patch", "update"]),
    Right::new("", "pods", &["patch", "update"]),
];

static BY_POD: &[Leg] = &[ENTER, &[Right::new("", "pods/log", &["get"])]];
static BY_NODE: &[Leg] = &[ENTER, &[Right::cluster("", "nodes/log", &["get"])]];
static BY_PROXY: &[Leg] = &[&[Right::cluster("", "nodes/proxy", &["get", "create"])]];

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

fn link_by_pod(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if !world.has_log_writers(&held.scope) {
        return;
    }
    if held.is_on(&[On::All, On::All]) {
        let every = Node::area(Area::PodLogs, &held.scope);
        return link.edge(held.subject, every, held.condition_on(&[On::All, On::All]));
    }
    let names: BTreeSet<&Str> = held.names(0).into_iter().chain(held.names(1)).collect();
    for name in names {
        let on = [On::Name(name), On::Name(name)];
        if held.is_on(&on) {
            link_pods(held, &on, world.workloads_named(&held.scope, name), POD_LOGS, world, link);
        }
    }
}

fn link_by_node(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if !world.has_log_writers(&held.scope) {
        return;
    }
    if held.is_on(&[On::All, On::All]) {
        let every = Node::area(Area::NodeLogs, &held.scope);
        return link.edge(held.subject, every, held.condition_on(&[On::All, On::All]));
    }
    let named = held.names(0).into_iter();
    let named = named.flat_map(|name| world.workloads_named(&held.scope, name));
    let placed = held.names(1).into_iter().flat_map(|name| world.workloads_on(name));
    for pod in named.chain(placed) {
        let inside = held.scope.is_empty() || held.scope == pod.metadata.namespace;
        let on = [On::Name(&pod.metadata.name), On::Name(&pod.node_name)];
        if inside && held.is_on(&on) {
            link_pods(held, &on, [pod], NODE_LOGS, world, link);
        }
    }
}

fn link_by_proxy(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if !world.has_log_writers("") {
        return;
    }
    if held.on_all() {
        let every = Node::area(Area::NodeLogs, &held.scope);
        link.edge(held.subject, every, held.condition(None));
    }
    for name in held.names(0) {
        link_pods(held, &[On::Name(name)], world.workloads_on(name), NODE_LOGS, world, link);
    }
}

/// Links to the nodes of those pods that have a way there.
fn link_pods<'w>(
    held: &Held<'_>,
    on: &[On<'_>],
    pods: impl IntoIterator<Item = &'w Workload>,
    place: &str,
    world: &'w World<'w>,
    link: &mut Link<'_>,
) {
    for pod in pods {
        if let Some(Ok(ways)) = ways(pod, world, |seen| way(seen, place)) {
            let machine = Node::Machine { name: pod.node_name.clone() };
            let mounts = ways.into_iter().filter_map(|way| way.into_iter().next());
            link.edge_if(held.subject, machine, held.condition_on(on), mounts);
        }
    }
}

/// From the logs of a namespace to the nodes of its pods.
fn link_areas(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    for (area, place) in [(Area::PodLogs, POD_LOGS), (Area::NodeLogs, NODE_LOGS)] {
        match *item {
            Item::Namespace(namespace) if world.has_log_writers(namespace) => {
                link.always(&Node::area(area, &Str::default()), Node::area(area, namespace));
            }
            Item::Workload(pod) => {
                let from = Node::area(area, &pod.metadata.namespace);
                let machine = Node::Machine { name: pod.node_name.clone() };
                let found = ways(pod, world, |seen| way(seen, place));
                lead(&from, pod, machine, found, world, link);
            }
            _ => {}
        }
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
