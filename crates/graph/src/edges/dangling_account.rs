use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::making::{Everywhere, NEW_POD, making_pods};
use crate::edges::secret_mint;
use crate::node::{Area, Node};

edge! {
    /// Create the service account that a binding names in vain.
    ///
    /// Bindings outlive what they name, and may come before it. Where the service account of a binding does not exist, whoever may
    /// create service accounts in that namespace, and then tokens of them (by a Secret, too) or pods that run as them, has what the binding gives.
    /// Whoever may impersonate it need not even create it (`impersonate-service-account`).
    /// Closed by deleting the subject from the binding.
    "dangling-account", "create a service account that is bound already", effort 2, Versions::ALL,
    &[
        Rule::Rights { legs: TOKEN, link: link_missing },
        Rule::Own { legs: POD, link: link_pod },
        Rule::Rights { legs: SECRET, link: link_secret },
    ],
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

const ACCOUNT: Leg = &[Right::new("", "serviceaccounts", CREATE)];

static TOKEN: &[Leg] = &[ACCOUNT, &[Right::new("", "serviceaccounts/token", CREATE)]];
static POD: &[Leg] = &[ACCOUNT, NEW_POD];
static SECRET: &[Leg] = &[ACCOUNT, secret_mint::MAKE, secret_mint::SEE];

fn link_pod(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if let Some(held) = making_pods::<Everywhere>(held, world) {
        link_missing(&held, world, link);
    }
}

fn link_secret(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if held.is_on(&[On::Any, On::All, On::All]) {
        link_missing(held, world, link);
    }
}

/// Links to service accounts that bindings name in vain: every one of the scope, or those of the names of the first leg.
pub(super) fn link_missing(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
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
