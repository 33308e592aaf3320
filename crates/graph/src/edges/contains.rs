use bailiwick_core::Str;

use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::node_user;
use crate::edges::{cloud_annotation, inline_volume, runtime_flaw_pod};
use crate::node::{Area, Node};

edge! {
    /// Whoever controls everything of a kind controls each of that kind.
    ///
    /// A right that names no object reaches all of them, in one namespace or in the cluster. The graph shows that as
    /// one step to "every service account of namespace shop" and from there one to each service account. These second
    /// steps are free and always there.
    "contains", "reach everything of a kind", effort 0, Versions::ALL,
    &[Rule::Each(link), Rule::Each(link_others), Rule::Objects(inline_volume::drivers)],
    "every service account of namespace shop" => "service account shop/web", "name: web" => "name: app",
    "---
     {apiVersion: v1, kind: ServiceAccount, metadata: {namespace: shop, name: web}}"
}

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let everywhere = Default::default();
    let every = |area| Node::area(area, &everywhere);
    match *item {
        Item::Namespace(namespace) => namespace_parts(namespace, link),
        Item::Account(namespace, name) => {
            let all = Node::area(Area::ServiceAccounts, namespace);
            link.always(&all, Node::service_account(namespace, name));
        }
        Item::Secret(secret) => {
            let (namespace, name) = (&secret.metadata.namespace, &secret.metadata.name);
            let node = Node::Secret { namespace: namespace.clone(), name: name.clone() };
            link.always(&Node::area(Area::Secrets, namespace), node);
        }
        Item::Workload(workload) => {
            let all = Node::area(Area::Pods, &workload.metadata.namespace);
            link.always(&all, Node::Workload(workload.object_ref()));
        }
        Item::Machine(name) => {
            link.always(&every(Area::Machines), Node::Machine { name: name.clone() });
            let user = node_user(name).filter(|_| world.snapshot.nodes.get("", name).is_some());
            if let Some(user) = user {
                link.always(&every(Area::NodeUsers), user);
            }
        }
        Item::Subject(Node::User { name }) => {
            link.always(&every(Area::Users), world.user_by_name(name));
        }
        Item::Subject(group @ Node::Group { .. }) if !group.is_masters() => {
            link.always(&every(Area::Groups), group.clone());
        }
        Item::Subject(account @ Node::ServiceAccount { namespace, .. })
            if world.is_missing(account) =>
        {
            let missing = Node::area(Area::MissingAccounts, namespace);
            link.always(&every(Area::MissingAccounts), missing.clone());
            link.always(&missing, account.clone());
        }
        Item::Subject(_) | Item::Service(_) | Item::Ingress(_) | Item::Route(_) => {}
    }
}

/// What other edges lead to that is more than one.
fn link_others(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    cloud_annotation::contents(item, world, link);
    runtime_flaw_pod::contents(item, world, link);
}

fn namespace_parts(namespace: &Str, link: &mut Link<'_>) {
    let parts = [Area::ServiceAccounts, Area::Pods, Area::NewPods, Area::Secrets];
    let whole = Node::area(Area::Namespace, namespace);
    for area in parts {
        let part = Node::area(area, namespace);
        link.always(&Node::area(area, &Default::default()), part.clone());
        link.always(&whole, part);
    }
    link.always(&Node::area(Area::Namespace, &Default::default()), whole);
}
