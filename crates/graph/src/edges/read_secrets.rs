use crate::build::{Held, Link, World};
use crate::edge::{Leg, Reach, Rule, Versions, edge};
use crate::node::{Area, Node};
use crate::right::Right;

edge! {
    /// Read Secrets.
    ///
    /// `get`, `list` and `watch` all show the values. A rule with names shows the Secrets of these names, to `list` and
    /// `watch` with a field selector on the name. What that is worth depends on the Secret: a service account's token
    /// is the service account; others open databases, clouds and registries.
    "read-secrets", "read Secrets", effort 1, Versions::ALL, Rule::Rights { legs: LEGS, link }
}

static LEGS: &[Leg] = &[Leg {
    rights: &[Right::new("", "secrets", &["get", "list", "watch"])],
    reach: Reach::Namespace,
    by_name: true,
}];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if held.on_all() {
        link.edge(held.subject, Node::area(Area::Secrets, &held.scope), held.condition(None));
    }
    for name in held.names() {
        for namespace in world.namespaces_in(&held.scope) {
            if world.snapshot.secrets.get(&namespace, name).is_some() {
                let secret = Node::Secret { namespace, name: name.clone() };
                link.edge(held.subject, secret, held.condition(Some(name)));
            }
        }
    }
}
