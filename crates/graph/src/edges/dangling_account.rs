use bailiwick_rbac::Right;

use crate::build::{Held, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Create the service account that a binding names in vain.
    ///
    /// Bindings outlive what they name, and may come before it. Where the service account of a binding does not exist, whoever may
    /// create service accounts in that namespace, and then tokens of them or pods that run as them, has what the binding gives.
    /// Closed by deleting the subject from the binding.
    "dangling-account", "create a service account that is bound already", effort 2, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every missing service account of namespace shop", "create on serviceaccounts" => "get on serviceaccounts",
    "Role shop/r
       create on serviceaccounts of ''
       create on pods of ''
     RoleBinding shop/r gives Role/r to user:eve
     ClusterRole all
       * on * of *
     ClusterRoleBinding all gives ClusterRole/all to sa:shop/gone"
}

const CREATE: &[&str] = &["create"];

static LEGS: &[Leg] = &[
    &[Right::new("", "serviceaccounts", CREATE)],
    &[
        Right::new("", "serviceaccounts/token", CREATE),
        Right::new("", "pods", CREATE),
        Right::new("apps", "deployments", CREATE),
        Right::new("apps", "daemonsets", CREATE),
        Right::new("apps", "statefulsets", CREATE),
        Right::new("batch", "jobs", CREATE),
        Right::new("batch", "cronjobs", CREATE),
    ],
];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if held.on_all() {
        let all = Node::area(Area::MissingAccounts, &held.scope);
        link.edge(held.subject, all, held.condition(None));
    }
    for name in held.names(0) {
        for account in world.missing_accounts(&held.scope, name) {
            link.edge(held.subject, account, held.condition(Some(name)));
        }
    }
}
