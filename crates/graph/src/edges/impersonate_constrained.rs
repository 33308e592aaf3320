
use bailiwick_rbac::Right;

use crate::edge::{Leg, Rule, Versions, Whom, edge};

edge! {
    /// Send requests as somebody else as far as one may do the same on behalf of others.
    ///
    /// Constrained impersonation, on since Kubernetes 1.36, knows its own verbs: `impersonate:MODE` on a resource of the group
    /// `authentication.k8s.io` says as whom one may act, and `impersonate-on:MODE:VERB` on a resource, what one may do as such. A
    /// request needs both, and the other's own right to it. So this leads not to the other identity, but to what is left of it.
    ///
    /// | Mode | Resource | As whom |
    /// | --- | --- | --- |
    /// | `user-info` | `users`, besides `groups`, `uids` and `userextras/KEY` | a user that is neither a service account nor a node |
    /// | `serviceaccount` | `serviceaccounts`, in its namespace | a service account |
    /// | `arbitrary-node` | `nodes` | a node, with what the Node authorizer gives to it |
    /// | `associated-node` | `nodes`, asked for as `*` | the node on which a service account's own pod runs |
    ///
    /// Groups take a user name besides. `system:masters` is refused here; every other group is not. Four groups and more are asked
    /// for as `*`, so that a rule with that name gives them all. Rules in the core group give the older impersonation alone, which
    /// is a step to everything that the other may do.
    "impersonate-constrained", "act as somebody where both may", effort 1, Versions::since(36),
    &[
        Rule::Acting { mode: "user-info", whom: Whom::Users, legs: &[USERS] },
        Rule::Acting { mode: "user-info", whom: Whom::Groups, legs: &[GROUPS, USERS] },
        Rule::Acting { mode: "serviceaccount", whom: Whom::Accounts, legs: &[ACCOUNTS] },
        Rule::Acting { mode: "arbitrary-node", whom: Whom::Nodes, legs: &[NODES] },
        Rule::Acting { mode: "associated-node", whom: Whom::OwnNodes, legs: &[OWN_NODES] },
    ],
    "user eve" => "user eve as user amy", "user-info on users" => "user-info on groups",
    "ClusterRole r
       impersonate:user-info on users of authentication.k8s.io named amy
       impersonate-on:user-info:list on secrets of ''
     ClusterRoleBinding r gives ClusterRole/r to user:eve
     ClusterRole s
       list on secrets of ''
     RoleBinding shop/s gives ClusterRole/s to user:amy"
}

const GROUP: &str = "authentication.k8s.io";
const USERS: Leg = &[Right::cluster(GROUP, "users", &["impersonate:user-info"])];
const GROUPS: Leg = &[Right::cluster(GROUP, "groups", &["impersonate:user-info"])];
const ACCOUNTS: Leg =
    &[Right::new(GROUP, "serviceaccounts", &["impersonate:serviceaccount"])];
const NODES: Leg = &[Right::cluster(GROUP, "nodes", &["impersonate:arbitrary-node"])];
const OWN_NODES: Leg = &[Right::cluster(GROUP, "nodes", &["impersonate:associated-node"])];
