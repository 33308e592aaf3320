use crate::build::{Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::machines;
use crate::node::{Area, Node};

edge! {
    /// Whoever controls everything of a kind controls each of that kind.
    ///
    /// A right that names no object reaches all of them, in one namespace or in the cluster. The graph shows that as
    /// one step to "every service account of namespace shop" and from there one to each service account. These second
    /// steps are free and always there.
    "contains", "reach everything of a kind", effort 0, Versions::ALL, &[Rule::Objects(link)],
    "every service account of namespace shop" => "service account shop/web", "name: web" => "name: app",
    "---
     {apiVersion: v1, kind: ServiceAccount, metadata: {namespace: shop, name: web}}"
}

fn link(world: &World<'_>, link: &mut Link<'_>) {
    let everywhere = Default::default();
    let scoped =
        [Area::ServiceAccounts, Area::Pods, Area::NewPods, Area::Secrets, Area::Namespace];
    for namespace in &world.namespaces {
        for area in scoped {
            link.always(&Node::area(area, &everywhere), Node::area(area, namespace));
        }
        let whole = Node::area(Area::Namespace, namespace);
        for area in [Area::ServiceAccounts, Area::Pods, Area::NewPods, Area::Secrets] {
            link.always(&whole, Node::area(area, namespace));
        }
    }
    let snapshot = world.snapshot;
    for (namespace, name) in world.accounts() {
        let every = Node::area(Area::ServiceAccounts, namespace);
        link.always(&every, Node::service_account(namespace, name));
    }
    for secret in snapshot.secrets.iter() {
        let (namespace, name) = (&secret.metadata.namespace, &secret.metadata.name);
        let node = Node::Secret { namespace: namespace.clone(), name: name.clone() };
        link.always(&Node::area(Area::Secrets, namespace), node);
    }
    for workload in world.workloads() {
        let every = Node::area(Area::Pods, &workload.metadata.namespace);
        link.always(&every, Node::Workload(workload.object_ref()));
    }
    for name in machines(world) {
        link.always(&Node::area(Area::Machines, &everywhere), Node::Machine { name });
    }
    for subject in world.subjects() {
        match subject {
            Node::User { name } => {
                link.always(&Node::area(Area::Users, &everywhere), world.user_by_name(name));
            }
            Node::Group { .. } if !subject.is_masters() => {
                link.always(&Node::area(Area::Groups, &everywhere), subject.clone());
            }
            _ => {}
        }
    }
}
