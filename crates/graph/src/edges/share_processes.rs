use std::collections::BTreeSet;

use bailiwick_model::{Container, Workload};

use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::{Seen, field};
use crate::node::Node;

edge! {
    /// Get from one container of a pod into the others.
    ///
    /// With `shareProcessNamespace: true` the containers of a pod see the processes of each other, and by `/proc/PID/root` their
    /// files, as far as the kernel lets one process trace another: both run as the same user and the other has no capability
    /// beyond one's own, or one is root with `SYS_PTRACE`. Without it what a container has for itself (its files, its environment, its
    /// capabilities) stays with it.
    ///
    /// Everywhere else the graph knows pods as a whole. A user that the image decides may be any.
    "share-processes", "enter the other containers of the pod", effort 1, Versions::ALL, &[Rule::Each(link)],
    "container web of Pod shop/web" => "Pod shop/web", "shareProcessNamespace: true" => "shareProcessNamespace: false",
    "---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, shareProcessNamespace: true, containers: [{name: web, image: web}, {name: log, image: log}]}}"
}

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let Item::Workload(workload) = *item else { return };
    let running = || workload.pod.containers.iter().filter(|container| container.runs_on());
    if !workload.pod.share_process_namespace || running().count() < 2 {
        return;
    }
    let users: BTreeSet<i64> =
        running().filter_map(|container| user(workload, container)).collect();
    let wanted: BTreeSet<String> = running().flat_map(capabilities).collect();
    let setting = field(world.keeper(workload), "/shareProcessNamespace");
    for container in running() {
        let seen = Seen::new(world, workload, container);
        let traces = seen.traces() && seen.not_root().is_none();
        let own = capabilities(container).collect::<BTreeSet<String>>();
        let same_user = user(workload, container)
            .is_none_or(|own| users.iter().all(|other| *other == own))
            && users.len() < 2;
        let from = Node::Container {
            pod: workload.object_ref(),
            name: container.name.clone(),
        };
        let pod = Node::Workload(workload.object_ref());
        if traces || (same_user && (own.contains(EVERY) || wanted.is_subset(&own))) {
            link.by(&from, pod, [setting.clone()]);
        } else {
            let why = "another container has another user, or capabilities that this one lacks";
            link.held_back(&from, pod, seen.field("/securityContext"), why);
        }
    }
}

/// Stands for all capabilities.
const EVERY: &str = "ALL";

fn user(workload: &Workload, container: &Container) -> Option<i64> {
    container.security.run_as_user.or(workload.pod.security.run_as_user)
}

/// The capabilities that a container asks for, all written the same way.
fn capabilities(container: &Container) -> impl Iterator<Item = String> {
    let bare = |own: &str| {
        let own = own.to_ascii_uppercase();
        own.strip_prefix("CAP_").map_or(own.clone(), str::to_owned)
    };
    let every = container.security.privileged.then(|| EVERY.to_owned());
    container.security.capabilities.iter().map(move |own| bare(own)).chain(every)
}
