
use bailiwick_rbac::Right;

use crate::edge::{Rule, Versions, edge};

edge! {
    /// Send requests as somebody else as far as one may do the same on behalf of others.
    ///
    /// Constrained impersonation, on since Kubernetes 1.36, knows its own verbs: `impersonate:user-info` on `users` and
    /// `impersonate:serviceaccount` on `serviceaccounts`, both of the group `authentication.k8s.io`, say as whom one may act, and
    /// `impersonate-on:user-info:VERB` or `impersonate-on:serviceaccount:VERB` on a resource, what one may do as such. A request needs
    /// both, and the other's own right to it. So this leads not to the other identity, but to what is left of it.
    ///
    /// The mode for users refuses the names of service accounts and of nodes; groups take a right of their own. Rules in the core
    /// group give the older impersonation alone, which is a step to everything that the other may do.
    "impersonate-constrained", "act as somebody where both may", effort 1, Versions::since(36),
    &[
        Rule::Acting { mode: "user-info", leg: &[USERS] },
        Rule::Acting { mode: "serviceaccount", leg: &[ACCOUNTS] },
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

const USERS: Right =
    Right::cluster("authentication.k8s.io", "users", &["impersonate:user-info"]);
const ACCOUNTS: Right = Right::new(
    "authentication.k8s.io",
    "serviceaccounts",
    &["impersonate:serviceaccount"],
);
