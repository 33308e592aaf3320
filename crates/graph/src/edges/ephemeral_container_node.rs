use std::collections::BTreeMap;

use bailiwick_core::Str;
use bailiwick_model::{Container, Workload};
use bailiwick_rbac::Right;

use crate::build::{Held, Item, Link, World};
use crate::condition::Atom;
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::scc_use;
use crate::host::{Obstacle, Seen};
use crate::node::{Area, Node};

edge! {
    /// Add a privileged container to a pod that runs, and leave it for the node.
    ///
    /// An ephemeral container has a security context of its own: whatever the pod was made for, `patch` or `update` on
    /// `pods/ephemeralcontainers` puts one next to its containers that is privileged, and that is root on the pod's node. A rule
    /// with names gets to the nodes of the pods of these names. It takes a pod, so it leads to the nodes where the namespace has one;
    /// a static pod takes no further containers. An API server that was started without `--allow-privileged` refuses privileged
    /// containers, and takes those with the capability `SYS_ADMIN` all the same.
    ///
    /// What stands in the way is what stands before new pods (`new-pod-node`): Pod Security in a namespace with the label
    /// `pod-security.kubernetes.io/enforce` at `baseline` or `restricted`, and security context constraints of OpenShift. In a pod with
    /// `hostUsers: false` or in a sandbox the container is privileged within the pod alone.
    "ephemeral-container-node", "add a privileged container to a running pod", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }, Rule::Each(link_nodes)],
    "user eve" => "node n1", "enforce: privileged" => "enforce: baseline",
    "Role shop/r
       patch on pods/ephemeralcontainers of '' named front
     RoleBinding shop/r gives Role/r to user:eve
     ---
     {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: privileged}}}
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: front},
      spec: {nodeName: n1, containers: [{name: front, image: front}]}}"
}

/// The annotation of a static pod (upstream `pkg/apis/core/validation/validation.go`, `ValidatePodEphemeralContainersUpdate`).
const STATIC_POD: &str = "kubernetes.io/config.mirror";

static LEGS: &[Leg] = &[&[Right::new("", "pods/ephemeralcontainers", &["patch", "update"])]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if held.on_all() {
        let every = Node::area(Area::NewContainers, &held.scope);
        link.edge(held.subject, every, held.condition(None));
    }
    for name in held.names(0) {
        for pod in world.workloads_named(&held.scope, name) {
            let machine = Node::Machine { name: pod.node_name.clone() };
            match way(pod, world) {
                Some(Ok(_)) => link.edge(held.subject, machine, held.condition(Some(name))),
                Some(Err((by, why))) => link.held_back(held.subject, machine, by, why),
                None => {}
            }
        }
    }
}

/// From a namespace to where its pods take such a container, and from there to each node on which one runs, one step for
/// all of its pods there: a label that changes concerns one step.
fn link_nodes(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let open = |namespace: &Str| Node::area(Area::PrivilegedContainers, namespace);
    match *item {
        Item::Namespace(namespace) => {
            let every = Node::area(Area::NewContainers, namespace);
            link.always(&Node::area(Area::NewContainers, &Str::default()), every.clone());
            match let_in(namespace, world) {
                Ok(label) => link.by(&every, open(namespace), [label]),
                Err((by, why)) => link.held_back(&every, open(namespace), by, why),
            }
        }
        Item::Workload(pod) if pod.node_name.is_empty() => {
            link_machine(&open(&pod.metadata.namespace), &pod.node_name, let_out(pod, world), link);
        }
        Item::Machine(name) => {
            let mut by_namespace: BTreeMap<&Str, Result<(), Obstacle>> = BTreeMap::new();
            for pod in world.workloads_on(name) {
                let namespace = &pod.metadata.namespace;
                let is_open = matches!(by_namespace.get(namespace), Some(Ok(())));
                if let Some(way) = Some(pod).filter(|_| !is_open).and_then(|pod| let_out(pod, world)) {
                    by_namespace.insert(namespace, way);
                }
            }
            for (namespace, way) in by_namespace {
                link_machine(&open(namespace), name, Some(way), link);
            }
        }
        _ => {}
    }
}

fn link_machine(from: &Node, machine: &Str, way: Option<Result<(), Obstacle>>, link: &mut Link<'_>) {
    let to = Node::Machine { name: machine.clone() };
    match way {
        Some(Ok(())) => link.always(from, to),
        Some(Err((by, why))) => link.held_back(from, to, by, why),
        None => {}
    }
}

/// The label that lets such a container into a pod and out to its node, or what keeps it in; `None` where the pod takes
/// none.
fn way(pod: &Workload, world: &World<'_>) -> Option<Result<Atom, Obstacle>> {
    let out = let_out(pod, world)?;
    Some(let_in(&pod.metadata.namespace, world).and_then(|label| out.map(|()| label)))
}

/// The label that lets such a container into the pods of a namespace, or what keeps it off.
fn let_in(namespace: &str, world: &World<'_>) -> Result<Atom, Obstacle> {
    if let Some(definition) = scc_use::constraints(world) {
        let why = "security context constraints refuse privileged containers without the right to use one";
        return Err((definition, why));
    }
    let refused = "Pod Security refuses privileged containers in this namespace";
    world.pod_security(namespace).map_err(|label| (label, refused))
}

/// Whether such a container gets out to the pod's node; `None` where the pod takes none.
fn let_out(pod: &Workload, world: &World<'_>) -> Option<Result<(), Obstacle>> {
    if pod.metadata.annotation(STATIC_POD).is_some() {
        return None;
    }
    let own = Container::default();
    Some(Seen::new(world, pod, &own).kept_in().map_or(Ok(()), Err))
}
