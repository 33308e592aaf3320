use bailiwick_core::names::RBAC_GROUP;
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::Node;

edge! {
    /// Add oneself to a binding that is there.
    ///
    /// `update` or `patch` of a binding can change its subjects, never its role. The API server checks the change as it checks a
    /// new binding: whoever does not have every right of the role needs `bind` on it. So a right to change bindings alone gives
    /// nothing, whatever some scanners say; together with `bind` on the role of a binding it gives that role.
    "subject-edit", "add oneself to a binding", effort 1, Versions::ALL,
    &[
        Rule::Rights { legs: CLUSTER, link },
        Rule::Rights { legs: NAMESPACE, link },
        Rule::Rights { legs: ROLES, link },
    ],
    "user eve" => "the rights of ClusterRole deploy in namespace shop", "named admins" => "named others",
    "Role shop/r
       bind on clusterroles of rbac.authorization.k8s.io named deploy
       patch on rolebindings of rbac.authorization.k8s.io named admins
     RoleBinding shop/r gives Role/r to user:eve
     ClusterRole deploy
       create on pods of ''
     RoleBinding shop/admins gives ClusterRole/deploy to user:amy"
}

const BIND: &[&str] = &["bind"];
const CHANGE: &[&str] = &["patch", "update"];

static CLUSTER: &[Leg] = &[
    &[Right::cluster(RBAC_GROUP, "clusterroles", BIND)],
    &[Right::cluster(RBAC_GROUP, "clusterrolebindings", CHANGE)],
];
static NAMESPACE: &[Leg] = &[
    &[Right::new(RBAC_GROUP, "clusterroles", BIND)],
    &[Right::new(RBAC_GROUP, "rolebindings", CHANGE)],
];
static ROLES: &[Leg] = &[
    &[Right::new(RBAC_GROUP, "roles", BIND)],
    &[Right::new(RBAC_GROUP, "rolebindings", CHANGE)],
];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let (Some(role_kind), Some(binding_kind)) = (held.resource(0), held.resource(1)) else {
        return;
    };
    let bindings = &world.snapshot.bindings;
    let namespaces = match &*held.scope {
        "" => bindings.namespaces().cloned().collect(),
        _ => vec![held.scope.clone()],
    };
    let inside = namespaces.iter().flat_map(|namespace| bindings.in_namespace(namespace));
    for binding in inside {
        let namespace = &binding.metadata.namespace;
        if !held.names(0).contains(&binding.role_ref.name) && !held.on_all() {
            continue;
        }
        let Some(role) = binding.role() else { continue };
        let fits = binding.kind().resource() == binding_kind && role.kind.resource() == role_kind;
        let on = [On::Name(&role.name), On::Name(&binding.metadata.name)];
        if fits && world.role(&role).is_some() && held.is_on(&on) {
            let condition = held.condition_on(&on);
            let node = Node::Role { role: role.clone(), namespace: namespace.clone() };
            link.edge(held.subject, node, condition);
        }
    }
}
