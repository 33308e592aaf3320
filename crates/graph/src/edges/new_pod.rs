use bailiwick_core::Str;

use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// A pod has whatever of its namespace it asks for.
    ///
    /// The API server does not ask whether whoever creates a pod may use the service account that it runs as, nor whether he may
    /// read the Secrets that it mounts. So a pod of one's own is every service account of its namespace, by their tokens in its
    /// files, and every Secret, by its volumes. It mounts the ConfigMaps and the claims of the namespace as well; what lies in those is
    /// not known, so that no step leads there.
    "new-pod", "use what the namespace holds from a pod of one's own", effort 0, Versions::ALL,
    &[Rule::Each(link), Rule::Objects(link_everywhere)],
    "new pods of namespace shop" => "every Secret of namespace shop", "namespace: shop" => "namespace: pay",
    "---
     {apiVersion: v1, kind: ServiceAccount, metadata: {namespace: shop, name: web}}"
}

fn link(item: &Item<'_>, _: &World<'_>, link: &mut Link<'_>) {
    if let Item::Namespace(namespace) = *item {
        link_in(namespace, link);
    }
}

fn link_everywhere(_: &World<'_>, link: &mut Link<'_>) {
    link_in(&Default::default(), link);
}

fn link_in(namespace: &Str, link: &mut Link<'_>) {
    let pods = Node::area(Area::NewPods, namespace);
    for area in [Area::ServiceAccounts, Area::Secrets] {
        link.always(&pods, Node::area(area, namespace));
    }
}
