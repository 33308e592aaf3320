use bailiwick_core::names::RBAC_GROUP;
use bailiwick_model::PolicyRule;
use bailiwick_rbac::{Right, covers};

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Give others the rights that one has.
    ///
    /// Without `bind` the API server lets somebody write a binding whose role holds no more than he has himself in the same place.
    /// So whoever creates bindings gains nothing, but can give away what he has, the right to create bindings included: to
    /// an identity of his that outlives the loss of the first. A binding that is there already can be extended so by `update` or
    /// `patch` where its role is covered.
    ///
    /// Closed by giving the right to create bindings to those alone who are to manage access.
    "share", "give others what one has", effort 1, Versions::ALL,
    &[
        Rule::Rights { legs: CREATE, link: link_new },
        Rule::Own { legs: CHANGE, link: link_known },
    ],
    "user eve" => "one's own rights for others of namespace shop", "create on rolebindings" => "delete on rolebindings",
    "Role shop/r
       create on rolebindings of rbac.authorization.k8s.io
     RoleBinding shop/r gives Role/r to user:eve"
}

static CREATE: &[Leg] = &[&[
    Right::new(RBAC_GROUP, "rolebindings", &["create"]),
    Right::cluster(RBAC_GROUP, "clusterrolebindings", &["create"]),
]];
static CHANGE: &[Leg] = &[&[
    Right::new(RBAC_GROUP, "rolebindings", &["patch", "update"]),
    Right::cluster(RBAC_GROUP, "clusterrolebindings", &["patch", "update"]),
]];

/// The role that gives the right is one that can be given: he has all of it.
fn link_new(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    let to = Node::area(Area::Sharing, &held.scope);
    link.edge(held.subject, to, held.condition_on(&[On::Any]));
}

fn link_known(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let to = || Node::area(Area::Sharing, &held.scope);
    // So is the role of the binding that gives it.
    if held.on_all() {
        return link.edge(held.subject, to(), held.condition(None));
    }
    let bound = world.roles_of(held.subject).into_iter();
    let bound = bound.filter(|own| own.namespace.is_empty() || own.namespace == held.scope);
    let roles = bound.filter_map(|own| world.role(&own.role));
    let rules: Vec<&PolicyRule> = roles.flat_map(|role| &role.rules).collect();
    for name in held.names(0) {
        let is_covered = world
            .snapshot
            .bindings
            .get(&held.scope, name)
            .and_then(|binding| world.role(&binding.role()?))
            .is_some_and(|role| covers(&rules, &role.rules).covered);
        if is_covered {
            link.edge(held.subject, to(), held.condition(Some(name)));
        }
    }
}
